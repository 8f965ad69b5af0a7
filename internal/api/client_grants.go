package api

import (
	"context"

	"github.com/latchkey-dev/latchkey/db"
)

type clientGrant struct {
	ID                   string   `json:"id"`
	ClientID             string   `json:"client_id"`
	Audience             string   `json:"audience"`
	Scope                []string `json:"scope" nullable:"false"`
	OrganizationUsage    *string  `json:"organization_usage,omitempty"`
	AllowAnyOrganization bool     `json:"allow_any_organization"`
}

func clientGrantJSON(g *db.ClientGrant) clientGrant {
	return clientGrant{
		ID: g.ID, ClientID: g.ClientID, Audience: g.Audience, Scope: g.Scope, OrganizationUsage: g.OrganizationUsage, AllowAnyOrganization: g.AllowAnyOrganization,
	}
}

type newClientGrant struct {
	ClientID             string   `json:"client_id" minLength:"1" maxLength:"128"`
	Audience             string   `json:"audience" pattern:"\\S" patternDescription:"more than spaces" maxLength:"600" doc:"A resource server's identifier, or the management API's."`
	Scope                []string `json:"scope" nullable:"false" maxItems:"1000"`
	OrganizationUsage    *string  `json:"organization_usage,omitempty" nullable:"true" enum:"deny,allow,require"`
	AllowAnyOrganization bool     `json:"allow_any_organization,omitempty"`
}

type changedClientGrant struct {
	Scope                maybe[[]string] `json:"scope,omitempty" maxItems:"1000" doc:"Replaced as a whole."`
	OrganizationUsage    maybe[string]   `json:"organization_usage,omitempty" pattern:"^(deny|allow|require)$" patternDescription:"deny, allow or require"`
	AllowAnyOrganization maybe[bool]     `json:"allow_any_organization,omitempty"`
}

type clientGrantsInput struct {
	Listing

	ClientID string `query:"client_id" maxLength:"128" doc:"Only those of this client."`
	Audience string `query:"audience" maxLength:"600" doc:"Only those for this audience."`
}

func (in *clientGrantsInput) filters() []db.Filter {
	var f []db.Filter
	if in.ClientID != "" {
		f = append(f, db.Equal("client_id", in.ClientID))
	}
	if in.Audience != "" {
		f = append(f, db.Equal("audience", in.Audience))
	}
	return f
}

func (s *server) addClientGrants() {
	grants := s.cfg.Store.ClientGrants
	r := &resource[db.ClientGrant, clientGrant]{
		s: s, name: "client-grant", plural: "client_grants", path: "/client-grants", tag: tagClients, key: "id",
		filter: []string{"id", "client_id", "audience", "allow_any_organization"}, sort: []string{"id", "client_id", "audience", "created_at", "updated_at"},
		list: ofTenant(grants.List), get: ofTenant(grants.Get), show: plainly(clientGrantJSON), keyOf: func(g *db.ClientGrant) string { return g.ID },
	}
	addReads[db.ClientGrant, clientGrant, clientGrantsInput](r)
	addCreate(r, "It says what the client may ask for at /oauth/token with its own credentials.", func(ctx context.Context, c *caller, b *newClientGrant) (db.ClientGrant, error) {
		return grants.Create(ctx, c.tenant, db.CreateClientGrant{
			ClientID: b.ClientID, Audience: b.Audience, Scope: b.Scope, OrganizationUsage: b.OrganizationUsage, AllowAnyOrganization: b.AllowAnyOrganization,
		})
	})
	addUpdate(r, "Client and audience stay.", func(ctx context.Context, c *caller, id string, b *changedClientGrant) (db.ClientGrant, error) {
		return grants.Update(ctx, c.tenant, id, db.UpdateClientGrant{
			Scope: b.Scope.Optional, OrganizationUsage: b.OrganizationUsage.Optional, AllowAnyOrganization: b.AllowAnyOrganization.Optional,
		})
	})
	addDelete(r, "", func(ctx context.Context, c *caller, id string) error { return grants.Delete(ctx, c.tenant, id) })
}
