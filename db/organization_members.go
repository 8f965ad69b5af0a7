package db

import (
	"context"
	"time"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
)

// OrganizationMember says that a user is a member of an organization.
type OrganizationMember = dbsqlc.AuthOrganizationMember

// OrganizationMembers is the repository of the members that organizations have, see [Links]. Removing one takes its roles in
// the organization along.
type OrganizationMembers struct {
	Links[OrganizationMember, string, string]
}

// Users reads a page of the users that are members of an organization. Errors: [Invalid].
func (m *OrganizationMembers) Users(ctx context.Context, tenantID, organizationID string, o ListOptions) (Page[User], error) {
	const theirs = "user_id in (select user_id from auth.organization_members where tenant_id = $1 and organization_id = $2)"
	page, err := list[User](ctx, m.s, "user", usersListing().among(theirs, organizationID), tenantID, o)
	return page, failed(err, "list", "members of an organization")
}

// Organizations reads a page of the organizations that a user is a member of. Errors: [Invalid].
func (m *OrganizationMembers) Organizations(ctx context.Context, tenantID, userID string, o ListOptions) (Page[Organization], error) {
	const theirs = "id in (select organization_id from auth.organization_members where tenant_id = $1 and user_id = $2)"
	page, err := list[Organization](ctx, m.s, "organization", organizationsListing().among(theirs, userID), tenantID, o)
	return page, failed(err, "list", "organizations of a user")
}

func newOrganizationMembers(s *session, h *Hooks) *OrganizationMembers {
	columns := []string{"organization_id", "user_id"}
	return &OrganizationMembers{Links[OrganizationMember, string, string]{s: s, e: &linking[OrganizationMember, string, string]{
		name:  "organization member",
		hooks: h.OrganizationMembers,
		list: listing{
			table: "auth.organization_members", tenant: "tenant_id", fallback: "organization_id, user_id",
			filter: columns, sort: append(columns, "created_at"),
		},
		row: func(tenantID, organizationID, userID string, now time.Time) OrganizationMember {
			return OrganizationMember{TenantID: tenantID, OrganizationID: organizationID, UserID: userID, CreatedAt: now}
		},
		member: func(m OrganizationMember) string { return m.UserID },
		lock: func(q *queries, ctx context.Context, tenantID, organizationID string) error {
			_, err := q.LockOrganization(ctx, tenantID, organizationID)
			return err
		},
		has: (*queries).ListOrganizationMembers,
		takes: func(tenantID, organizationID string, userIDs []string) []taken {
			const these = "tenant_id = $1 and organization_id = $2 and user_id = any ($3::text[])"
			return []taken{
				takenRows(h.OrganizationMembers, these, tenantID, organizationID, userIDs).holding(),
				takenRows(h.OrganizationMemberRoles, these, tenantID, organizationID, userIDs),
			}
		},
		assign: (*queries).AddOrganizationMembers,
		remove: (*queries).RemoveOrganizationMembers,
	}}}
}

// OrganizationMemberRef names a member of an organization.
type OrganizationMemberRef struct {
	OrganizationID string `json:"organization_id"`
	UserID         string `json:"user_id"`
}

// OrganizationMemberRole says that a member has a role in its organization.
type OrganizationMemberRole = dbsqlc.AuthOrganizationMemberRole

// OrganizationMemberRoles is the repository of the roles that members have in their organizations, see [Links].
type OrganizationMemberRoles struct {
	Links[OrganizationMemberRole, OrganizationMemberRef, string]
}

// Roles reads a page of the roles that a member has in its organization. Errors: [Invalid].
func (m *OrganizationMemberRoles) Roles(ctx context.Context, tenantID string, member OrganizationMemberRef, o ListOptions) (Page[Role], error) {
	const theirs = "id in (select role_id from auth.organization_member_roles where tenant_id = $1 and organization_id = $2 and user_id = $3)"
	page, err := list[Role](ctx, m.s, "role", rolesListing().among(theirs, member.OrganizationID, member.UserID), tenantID, o)
	return page, failed(err, "list", "roles of a member")
}

func newOrganizationMemberRoles(s *session, h *Hooks) *OrganizationMemberRoles {
	columns := []string{"organization_id", "user_id", "role_id"}
	return &OrganizationMemberRoles{Links[OrganizationMemberRole, OrganizationMemberRef, string]{s: s, e: &linking[OrganizationMemberRole, OrganizationMemberRef, string]{
		name:  "organization member role",
		hooks: h.OrganizationMemberRoles,
		list: listing{
			table: "auth.organization_member_roles", tenant: "tenant_id", fallback: "organization_id, user_id, role_id",
			filter: columns, sort: append(columns, "created_at"),
		},
		row: func(tenantID string, m OrganizationMemberRef, roleID string, now time.Time) OrganizationMemberRole {
			return OrganizationMemberRole{TenantID: tenantID, OrganizationID: m.OrganizationID, UserID: m.UserID, RoleID: roleID, CreatedAt: now}
		},
		member: func(r OrganizationMemberRole) string { return r.RoleID },
		lock: func(q *queries, ctx context.Context, tenantID string, m OrganizationMemberRef) error {
			_, err := q.LockOrganizationMember(ctx, tenantID, m.OrganizationID, m.UserID)
			return err
		},
		has: func(q *queries, ctx context.Context, tenantID string, m OrganizationMemberRef, _ []string) ([]OrganizationMemberRole, error) {
			return q.ListOrganizationMemberRoles(ctx, tenantID, m.OrganizationID, m.UserID)
		},
		takes: func(tenantID string, m OrganizationMemberRef, roleIDs []string) []taken {
			const these = "tenant_id = $1 and organization_id = $2 and user_id = $3 and role_id = any ($4::text[])"
			return []taken{takenRows(h.OrganizationMemberRoles, these, tenantID, m.OrganizationID, m.UserID, roleIDs)}
		},
		assign: func(q *queries, ctx context.Context, tenantID string, m OrganizationMemberRef, roleIDs []string, at time.Time) (int64, error) {
			return q.AssignOrganizationMemberRoles(ctx, dbsqlc.AssignOrganizationMemberRolesParams{
				TenantID: tenantID, OrganizationID: m.OrganizationID, UserID: m.UserID, Roles: roleIDs, At: at,
			})
		},
		remove: func(q *queries, ctx context.Context, tenantID string, m OrganizationMemberRef, roleIDs []string) (int64, error) {
			return q.RemoveOrganizationMemberRoles(ctx, tenantID, m.OrganizationID, m.UserID, roleIDs)
		},
	}}}
}
