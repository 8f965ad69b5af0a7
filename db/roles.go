package db

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
)

// Role is a named set of permissions.
type Role = dbsqlc.AuthRole

// CreateRole is what a new role is made of; ID may be left empty. The name is trimmed and unique in its tenant.
type CreateRole struct {
	ID          string          `json:"id"`
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Metadata    json.RawMessage `json:"metadata"`
}

// UpdateRole changes the fields that are present.
type UpdateRole struct {
	Name        Optional[string]          `json:"name"`
	Description Optional[string]          `json:"description"`
	Metadata    Optional[json.RawMessage] `json:"metadata"`
}

// Roles is the repository of roles. Deleting one takes its permissions and its assignments to users and members along.
type Roles = Repository[Role, string, CreateRole, UpdateRole]

func newRoles(s *session, h *Hooks) *Roles {
	return &Roles{s: s, e: &entity[Role, string, CreateRole, UpdateRole]{
		name:  "role",
		hooks: h.Roles,
		list:  rolesListing(),
		create: func(tenantID string, now time.Time, in CreateRole) Role {
			return Role{
				TenantID: tenantID, ID: idOr(in.ID, "rol_"), Name: in.Name, Description: in.Description, Metadata: in.Metadata,
				CreatedAt: now, UpdatedAt: now,
			}
		},
		update: func(r *Role, now time.Time, in UpdateRole) {
			in.Name.apply(&r.Name)
			in.Description.apply(&r.Description)
			in.Metadata.apply(&r.Metadata)
			r.UpdatedAt = now
		},
		keep: func(r *Role, was Role) { r.TenantID, r.ID, r.CreatedAt = was.TenantID, was.ID, was.CreatedAt },
		normalize: func(r *Role) error {
			r.Name = strings.TrimSpace(r.Name)
			return every(required("role", "name", r.Name), object("role", "metadata", &r.Metadata))
		},
		takes: func(tenantID, id string) []taken {
			const its = "tenant_id = $1 and role_id = $2"
			return []taken{
				takenPermissions(h.RolePermissions, its, tenantID, id),
				takenRows(h.UserRoles, its, tenantID, id),
				takenRows(h.OrganizationMemberRoles, its, tenantID, id),
			}
		},
		get:  (*queries).GetRole,
		lock: (*queries).LockRole,
		insert: func(q *queries, ctx context.Context, r Role) (Role, error) {
			return q.InsertRole(ctx, dbsqlc.InsertRoleParams(r))
		},
		change: func(q *queries, ctx context.Context, r Role) (Role, error) {
			return q.UpdateRole(ctx, dbsqlc.UpdateRoleParams(r))
		},
		remove: (*queries).DeleteRole,
	}}
}

func rolesListing() listing {
	return listing{
		table: "auth.roles", tenant: "tenant_id", fallback: "id",
		filter: []string{"id", "name", "description"}, sort: []string{"id", "name", "created_at", "updated_at"},
	}
}
