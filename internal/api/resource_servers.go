package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/danielgtaylor/huma/v2"

	"github.com/latchkey-dev/latchkey/db"
)

// scope is what a token for a resource server may be asked for with, and what roles can be given: a permission of that name.
type scope struct {
	Value       string `json:"value" minLength:"1" maxLength:"280"`
	Description string `json:"description,omitempty" maxLength:"500"`
}

type resourceServer struct {
	ID                  string        `json:"id"`
	Identifier          string        `json:"identifier"`
	Name                string        `json:"name"`
	IsSystem            bool          `json:"is_system"`
	Scopes              []scope       `json:"scopes" nullable:"false"`
	SigningAlg          string        `json:"signing_alg"`
	TokenLifetime       int32         `json:"token_lifetime" doc:"Seconds."`
	TokenLifetimeForWeb int32         `json:"token_lifetime_for_web" doc:"Seconds."`
	TokenDialect        string        `json:"token_dialect"`
	AllowOfflineAccess  bool          `json:"allow_offline_access"`
	SkipConsent         bool          `json:"skip_consent_for_verifiable_first_party_clients"`
	EnforcePolicies     bool          `json:"enforce_policies"`
	Metadata            anyJSONObject `json:"metadata"`
}

func resourceServerJSON(r *db.ResourceServer) resourceServer {
	out := resourceServer{
		ID: r.ID, Identifier: r.Identifier, Name: r.Name, Scopes: []scope{}, SigningAlg: r.SigningAlg, TokenLifetime: r.TokenLifetime,
		TokenLifetimeForWeb: r.TokenLifetimeForWeb, TokenDialect: r.TokenDialect, AllowOfflineAccess: r.AllowOfflineAccess,
		SkipConsent: r.SkipConsent, EnforcePolicies: r.EnforcePolicies, Metadata: anyJSONObject(r.Metadata),
	}
	_ = json.Unmarshal(r.Scopes, &out.Scopes) // what another writer left there, and no scope is, isn't shown
	return out
}

type newResourceServer struct {
	Identifier          string     `json:"identifier" pattern:"\\S" patternDescription:"more than spaces" maxLength:"600"`
	Name                string     `json:"name,omitempty" maxLength:"200"`
	Scopes              []scope    `json:"scopes,omitempty" maxItems:"1000"`
	SigningAlg          string     `json:"signing_alg,omitempty" enum:"RS256,EdDSA"`
	TokenLifetime       int32      `json:"token_lifetime,omitempty" minimum:"1" maximum:"2592000"`
	TokenLifetimeForWeb int32      `json:"token_lifetime_for_web,omitempty" minimum:"1" maximum:"2592000"`
	TokenDialect        string     `json:"token_dialect,omitempty" enum:"access_token,access_token_authz"`
	AllowOfflineAccess  bool       `json:"allow_offline_access,omitempty"`
	SkipConsent         bool       `json:"skip_consent_for_verifiable_first_party_clients,omitempty"`
	EnforcePolicies     bool       `json:"enforce_policies,omitempty"`
	Metadata            freeObject `json:"metadata,omitempty"`
}

type changedResourceServer struct {
	Name                maybe[string]     `json:"name,omitempty" maxLength:"200"`
	Scopes              maybe[[]scope]    `json:"scopes,omitempty" maxItems:"1000" doc:"Replaced as a whole. Roles and users lose the permissions that go."`
	SigningAlg          maybe[string]     `json:"signing_alg,omitempty" pattern:"^(RS256|EdDSA)$" patternDescription:"RS256 or EdDSA"`
	TokenLifetime       maybe[int32]      `json:"token_lifetime,omitempty" minimum:"1" maximum:"2592000"`
	TokenLifetimeForWeb maybe[int32]      `json:"token_lifetime_for_web,omitempty" minimum:"1" maximum:"2592000"`
	TokenDialect        maybe[string]     `json:"token_dialect,omitempty" pattern:"^(access_token|access_token_authz)$" patternDescription:"access_token or access_token_authz"`
	AllowOfflineAccess  maybe[bool]       `json:"allow_offline_access,omitempty"`
	SkipConsent         maybe[bool]       `json:"skip_consent_for_verifiable_first_party_clients,omitempty"`
	EnforcePolicies     maybe[bool]       `json:"enforce_policies,omitempty"`
	Metadata            maybe[freeObject] `json:"metadata,omitempty" doc:"Replaced as a whole."`
}

