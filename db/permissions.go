package db

import (
	"context"
	"time"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
)

// Permission is what a role can be given: a name that a resource server knows.
type Permission = dbsqlc.AuthPermission

// CreatePermission is what a new permission is made of; the resource server must exist.
type CreatePermission struct {
	PermissionRef
	Description string `json:"description"`
}

// UpdatePermission changes the description where it is present.
type UpdatePermission struct {
	Description Optional[string] `json:"description"`
}

// Permissions is the repository of permissions. Deleting one takes it from the roles and users that have it.
type Permissions = Repository[Permission, PermissionRef, CreatePermission, UpdatePermission]

func newPermissions(s *session, h *Hooks) *Permissions {
	return &Permissions{s: s, e: &entity[Permission, PermissionRef, CreatePermission, UpdatePermission]{
		name:  "permission",
		hooks: h.Permissions,
		list:  permissionsListing(),
		create: func(tenantID string, now time.Time, in CreatePermission) Permission {
			return Permission{
				TenantID: tenantID, ResourceServerIdentifier: in.ResourceServerIdentifier, PermissionName: in.PermissionName,
				Description: in.Description, CreatedAt: now, UpdatedAt: now,
			}
		},
		update: func(p *Permission, now time.Time, in UpdatePermission) {
			in.Description.apply(&p.Description)
			p.UpdatedAt = now
		},
		keep: func(p *Permission, was Permission) {
			p.TenantID, p.ResourceServerIdentifier, p.PermissionName = was.TenantID, was.ResourceServerIdentifier, was.PermissionName
			p.CreatedAt = was.CreatedAt
		},
		normalize: func(p *Permission) error {
			return every(
				required("permission", "resource_server_identifier", p.ResourceServerIdentifier),
				required("permission", "permission_name", p.PermissionName),
			)
		},
		takes: func(tenantID string, id PermissionRef) []taken {
			const its = "tenant_id = $1 and resource_server_identifier = $2 and permission_name = $3"
			return []taken{
				takenPermissions(h.RolePermissions, its, tenantID, id.ResourceServerIdentifier, id.PermissionName),
				takenRows(h.UserPermissions, its, tenantID, id.ResourceServerIdentifier, id.PermissionName),
			}
		},
		get: func(q *queries, ctx context.Context, tenantID string, id PermissionRef) (Permission, error) {
			return q.GetPermission(ctx, tenantID, id.ResourceServerIdentifier, id.PermissionName)
		},
		lock: func(q *queries, ctx context.Context, tenantID string, id PermissionRef) (Permission, error) {
			return q.LockPermission(ctx, tenantID, id.ResourceServerIdentifier, id.PermissionName)
		},
		insert: func(q *queries, ctx context.Context, p Permission) (Permission, error) {
			return q.InsertPermission(ctx, dbsqlc.InsertPermissionParams(p))
		},
		change: func(q *queries, ctx context.Context, p Permission) (Permission, error) {
			return q.UpdatePermission(ctx, dbsqlc.UpdatePermissionParams(p))
		},
		remove: func(q *queries, ctx context.Context, tenantID string, id PermissionRef) (int64, error) {
			return q.DeletePermission(ctx, tenantID, id.ResourceServerIdentifier, id.PermissionName)
		},
	}}
}

func permissionsListing() listing {
	return listing{
		table: "auth.permissions", tenant: "tenant_id", fallback: "resource_server_identifier, permission_name",
		filter: []string{"resource_server_identifier", "permission_name"},
		sort:   []string{"resource_server_identifier", "permission_name", "created_at", "updated_at"},
	}
}
