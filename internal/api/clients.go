package api

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/latchkey-dev/latchkey/db"
)

// A client's members are those of its row.
type (
	newClient     db.CreateClient
	changedClient db.UpdateClient
	client        struct {
		db.Client
		secret string // where it was made just now, or may be read
	}
)

// Schema implements huma.SchemaProvider.
func (newClient) Schema(huma.Registry) *huma.Schema {
	return withClientRules(fieldsOf(typeOf[db.CreateClient](), []string{"name"}, "client_id"))
}

// Schema implements huma.SchemaProvider.
func (changedClient) Schema(huma.Registry) *huma.Schema {
	s := withClientRules(fieldsOf(typeOf[db.UpdateClient](), nil))
	s.Properties["name"].Nullable = false
	return s
}

// withClientRules says in the description what the repository would, so that one answer has all that is wrong.
func withClientRules(s *huma.Schema) *huma.Schema {
	notBlank(s.Properties["name"])
	choices(s.Properties["token_endpoint_auth_method"], publicClient, "client_secret_post", "client_secret_basic")
	choices(s.Properties["organization_usage"], "deny", "allow", "require")
	choices(s.Properties["organization_require_behavior"], "no_prompt", "pre_login_prompt", "post_login_prompt")
	s.PrecomputeMessages()
	return s
}

// Schema implements huma.SchemaProvider.
func (client) Schema(huma.Registry) *huma.Schema {
	s := fieldsOf(typeOf[db.Client](), nil, "tenant_id")
	s.Properties["client_secret"] = &huma.Schema{Type: huma.TypeString, Description: "Shown at creation, when it is replaced, and to whoever has the scope read:client_keys."}
	return s
}

// MarshalJSON implements json.Marshaler.
func (c client) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		db.Client
		TenantID string `json:"tenant_id,omitempty"` // hides the row's
		Secret   string `json:"client_secret,omitempty"`
	}{Client: c.Client, Secret: c.secret})
}

type clientsInput struct {
	Listing

	AppType      []string `query:"app_type" maxItems:"20" doc:"Only those of one of these, with commas between them."`
	IsFirstParty string   `query:"is_first_party" enum:"true,false" doc:"Only those that are, or are not."`
}

func (in *clientsInput) filters() []db.Filter {
	var f []db.Filter
	if len(in.AppType) > 0 {
		f = append(f, db.OneOf("app_type", in.AppType...))
	}
	if in.IsFirstParty != "" {
		f = append(f, db.Equal("is_first_party", in.IsFirstParty))
	}
	return f
}

func (s *server) addClients() {
	clients := s.cfg.Store.Clients
	r := &resource[db.Client, client]{
		s: s, name: "client", plural: "clients", path: "/clients", tag: tagClients, key: "client_id",
		filter: []string{"client_id", "name", "app_type", "is_first_party"}, sort: []string{"client_id", "name", "app_type", "created_at", "updated_at"},
		list: ofTenant(clients.List), get: ofTenant(clients.Get), keyOf: func(c *db.Client) string { return c.ClientID },
		show: s.showClients, reads: []string{readClientKeys},
	}
	addReads[db.Client, client, clientsInput](r)
	add(s, operation{
		id: "create-client", method: http.MethodPost, path: r.path, scope: "create:clients", tag: tagClients, summary: "Create a client",
		status: http.StatusCreated, errors: []int{http.StatusConflict}, change: true, about: "The answer has its `client_secret`, unless it is public (token_endpoint_auth_method none).",
	}, s.createClient)
	addUpdate(r, "One that becomes public loses its secret.", s.updateClient)
	addDelete(r, "Its grants go with it.", func(ctx context.Context, c *caller, id string) error { return clients.Delete(ctx, c.tenant, id) })
	add(s, operation{
		id: "rotate-client-secret", method: http.MethodPost, path: "/clients/{id}/rotate-secret", scope: "update:client_keys", tag: tagClients,
		summary: "Replace a client's secret", change: true, about: "The one before ends at once. The answer has the new one.",
	}, s.rotateClientSecret)
}

// readClientKeys is the scope that has clients shown with their secrets.
const readClientKeys = "read:client_keys"

func (s *server) showClients(ctx context.Context, c *caller, rows []db.Client) ([]client, error) {
	list, keys := make([]client, len(rows)), c.Allows(readClientKeys)
	for i := range rows {
		list[i] = client{Client: rows[i]}
		if !keys || rows[i].TokenEndpointAuthMethod == publicClient {
			continue
		}
		secret, err := s.clientSecret(ctx, &rows[i])
		if err != nil && !errors.Is(err, db.ErrNotFound) {
			return nil, err
		}
		list[i].secret = string(secret)
	}
	return list, nil
}

// clientSecret opens a client's secret. Errors: db.ErrNotFound, where it has none.
func (s *server) clientSecret(ctx context.Context, c *db.Client) ([]byte, error) {
	sealed, err := s.cfg.Store.ClientSecrets.Get(ctx, c.TenantID, c.ClientID)
	if err != nil {
		return nil, err
	}
	return s.cfg.Seal.Open(sealed.Sealed, db.ClientSecretName(c))
}

// publicClient is how a client authenticates that has no secret.
const publicClient = "none"

func (s *server) createClient(ctx context.Context, c *caller, in *created[newClient]) (*shown[client], error) {
	var out client
	err := s.cfg.Store.InTx(ctx, func(tx *db.Tx) (err error) {
		if out.Client, err = tx.Clients.Create(ctx, c.tenant, db.CreateClient(in.Body)); err != nil || out.TokenEndpointAuthMethod == publicClient {
			return err
		}
		out.secret, err = s.newClientSecret(ctx, tx, &out.Client)
		return err
	})
	return &shown[client]{out}, err
}

func (s *server) updateClient(ctx context.Context, c *caller, id string, b *changedClient) (row db.Client, err error) {
	if method, _ := b.TokenEndpointAuthMethod.Get(); method != publicClient {
		return s.cfg.Store.Clients.Update(ctx, c.tenant, id, db.UpdateClient(*b))
	}
	err = s.cfg.Store.InTx(ctx, func(tx *db.Tx) error {
		if row, err = tx.Clients.Update(ctx, c.tenant, id, db.UpdateClient(*b)); err != nil {
			return err
		}
		if err := tx.ClientSecrets.Delete(ctx, c.tenant, id); !errors.Is(err, db.ErrNotFound) {
			return err
		}
		return nil
	})
	return row, err
}

func (s *server) rotateClientSecret(ctx context.Context, c *caller, in *one) (*shown[client], error) {
	var out client
	err := s.cfg.Store.InTx(ctx, func(tx *db.Tx) (err error) {
		if out.Client, err = tx.Clients.Get(ctx, c.tenant, in.ID); err != nil {
			return err
		}
		if out.TokenEndpointAuthMethod == publicClient {
			return badRequest("The client is public: it has no secret.")
		}
		out.secret, err = s.newClientSecret(ctx, tx, &out.Client)
		return err
	})
	return &shown[client]{out}, err
}

func (s *server) newClientSecret(ctx context.Context, tx *db.Tx, c *db.Client) (string, error) {
	secret := rand.Text() + rand.Text()
	_, err := tx.ClientSecrets.Put(ctx, c.TenantID, c.ClientID, s.cfg.Seal.Seal([]byte(secret), db.ClientSecretName(c)))
	return secret, err
}