type resourceServersInput struct {
	Listing

	Identifiers []string `query:"identifiers" maxItems:"100" doc:"Only these, with commas between them."`
}

func (in *resourceServersInput) filters() []db.Filter {
	if len(in.Identifiers) == 0 {
		return nil
	}
	return []db.Filter{db.OneOf("identifier", in.Identifiers...)}
}

func (s *server) addResourceServers() {
	servers := s.cfg.Store.ResourceServers
	r := &resource[db.ResourceServer, resourceServer]{
		s: s, name: "resource-server", plural: "resource_servers", path: "/resource-servers", tag: tagServers, key: "id",
		filter: []string{"id", "identifier", "name"}, sort: []string{"id", "identifier", "name", "created_at", "updated_at"},
		list: ofTenant(servers.List), get: s.getResourceServer, show: plainly(resourceServerJSON), keyOf: func(r *db.ResourceServer) string { return r.ID },
	}
	addReads[db.ResourceServer, resourceServer, resourceServersInput](r)
	addCreate(r, "Each of its scopes is a permission, too.", s.createResourceServer)
	addUpdate(r, "Its identifier stays.", s.updateResourceServer)
	addDelete(r, "Its permissions go with it, and the grants of clients for it.", s.deleteResourceServer)
}

// getResourceServer finds one by its id, or by its identifier.
func (s *server) getResourceServer(ctx context.Context, c *caller, id string) (db.ResourceServer, error) {
	row, err := s.cfg.Store.ResourceServers.Get(ctx, c.tenant, id)
	if !errors.Is(err, db.ErrNotFound) {
		return row, err
	}
	page, listed := s.cfg.Store.ResourceServers.List(ctx, c.tenant, db.ListOptions{Filter: []db.Filter{db.Equal("identifier", id)}})
	if listed != nil || len(page.Rows) == 0 {
		return row, errors.Join(listed, err)
	}
	return page.Rows[0], nil
}

func (s *server) deleteResourceServer(ctx context.Context, c *caller, id string) error {
	row, err := s.getResourceServer(ctx, c, id)
	if err != nil {
		return err
	}
	return s.cfg.Store.ResourceServers.Delete(ctx, c.tenant, row.ID)
}

func (s *server) createResourceServer(ctx context.Context, c *caller, b *newResourceServer) (row db.ResourceServer, err error) {
	scopes, err := scopesJSON(b.Scopes)
	if err != nil {
		return row, err
	}
	in := db.CreateResourceServer{
		Identifier: b.Identifier, Name: b.Name, Scopes: scopes, SigningAlg: b.SigningAlg, TokenLifetime: b.TokenLifetime,
		TokenLifetimeForWeb: b.TokenLifetimeForWeb, TokenDialect: b.TokenDialect, AllowOfflineAccess: b.AllowOfflineAccess,
		SkipConsent: b.SkipConsent, EnforcePolicies: b.EnforcePolicies, Metadata: json.RawMessage(b.Metadata),
	}
	err = s.cfg.Store.InTx(ctx, func(tx *db.Tx) error {
		if row, err = tx.ResourceServers.Create(ctx, c.tenant, in); err != nil {
			return err
		}
		return keepInStep(ctx, tx, &row)
	})
	return row, err
}

