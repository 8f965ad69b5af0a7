package db

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
	"github.com/latchkey-dev/latchkey/hooks"
)

// Role is a named set of permissions.
type Role = dbsqlc.AuthRole

// CreateRole is what a new role is made of; ID may be left empty.
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

// Roles is the repository of roles.
type Roles = Repository[Role, string, CreateRole, UpdateRole]

func newRoles(s *session, h *Hooks) *Roles {
	return &Roles{s: s, e: &entity[Role, string, CreateRole, UpdateRole]{
		name:  "role",
		hooks: h.Roles,
		fields: func(r *Role) fields[string] {
			return fields[string]{
				tenantID: &r.TenantID, createdAt: &r.CreatedAt, updatedAt: &r.UpdatedAt,
				id: func() string { return r.ID }, setID: func(id string) { r.ID = id },
			}
		},
		create: func(in CreateRole) Role {
			if in.ID == "" {
				in.ID = newID("rol_")
			}
			return Role{ID: in.ID, Name: in.Name, Description: in.Description, Metadata: in.Metadata}
		},
		update: func(r *Role, in UpdateRole) {
			in.Name.apply(&r.Name)
			in.Description.apply(&r.Description)
			in.Metadata.apply(&r.Metadata)
		},
		normalize: func(r *Role) error {
			r.Name = strings.TrimSpace(r.Name)
			if err := object("role", "metadata", &r.Metadata); err != nil {
				return err
			}
			return required("role", "name", r.Name)
		},
		get:  (*dbsqlc.Queries).GetRole,
		lock: (*dbsqlc.Queries).LockRole,
		insert: func(q *dbsqlc.Queries, ctx context.Context, r Role) (Role, error) {
			return q.InsertRole(ctx, dbsqlc.InsertRoleParams(r))
		},
		change: func(q *dbsqlc.Queries, ctx context.Context, r Role) (Role, error) {
			return q.UpdateRole(ctx, dbsqlc.UpdateRoleParams(r))
		},
		remove: (*dbsqlc.Queries).DeleteRole,
		alongside: func(ctx context.Context, w *write, r Role) error {
			if !h.RolePermissions.HasBefore(hooks.Remove) {
				return nil
			}
			return removeAll(ctx, w, h.RolePermissions, RoleRef{TenantID: r.TenantID, RoleID: r.ID})
		},
		list: listing{
			table: "auth.roles", tenant: "tenant_id", fallback: "id",
			filter: []string{"id", "name", "description"}, sort: []string{"id", "name", "created_at", "updated_at"},
		},
	}}
}
