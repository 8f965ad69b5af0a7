package db

import (
	"context"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
	"github.com/latchkey-dev/latchkey/hooks"
)

// RoleRef names a role.
type RoleRef struct {
	TenantID string `db:"tenant_id" json:"tenant_id"`
	RoleID   string `db:"role_id" json:"role_id"`
}

// PermissionRef names a permission of a resource server.
type PermissionRef struct {
	ResourceServerIdentifier string `db:"resource_server_identifier" json:"resource_server_identifier"`
	PermissionName           string `db:"permission_name" json:"permission_name"`
}

// RolePermissions is the repository of the permissions that roles have. All that one call assigns or removes is one
// transaction, one call of each before-hook and one event.
type RolePermissions struct {
	s     *session
	hooks *hooks.Set[RoleRef, PermissionRef]
}

// List reads a role's permissions, in order. An unknown role has none.
func (r *RolePermissions) List(ctx context.Context, tenantID, roleID string) ([]PermissionRef, error) {
	rows, err := dbsqlc.New(r.s.reader()).ListRolePermissions(ctx, tenantID, roleID)
	return permissionRefs(rows), failed(err, "list", "role permissions")
}

// Assign gives the role permissions; what it has already stays. It returns how many were new.
// Errors: [ErrNotFound] for the role, [Invalid] for a permission that doesn't exist, and those of the before-hooks.
func (r *RolePermissions) Assign(ctx context.Context, tenantID, roleID string, permissions ...PermissionRef) (int, error) {
	n, err := r.write(ctx, hooks.Assign, RoleRef{tenantID, roleID}, permissions)
	return n, failed(err, "assign", "role permissions")
}

// Remove takes permissions from the role; what it doesn't have is passed over. It returns how many went.
func (r *RolePermissions) Remove(ctx context.Context, tenantID, roleID string, permissions ...PermissionRef) (int, error) {
	n, err := r.write(ctx, hooks.Remove, RoleRef{tenantID, roleID}, permissions)
	return n, failed(err, "remove", "role permissions")
}

// write locks the role, so that what the hooks decide on is what changes.
func (r *RolePermissions) write(ctx context.Context, op hooks.Operation, role RoleRef, permissions []PermissionRef) (int, error) {
	return inWrite(ctx, r.s, func(w *write) (int, error) {
		if _, err := dbsqlc.New(w.tx).LockRole(ctx, role.TenantID, role.RoleID); err != nil {
			return 0, err
		}
		permissions, err := r.hooks.RunBefore(ctx, op, w.tx, role, permissions)
		if err != nil || len(permissions) == 0 {
			return 0, err
		}
		servers, names := make([]string, len(permissions)), make([]string, len(permissions))
		for i, p := range permissions {
			servers[i], names[i] = p.ResourceServerIdentifier, p.PermissionName
		}
		if op == hooks.Assign {
			n, err := w.last().AssignRolePermissions(ctx, role.TenantID, role.RoleID, servers, names)
			return int(n), err
		}
		n, err := w.last().RemoveRolePermissions(ctx, role.TenantID, role.RoleID, servers, names)
		return int(n), err
	})
}

// removeAll runs the before-hooks for a role that goes with all its permissions.
func removeAll(ctx context.Context, w *write, set *hooks.Set[RoleRef, PermissionRef], role RoleRef) error {
	rows, err := dbsqlc.New(w.tx).ListRolePermissions(ctx, role.TenantID, role.RoleID)
	if err != nil || len(rows) == 0 {
		return err
	}
	left, err := set.RunBefore(ctx, hooks.Remove, w.tx, role, permissionRefs(rows))
	if err == nil && len(left) != len(rows) {
		err = hooks.Reject("permissions_kept", "a hook keeps some of the role's permissions, which can't stay without it")
	}
	return err
}

func permissionRefs(rows []dbsqlc.ListRolePermissionsRow) []PermissionRef {
	refs := make([]PermissionRef, len(rows))
	for i, row := range rows {
		refs[i] = PermissionRef(row)
	}
	return refs
}