func (s *server) updateResourceServer(ctx context.Context, c *caller, id string, b *changedResourceServer) (row db.ResourceServer, err error) {
	in := db.UpdateResourceServer{
		Name: b.Name.Optional, SigningAlg: b.SigningAlg.or("RS256"), TokenLifetime: b.TokenLifetime.or(86400), TokenLifetimeForWeb: b.TokenLifetimeForWeb.or(7200),
		TokenDialect: b.TokenDialect.or("access_token"), AllowOfflineAccess: b.AllowOfflineAccess.Optional, SkipConsent: b.SkipConsent.Optional,
		EnforcePolicies: b.EnforcePolicies.Optional, Metadata: rawObject(b.Metadata),
	}
	if b.Scopes.Present() {
		list, _ := b.Scopes.Get()
		scopes, err := scopesJSON(list)
		if err != nil {
			return row, err
		}
		in.Scopes = db.Set(scopes)
	}
	if row, err = s.getResourceServer(ctx, c, id); err != nil {
		return row, err
	}
	err = s.cfg.Store.InTx(ctx, func(tx *db.Tx) error {
		if row, err = tx.ResourceServers.Update(ctx, c.tenant, row.ID, in); err != nil || !b.Scopes.Present() {
			return err
		}
		return keepInStep(ctx, tx, &row)
	})
	return row, err
}

// Resolve implements huma.Resolver: what no schema can say is told along with what it does.
func (b *newResourceServer) Resolve(huma.Context) []error { return twice(b.Scopes) }

// Resolve implements huma.Resolver.
func (b *changedResourceServer) Resolve(huma.Context) []error {
	scopes, _ := b.Scopes.Get()
	return twice(scopes)
}

// twice names the scopes that are there more than once.
func twice(scopes []scope) (wrong []error) {
	seen := map[string]int{}
	for i := range scopes {
		value := scopes[i].Value
		if seen[value]++; seen[value] == 2 {
			wrong = append(wrong, &huma.ErrorDetail{Location: "body.scopes", Message: fmt.Sprintf("%q is there twice", value)})
		}
	}
	return wrong
}

func scopesJSON(scopes []scope) (json.RawMessage, error) {
	if scopes == nil {
		scopes = []scope{}
	}
	return json.Marshal(scopes)
}

// keepInStep makes the permissions those that a resource server's scopes say. The row is locked: it was written in this transaction.
func keepInStep(ctx context.Context, tx *db.Tx, r *db.ResourceServer) error {
	var scopes []scope
	if err := json.Unmarshal(r.Scopes, &scopes); err != nil { // a hook may have changed them
		return badRequest("scopes: each has to have a value, and may have a description.")
	}
	there, err := permissionsOf(ctx, tx, r)
	if err != nil {
		return err
	}
	for _, want := range scopes {
		ref := db.PermissionRef{ResourceServerIdentifier: r.Identifier, PermissionName: want.Value}
		has, found := there[want.Value]
		delete(there, want.Value)
		switch {
		case !found:
			_, err = tx.Permissions.Create(ctx, r.TenantID, db.CreatePermission{PermissionRef: ref, Description: want.Description})
		case has.Description != want.Description:
			_, err = tx.Permissions.Update(ctx, r.TenantID, ref, db.UpdatePermission{Description: db.Set(want.Description)})
		}
		if err != nil {
			return err
		}
	}
	for name := range there {
		if err := tx.Permissions.Delete(ctx, r.TenantID, db.PermissionRef{ResourceServerIdentifier: r.Identifier, PermissionName: name}); err != nil {
			return err
		}
	}
	return nil
}

func permissionsOf(ctx context.Context, tx *db.Tx, r *db.ResourceServer) (map[string]db.Permission, error) {
	all := map[string]db.Permission{}
	o := db.ListOptions{PerPage: 100, Filter: []db.Filter{db.Equal("resource_server_identifier", r.Identifier)}}
	for {
		page, err := tx.Permissions.List(ctx, r.TenantID, o)
		if err != nil {
			return nil, err
		}
		for _, p := range page.Rows {
			all[p.PermissionName] = p
		}
		if len(page.Rows) < o.PerPage {
			return all, nil
		}
		o.Page++
	}
}
