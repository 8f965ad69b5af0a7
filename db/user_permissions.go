package db

import (
	"context"
	"time"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
)

// UserPermission says that a user has a permission by itself, and not by a role.
type UserPermission = dbsqlc.AuthUserPermission

// EffectivePermission is what a user may do, and by what: its roles, or itself.
type EffectivePermission struct {
	PermissionRef
	Description        string   `db:"description" json:"description"`
	ResourceServerName string   `db:"resource_server_name" json:"resource_server_name"`
	Direct             bool     `db:"direct" json:"direct"` // by itself
	RoleIDs            []string `db:"role_ids" json:"role_ids"`
}

// UserPermissions is the repository of the permissions that users have by themselves, see [Links].
type UserPermissions struct {
	Links[UserPermission, string, PermissionRef]
}

// Effective reads a page of all that a user may do, by roles or by itself. Errors: [Invalid].
func (u *UserPermissions) Effective(ctx context.Context, tenantID, userID string, o ListOptions) (Page[EffectivePermission], error) {
	columns := []string{"resource_server_identifier", "permission_name"}
	page, err := list[EffectivePermission](ctx, u.s, "permission", listing{
		table: "auth.effective_permissions", tenant: "tenant_id", fallback: "resource_server_identifier, permission_name",
		filter: append(columns, "direct"), sort: columns,
	}.among("user_id = $2", userID), tenantID, o)
	return page, failed(err, "list", "permissions of a user")
}

func newUserPermissions(s *session, h *Hooks) *UserPermissions {
	columns := []string{"user_id", "resource_server_identifier", "permission_name"}
	return &UserPermissions{Links[UserPermission, string, PermissionRef]{s: s, e: &linking[UserPermission, string, PermissionRef]{
		name:  "user permission",
		hooks: h.UserPermissions,
		list: listing{
			table: "auth.user_permissions", tenant: "tenant_id", fallback: "user_id, resource_server_identifier, permission_name",
			filter: columns, sort: append(columns, "created_at"),
		},
		row: func(tenantID, userID string, p PermissionRef, now time.Time) UserPermission {
			return UserPermission{
				TenantID: tenantID, UserID: userID, ResourceServerIdentifier: p.ResourceServerIdentifier, PermissionName: p.PermissionName, CreatedAt: now,
			}
		},
		member: func(u UserPermission) PermissionRef {
			return PermissionRef{u.ResourceServerIdentifier, u.PermissionName}
		},
		lock: lockUser,
		has: func(q *queries, ctx context.Context, tenantID, userID string, _ []PermissionRef) ([]UserPermission, error) {
			return q.ListUserPermissions(ctx, tenantID, userID)
		},
		takes: func(tenantID, userID string, permissions []PermissionRef) []taken {
			const these = "tenant_id = $1 and user_id = $2 and (resource_server_identifier, permission_name) in (select unnest($3::text[]), unnest($4::text[]))"
			servers, names := columnsOf(permissions)
			return []taken{takenRows(h.UserPermissions, these, tenantID, userID, servers, names)}
		},
		assign: func(q *queries, ctx context.Context, tenantID, userID string, permissions []PermissionRef, at time.Time) (int64, error) {
			servers, names := columnsOf(permissions)
			return q.AssignUserPermissions(ctx, dbsqlc.AssignUserPermissionsParams{
				TenantID: tenantID, UserID: userID, Servers: servers, Names: names, At: at,
			})
		},
		remove: func(q *queries, ctx context.Context, tenantID, userID string, permissions []PermissionRef) (int64, error) {
			servers, names := columnsOf(permissions)
			return q.RemoveUserPermissions(ctx, tenantID, userID, servers, names)
		},
	}}}
}

// columnsOf gives permissions as the two lists that SQL unnests.
func columnsOf(permissions []PermissionRef) (servers, names []string) {
	servers, names = make([]string, len(permissions)), make([]string, len(permissions))
	for i, p := range permissions {
		servers[i], names[i] = p.ResourceServerIdentifier, p.PermissionName
	}
	return servers, names
}
