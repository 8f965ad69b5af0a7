package db

import (
	"context"
	"slices"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
	"github.com/latchkey-dev/latchkey/hooks"
)

// UserRole says that a user has a role.
type UserRole = dbsqlc.AuthUserRole

// UserRoles is the repository of the roles that users have. All that one call assigns or removes is one transaction; the
// hooks hear of each row by itself, the before-hooks inside the transaction. They can refuse a row, and then all of the
// call is refused; they can't change it. Deleting a user or a role runs the BeforeDelete hooks too.
type UserRoles struct {
	s     *session
	hooks *hooks.Entity[UserRole]
}

// List reads a page; filter by user_id for a user's roles, by role_id for a role's users.
// Errors: [Invalid], for a column that can't be filtered or sorted by.
func (r *UserRoles) List(ctx context.Context, tenantID string, o ListOptions) (Page[UserRole], error) {
	columns := []string{"user_id", "role_id"}
	page, err := list[UserRole](ctx, r.s, "user role", listing{
		table: "auth.user_roles", tenant: "tenant_id", fallback: "user_id, role_id",
		filter: columns, sort: append(columns, "created_at"),
	}, tenantID, o)
	return page, failed(err, "list", "user roles")
}

// Assign gives the user roles; those that it has already stay, and no hook hears of them. It returns how many were new.
// Errors: [ErrNotFound] for the user, [Invalid] for a role that doesn't exist, hooks.Rejection, hooks.Fault,
// hooks.ErrOutsideTx.
func (r *UserRoles) Assign(ctx context.Context, tenantID, userID string, roleIDs ...string) (int, error) {
	a := action{operation: hooks.Assign, table: r.hooks.Table(), verb: "assign", entity: "user roles"}
	n, err := inWrite(ctx, r.s, a, func(ctx context.Context, w *write) (int64, error) {
		has, err := r.locked(ctx, w, tenantID, userID)
		if err != nil {
			return 0, err
		}
		var added []string
		at := now()
		for _, id := range roleIDs {
			if has(id) || slices.Contains(added, id) {
				continue
			}
			added = append(added, id)
			row := UserRole{TenantID: tenantID, UserID: userID, RoleID: id, CreatedAt: at}
			if err := r.hooks.RunBeforeCreate(ctx, w.tx, &row); err != nil {
				return 0, err
			}
		}
		if len(added) == 0 {
			return 0, nil
		}
		return w.last().AssignUserRoles(ctx, tenantID, userID, added, at)
	})
	return int(n), err
}

// Remove takes roles from the user; those that it doesn't have are passed over. It returns how many went. Errors as Assign.
func (r *UserRoles) Remove(ctx context.Context, tenantID, userID string, roleIDs ...string) (int, error) {
	a := action{operation: hooks.Remove, table: r.hooks.Table(), verb: "remove", entity: "user roles"}
	n, err := inWrite(ctx, r.s, a, func(ctx context.Context, w *write) (int64, error) {
		if _, err := w.step().LockUser(ctx, tenantID, userID); err != nil {
			return 0, err
		}
		const these = "tenant_id = $1 and user_id = $2 and role_id = any ($3::text[])"
		if err := takeAlong(ctx, w.tx, []taken{takenRows(r.hooks, these, tenantID, userID, roleIDs)}); err != nil {
			return 0, err
		}
		return w.last().RemoveUserRoles(ctx, tenantID, userID, roleIDs)
	})
	return int(n), err
}

// locked locks the user, so that its roles change by one call at a time, and tells which it has. That is only asked where
// hooks would hear of new ones.
func (r *UserRoles) locked(ctx context.Context, w *write, tenantID, userID string) (has func(roleID string) bool, err error) {
	if _, err := w.step().LockUser(ctx, tenantID, userID); err != nil {
		return nil, err
	}
	var rows []UserRole
	if r.hooks.HasBefore(hooks.Insert) {
		if rows, err = w.step().ListUserRoles(ctx, tenantID, userID); err != nil {
			return nil, err
		}
	}
	return func(id string) bool {
		return slices.ContainsFunc(rows, func(row UserRole) bool { return row.RoleID == id })
	}, nil
}
