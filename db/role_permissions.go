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
// transaction, one call of each before-hook, inside it, and one event. Deleting a role, a permission or a resource
// server runs the BeforeRemove hooks too.
type RolePermissions struct {
	s     *session
	hooks *hooks.Set[RoleRef, PermissionRef]
}

// List reads a role's permissions, in order. An unknown role has none.
func (r *RolePermissions) List(ctx context.Context, tenantID, roleID string) ([]PermissionRef, error) {
	rows, err := dbsqlc.New(r.s.reader()).ListRolePermissions(ctx, tenantID, roleID)
	return permissionRefs(rows), failed(err, "list", "role permissions")
}

// Permissions is List by pages, with all that there is to know of each. Errors: [Invalid].
func (r *RolePermissions) Permissions(ctx context.Context, tenantID, roleID string, o ListOptions) (Page[Permission], error) {
	const its = `(resource_server_identifier, permission_name) in (
		select resource_server_identifier, permission_name from auth.role_permissions where tenant_id = $1 and role_id = $2)`
	page, err := list[Permission](ctx, r.s, "permission", permissionsListing().among(its, roleID), tenantID, o)
	return page, failed(err, "list", "permissions of a role")
}

// Assign gives the role permissions; what it has already stays. What the BeforeAssign hooks return is what is assigned,
// all that was asked for given to them, new or not. It returns how many were new. Errors: [ErrNotFound] for the role,
// [Invalid] for a permission that doesn't exist, hooks.Rejection, hooks.Fault, hooks.ErrOutsideTx.
func (r *RolePermissions) Assign(ctx context.Context, tenantID, roleID string, permissions ...PermissionRef) (int, error) {
	return r.write(ctx, hooks.Assign, RoleRef{tenantID, roleID}, permissions)
}

// Remove takes permissions from the role; what it doesn't have is passed over. The BeforeRemove hooks run as
// for Assign. It returns how many went. Errors as Assign.
func (r *RolePermissions) Remove(ctx context.Context, tenantID, roleID string, permissions ...PermissionRef) (int, error) {
	return r.write(ctx, hooks.Remove, RoleRef{tenantID, roleID}, permissions)
}

// write locks the role, so that what the hooks decide on is what changes.
func (r *RolePermissions) write(ctx context.Context, op hooks.Operation, role RoleRef, permissions []PermissionRef) (int, error) {
	a := action{operation: op, table: r.hooks.Table(), verb: op.String(), entity: "role permissions"}
	return inWrite(ctx, r.s, a, func(ctx context.Context, w *write) (int, error) {
		if _, err := w.step().LockRole(ctx, role.TenantID, role.RoleID); err != nil {
			return 0, err
		}
		permissions, err := r.hooks.RunBefore(ctx, op, w.tx, role, permissions)
		if err != nil || len(permissions) == 0 {
			return 0, err
		}
		servers, names := columnsOf(permissions)
		if op == hooks.Assign {
			n, err := w.last().AssignRolePermissions(ctx, role.TenantID, role.RoleID, servers, names)
			return int(n), err
		}
		n, err := w.last().RemoveRolePermissions(ctx, role.TenantID, role.RoleID, servers, names)
		return int(n), err
	})
}

func permissionRefs(rows []dbsqlc.ListRolePermissionsRow) []PermissionRef {
	refs := make([]PermissionRef, len(rows))
	for i, row := range rows {
		refs[i] = PermissionRef(row)
	}
	return refs
}
