package db

import (
	"context"
	"strings"
	"time"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
)

// ClientGrant is what a client may ask for with its own credentials: scopes of one audience.
type ClientGrant = dbsqlc.AuthClientGrant

// CreateClientGrant is what a new grant is made of; ID may be left empty. A client has one grant for an audience. Whether the
// audience is one that there is isn't looked at here: the management API's is no resource server.
type CreateClientGrant struct {
	ID                   string   `json:"id"`
	ClientID             string   `json:"client_id"`
	Audience             string   `json:"audience"`
	Scope                []string `json:"scope"`
	OrganizationUsage    *string  `json:"organization_usage"`
	AllowAnyOrganization bool     `json:"allow_any_organization"`
}

// UpdateClientGrant changes the fields that are present; client and audience stay. Scope is replaced as a whole.
type UpdateClientGrant struct {
	Scope                Optional[[]string] `json:"scope"`
	OrganizationUsage    Optional[string]   `json:"organization_usage"`
	AllowAnyOrganization Optional[bool]     `json:"allow_any_organization"`
}

// ClientGrants is the repository of client grants. Their hooks can't change client and audience.
type ClientGrants = Repository[ClientGrant, string, CreateClientGrant, UpdateClientGrant]

func newClientGrants(s *session, h *Hooks) *ClientGrants {
	return &ClientGrants{s: s, e: &entity[ClientGrant, string, CreateClientGrant, UpdateClientGrant]{
		name:  "client grant",
		hooks: h.ClientGrants,
		list: listing{
			table: "auth.client_grants", tenant: "tenant_id", fallback: "id",
			filter: []string{"id", "client_id", "audience", "allow_any_organization"},
			sort:   []string{"id", "client_id", "audience", "created_at", "updated_at"},
		},
		create: func(tenantID string, now time.Time, in CreateClientGrant) ClientGrant {
			return ClientGrant{
				TenantID: tenantID, ID: idOr(in.ID, "cgr_"), ClientID: in.ClientID, Audience: strings.TrimSpace(in.Audience), Scope: in.Scope,
				OrganizationUsage: in.OrganizationUsage, AllowAnyOrganization: in.AllowAnyOrganization, CreatedAt: now, UpdatedAt: now,
			}
		},
		update: func(g *ClientGrant, now time.Time, in UpdateClientGrant) {
			in.Scope.apply(&g.Scope)
			in.OrganizationUsage.applyNull(&g.OrganizationUsage)
			in.AllowAnyOrganization.apply(&g.AllowAnyOrganization)
			g.UpdatedAt = now
		},
		keep: func(g *ClientGrant, was ClientGrant) {
			g.TenantID, g.ID, g.ClientID, g.Audience, g.CreatedAt = was.TenantID, was.ID, was.ClientID, was.Audience, was.CreatedAt
		},
		normalize: func(g *ClientGrant) error {
			notNull(&g.Scope)
			return every(
				required("client grant", "client_id", g.ClientID), required("client grant", "audience", g.Audience),
				oneOf("client grant", "organization_usage", g.OrganizationUsage, "deny", "allow", "require"),
			)
		},
		get:  (*queries).GetClientGrant,
		lock: (*queries).LockClientGrant,
		insert: func(q *queries, ctx context.Context, g ClientGrant) (ClientGrant, error) {
			return q.InsertClientGrant(ctx, dbsqlc.InsertClientGrantParams(g))
		},
		change: func(q *queries, ctx context.Context, g ClientGrant) (ClientGrant, error) {
			return q.UpdateClientGrant(ctx, dbsqlc.UpdateClientGrantParams(g))
		},
		remove: (*queries).DeleteClientGrant,
	}}
}
