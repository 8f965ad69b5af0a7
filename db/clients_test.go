package db_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"testing"

	"github.com/latchkey-dev/latchkey/db"
)

func (e *env) client(t *testing.T, name string) db.Client {
	t.Helper()
	c, err := e.Clients.Create(t.Context(), "acme", db.CreateClient{Name: name})
	ok(t, err)
	return c
}

func TestClients(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	c, err := e.Clients.Create(ctx, "acme", db.CreateClient{
		Name: " app ", AppType: "spa", Callbacks: []string{"https://app/callback"}, JWTConfiguration: json.RawMessage(`{"alg": "RS256"}`),
		OrganizationUsage: ptr("allow"),
	})
	ok(t, err)
	if !regexp.MustCompile(`^[0-9A-Za-z]{32}$`).MatchString(c.ClientID) || c.Name != "app" || !c.IsFirstParty || !c.CustomLoginPageOn ||
		c.TokenEndpointAuthMethod != "client_secret_post" || len(c.Callbacks) != 1 || c.GrantTypes == nil || string(c.Addons) != "{}" ||
		string(c.JWTConfiguration) != `{"alg": "RS256"}` || *c.OrganizationUsage != "allow" {
		t.Errorf("created %+v", c)
	}
	third, err := e.Clients.Create(ctx, "acme", db.CreateClient{ClientID: "third", Name: "app", IsFirstParty: db.Set(false)})
	ok(t, err)
	if third.ClientID != "third" || third.IsFirstParty {
		t.Errorf("created %+v", third)
	}
	u, err := e.Clients.Update(ctx, "acme", c.ClientID, db.UpdateClient{
		GrantTypes: db.Set([]string{"authorization_code"}), Callbacks: db.Null[[]string](), OrganizationUsage: db.Null[string](),
		ClientMetadata: db.Set(json.RawMessage(`{"a": "b"}`)), SSODisabled: db.Set(true),
	})
	ok(t, err)
	if len(u.GrantTypes) != 1 || len(u.Callbacks) != 0 || u.OrganizationUsage != nil || string(u.ClientMetadata) != `{"a": "b"}` || !u.SSODisabled ||
		u.AppType != "spa" || !u.CreatedAt.Equal(c.CreatedAt) {
		t.Errorf("updated %+v", u)
	}
	page, err := e.Clients.List(ctx, "acme", db.ListOptions{Filter: []db.Filter{db.Equal("is_first_party", "true")}, Totals: true})
	ok(t, err)
	if page.Total != 1 || page.Rows[0].ClientID != c.ClientID {
		t.Errorf("list %+v", page)
	}

	for field, in := range map[string]db.CreateClient{
		"name":                          {},
		"token_endpoint_auth_method":    {Name: "x", TokenEndpointAuthMethod: "trust"},
		"organization_usage":            {Name: "x", OrganizationUsage: ptr("maybe")},
		"organization_require_behavior": {Name: "x", OrganizationRequireBehavior: ptr("maybe")},
		"refresh_token":                 {Name: "x", RefreshToken: json.RawMessage(`[]`)},
		"client_metadata":               {Name: "x", ClientMetadata: json.RawMessage(`7`)},
	} {
		_, err := e.Clients.Create(ctx, "acme", in)
		wantInvalid(t, err, field)
	}
	_, err = e.Clients.Create(ctx, "acme", db.CreateClient{ClientID: "third", Name: "x"})
	wantConflict(t, err, "client_id")
	_, err = e.Clients.Get(ctx, "globex", "third")
	wantError(t, err, db.ErrNotFound)
	_, err = e.Clients.Update(ctx, "globex", "third", db.UpdateClient{Name: db.Set("x")})
	wantError(t, err, db.ErrNotFound)
	wantError(t, e.Clients.Delete(ctx, "globex", "third"), db.ErrNotFound)
	ok(t, e.Clients.Delete(ctx, "acme", "third"))
}

func TestClientSecrets(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	id := e.client(t, "app").ClientID
	_, err := e.ClientSecrets.Get(ctx, "acme", id)
	wantError(t, err, db.ErrNotFound)
	for _, sealed := range []string{"one", "two"} {
		_, err = e.ClientSecrets.Put(ctx, "acme", id, []byte(sealed))
		ok(t, err)
	}
	secret, err := e.ClientSecrets.Get(ctx, "acme", id)
	ok(t, err)
	if string(secret.Sealed) != "two" || secret.CreatedAt.IsZero() {
		t.Errorf("secret %+v", secret)
	}
	_, err = e.ClientSecrets.Get(ctx, "globex", id)
	wantError(t, err, db.ErrNotFound)
	_, err = e.ClientSecrets.Put(ctx, "globex", id, []byte("x"))
	wantError(t, err, db.ErrNotFound)
	wantError(t, e.ClientSecrets.Delete(ctx, "globex", id), db.ErrNotFound)
	ok(t, e.ClientSecrets.Delete(ctx, "acme", id))
	wantError(t, e.ClientSecrets.Delete(ctx, "acme", id), db.ErrNotFound)
	_, err = e.ClientSecrets.Put(ctx, "acme", id, []byte("three"))
	ok(t, err)
	ok(t, e.Clients.Delete(ctx, "acme", id))
	e.wantCount(t, 0, `auth.client_secrets`)
}

func TestClientGrants(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	id := e.client(t, "job").ClientID
	g, err := e.ClientGrants.Create(ctx, "acme", db.CreateClientGrant{ClientID: id, Audience: " https://api ", Scope: []string{"read"}})
	ok(t, err)
	if !regexp.MustCompile(`^cgr_[0-9A-Za-z]{16}$`).MatchString(g.ID) || g.Audience != "https://api" || !slices.Equal(g.Scope, []string{"read"}) {
		t.Errorf("created %+v", g)
	}
	g, err = e.ClientGrants.Update(ctx, "acme", g.ID, db.UpdateClientGrant{Scope: db.Null[[]string](), AllowAnyOrganization: db.Set(true)})
	ok(t, err)
	if len(g.Scope) != 0 || !g.AllowAnyOrganization || g.ClientID != id {
		t.Errorf("updated %+v", g)
	}
	page, err := e.ClientGrants.List(ctx, "acme", db.ListOptions{Filter: []db.Filter{db.Equal("client_id", id), db.Equal("audience", "https://api")}})
	ok(t, err)
	if len(page.Rows) != 1 {
		t.Errorf("list %+v", page)
	}
	_, err = e.ClientGrants.Create(ctx, "acme", db.CreateClientGrant{ClientID: id, Audience: "https://api"})
	wantConflict(t, err, "audience")
	_, err = e.ClientGrants.Create(ctx, "acme", db.CreateClientGrant{ClientID: "none", Audience: "x"})
	wantInvalid(t, err, "client_id")
	_, err = e.ClientGrants.Create(ctx, "globex", db.CreateClientGrant{ClientID: id, Audience: "x"})
	wantInvalid(t, err, "client_id")
	_, err = e.ClientGrants.Create(ctx, "acme", db.CreateClientGrant{ClientID: id})
	wantInvalid(t, err, "audience")
	_, err = e.ClientGrants.Create(ctx, "acme", db.CreateClientGrant{ClientID: id, Audience: "x", OrganizationUsage: ptr("maybe")})
	wantInvalid(t, err, "organization_usage")
	_, err = e.ClientGrants.Get(ctx, "globex", g.ID)
	wantError(t, err, db.ErrNotFound)
	ok(t, e.ClientGrants.Delete(ctx, "acme", g.ID))
}
