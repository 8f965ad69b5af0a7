package db

import (
	"context"
	"time"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
)

// UserRole says that a user has a role.
type UserRole = dbsqlc.AuthUserRole

// UserRoles is the repository of the roles that users have, see [Links].
type UserRoles struct {
	Links[UserRole, string, string]
}

// Users reads a page of the users that have a role. Errors: [Invalid].
func (r *UserRoles) Users(ctx context.Context, tenantID, roleID string, o ListOptions) (Page[User], error) {
	const theirs = "user_id in (select user_id from auth.user_roles where tenant_id = $1 and role_id = $2)"
	page, err := list[User](ctx, r.s, "user", usersListing().among(theirs, roleID), tenantID, o)
	return page, failed(err, "list", "users of a role")
}

// Roles reads a page of the roles that a user has. Errors: [Invalid].
func (r *UserRoles) Roles(ctx context.Context, tenantID, userID string, o ListOptions) (Page[Role], error) {
	const theirs = "id in (select role_id from auth.user_roles where tenant_id = $1 and user_id = $2)"
	page, err := list[Role](ctx, r.s, "role", rolesListing().among(theirs, userID), tenantID, o)
	return page, failed(err, "list", "roles of a user")
}

func newUserRoles(s *session, h *Hooks) *UserRoles {
	columns := []string{"user_id", "role_id"}
	return &UserRoles{Links[UserRole, string, string]{s: s, e: &linking[UserRole, string, string]{
		name:  "user role",
		hooks: h.UserRoles,
		list: listing{
			table: "auth.user_roles", tenant: "tenant_id", fallback: "user_id, role_id",
			filter: columns, sort: append(columns, "created_at"),
		},
		row: func(tenantID, userID, roleID string, now time.Time) UserRole {
			return UserRole{TenantID: tenantID, UserID: userID, RoleID: roleID, CreatedAt: now}
		},
		member: func(r UserRole) string { return r.RoleID },
		lock:   lockUser,
		has: func(q *queries, ctx context.Context, tenantID, userID string, _ []string) ([]UserRole, error) {
			return q.ListUserRoles(ctx, tenantID, userID)
		},
		takes: func(tenantID, userID string, roleIDs []string) []taken {
			const these = "tenant_id = $1 and user_id = $2 and role_id = any ($3::text[])"
			return []taken{takenRows(h.UserRoles, these, tenantID, userID, roleIDs)}
		},
		assign: (*queries).AssignUserRoles,
		remove: (*queries).RemoveUserRoles,
	}}}
}

func lockUser(q *queries, ctx context.Context, tenantID, userID string) error {
	_, err := q.LockUser(ctx, tenantID, userID)
	return err
}
