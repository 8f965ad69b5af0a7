package db

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
)

// ResourceServer is an API that tokens are made for.
type ResourceServer = dbsqlc.AuthResourceServer

// CreateResourceServer is what a new resource server is made of; ID may be left empty. Zero values mean RS256, a day, two
// hours for web clients, and the dialect access_token. The identifier (its audience) is unique in its tenant.
type CreateResourceServer struct {
	ID                  string          `json:"id"`
	Identifier          string          `json:"identifier"`
	Name                string          `json:"name"`
	Scopes              json.RawMessage `json:"scopes"` // [{"value": "read:all", "description": "..."}]
	SigningAlg          string          `json:"signing_alg"`
	TokenLifetime       int32           `json:"token_lifetime"` // seconds
	TokenLifetimeForWeb int32           `json:"token_lifetime_for_web"`
	TokenDialect        string          `json:"token_dialect"`
	AllowOfflineAccess  bool            `json:"allow_offline_access"`
	SkipConsent         bool            `json:"skip_consent"`
	EnforcePolicies     bool            `json:"enforce_policies"`
	Metadata            json.RawMessage `json:"metadata"`
}

// UpdateResourceServer changes the fields that are present; the identifier stays. Scopes and Metadata are replaced as a whole.
type UpdateResourceServer struct {
	Name                Optional[string]          `json:"name"`
	Scopes              Optional[json.RawMessage] `json:"scopes"`
	SigningAlg          Optional[string]          `json:"signing_alg"`
	TokenLifetime       Optional[int32]           `json:"token_lifetime"`
	TokenLifetimeForWeb Optional[int32]           `json:"token_lifetime_for_web"`
	TokenDialect        Optional[string]          `json:"token_dialect"`
	AllowOfflineAccess  Optional[bool]            `json:"allow_offline_access"`
	SkipConsent         Optional[bool]            `json:"skip_consent"`
	EnforcePolicies     Optional[bool]            `json:"enforce_policies"`
	Metadata            Optional[json.RawMessage] `json:"metadata"`
}

// ResourceServers is the repository of resource servers. Deleting one takes its permissions along, and these from the
// roles and users that have them, and the grants of clients for it. Its hooks can't change the identifier.
type ResourceServers = Repository[ResourceServer, string, CreateResourceServer, UpdateResourceServer]

func newResourceServers(s *session, h *Hooks) *ResourceServers {
	return &ResourceServers{s: s, e: &entity[ResourceServer, string, CreateResourceServer, UpdateResourceServer]{
		name:  "resource server",
		hooks: h.ResourceServers,
		list: listing{
			table: "auth.resource_servers", tenant: "tenant_id", fallback: "id",
			filter: []string{"id", "identifier", "name"}, sort: []string{"id", "identifier", "name", "created_at", "updated_at"},
		},
		create: func(tenantID string, now time.Time, in CreateResourceServer) ResourceServer {
			return ResourceServer{
				TenantID: tenantID, ID: idOr(in.ID, "api_"), Identifier: in.Identifier, Name: in.Name, Scopes: in.Scopes,
				SigningAlg: cmp.Or(in.SigningAlg, "RS256"), TokenLifetime: cmp.Or(in.TokenLifetime, 86400),
				TokenLifetimeForWeb: cmp.Or(in.TokenLifetimeForWeb, 7200), TokenDialect: cmp.Or(in.TokenDialect, "access_token"),
				AllowOfflineAccess: in.AllowOfflineAccess, SkipConsent: in.SkipConsent, EnforcePolicies: in.EnforcePolicies,
				Metadata: in.Metadata, CreatedAt: now, UpdatedAt: now,
			}
		},
		update: func(r *ResourceServer, now time.Time, in UpdateResourceServer) {
			in.Name.apply(&r.Name)
			in.Scopes.apply(&r.Scopes)
			in.SigningAlg.apply(&r.SigningAlg)
			in.TokenLifetime.apply(&r.TokenLifetime)
			in.TokenLifetimeForWeb.apply(&r.TokenLifetimeForWeb)
			in.TokenDialect.apply(&r.TokenDialect)
			in.AllowOfflineAccess.apply(&r.AllowOfflineAccess)
			in.SkipConsent.apply(&r.SkipConsent)
			in.EnforcePolicies.apply(&r.EnforcePolicies)
			in.Metadata.apply(&r.Metadata)
			r.UpdatedAt = now
		},
		keep: func(r *ResourceServer, was ResourceServer) {
			r.TenantID, r.ID, r.Identifier, r.CreatedAt = was.TenantID, was.ID, was.Identifier, was.CreatedAt
		},
		normalize: func(r *ResourceServer) error {
			r.Identifier = strings.TrimSpace(r.Identifier)
			return every(
				required("resource server", "identifier", r.Identifier),
				array("resource server", "scopes", &r.Scopes), object("resource server", "metadata", &r.Metadata),
			)
		},
		takes: func(tenantID, id string) []taken {
			const its = "tenant_id = $1 and resource_server_identifier = (select identifier from auth.resource_servers where tenant_id = $1 and id = $2)"
			return []taken{
				takenRows(h.Permissions, its, tenantID, id).holding(),
				takenPermissions(h.RolePermissions, its, tenantID, id),
				takenRows(h.UserPermissions, its, tenantID, id),
				takenRows(h.ClientGrants, "tenant_id = $1 and audience = (select identifier from auth.resource_servers where tenant_id = $1 and id = $2)", tenantID, id),
			}
		},
		get:  (*queries).GetResourceServer,
		lock: (*queries).LockResourceServer,
		insert: func(q *queries, ctx context.Context, r ResourceServer) (ResourceServer, error) {
			return q.InsertResourceServer(ctx, dbsqlc.InsertResourceServerParams(r))
		},
		change: func(q *queries, ctx context.Context, r ResourceServer) (ResourceServer, error) {
			return q.UpdateResourceServer(ctx, dbsqlc.UpdateResourceServerParams(r))
		},
		remove: (*queries).DeleteResourceServer,
	}}
}
