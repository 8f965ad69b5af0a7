package api

import (
	"context"
	"net/http"

	"github.com/latchkey-dev/latchkey/db"
)

type organizationMember struct {
	UserID  string  `json:"user_id"`
	Email   *string `json:"email,omitempty"`
	Name    *string `json:"name,omitempty"`
	Picture *string `json:"picture,omitempty"`
}

func organizationMemberJSON(u *db.User) organizationMember {
	return organizationMember{UserID: u.UserID, Email: u.Email, Name: u.Name, Picture: u.Picture}
}

type memberIDs struct {
	Members []string `json:"members" minItems:"1" maxItems:"100" nullable:"false" doc:"The ids of users."`
}

// The inputs that name a member of an organization.
type (
	memberRolesInput struct {
		ID     string `path:"id" maxLength:"600"`
		UserID string `path:"user_id" maxLength:"600"`
		Listing
	}
	memberRolesChange struct {
		ID     string `path:"id" maxLength:"600"`
		UserID string `path:"user_id" maxLength:"600"`
		Body   roleIDs
	}
)

func (m *memberRolesChange) ref() db.OrganizationMemberRef {
	return db.OrganizationMemberRef{OrganizationID: m.ID, UserID: m.UserID}
}

func (s *server) addOrganizationMembers() {
	its := s.cfg.Store.OrganizationMembers
	r := &resource[db.User, organizationMember]{s: s, plural: "members", path: "/organizations/{id}/members", tag: tagOrganizations, show: plainly(organizationMemberJSON)}
	addMemberList(r, "list-organization-members", "read:organization_members", "List the members of an organization", s.hasOrganization,
		func(ctx context.Context, c *caller, id string, o db.ListOptions) (db.Page[db.User], error) {
			return its.Users(ctx, c.tenant, id, o)
		})
	addMembers(s, members[memberIDs]{
		path: r.path, scope: "create:organization_members", removes: "delete:organization_members", tag: tagOrganizations, id: "organization-members",
		what: "members of an organization", status: http.StatusNoContent,
		add: func(ctx context.Context, c *caller, id string, b *memberIDs) error {
			_, err := its.Assign(ctx, c.tenant, id, b.Members...)
			return err
		},
		remove: func(ctx context.Context, c *caller, id string, b *memberIDs) error {
			_, err := its.Remove(ctx, c.tenant, id, b.Members...)
			return err
		},
	})
	s.addMemberRoles()
}

func (s *server) addMemberRoles() {
	const path = "/organizations/{id}/members/{user_id}/roles"
	roles := s.cfg.Store.OrganizationMemberRoles
	add(s, operation{
		id: "list-organization-member-roles", method: http.MethodGet, path: path, scope: "read:organization_member_roles", tag: tagOrganizations,
		summary: "List the roles of a member in its organization", answer: s.listOf(typeOf[role](), "roles"),
	}, func(ctx context.Context, c *caller, in *memberRolesInput) (*listOutput, error) {
		if err := in.plain(); err != nil {
			return nil, err
		}
		member := db.OrganizationMemberRef{OrganizationID: in.ID, UserID: in.UserID}
		is, err := s.cfg.Store.OrganizationMembers.List(ctx, c.tenant, db.ListOptions{Filter: []db.Filter{db.Equal("organization_id", in.ID), db.Equal("user_id", in.UserID)}})
		if err != nil {
			return nil, err
		}
		if len(is.Rows) == 0 {
			return nil, db.ErrNotFound
		}
		theirs := s.roles()
		theirs.list = func(ctx context.Context, c *caller, o db.ListOptions) (db.Page[db.Role], error) {
			return roles.Roles(ctx, c.tenant, member, o)
		}
		return theirs.page(ctx, c, &in.Listing, nil)
	})
	add(s, operation{
		id: "add-organization-member-roles", method: http.MethodPost, path: path, scope: "create:organization_member_roles", tag: tagOrganizations,
		summary: "Add roles of a member in its organization", status: http.StatusNoContent, change: true, about: "Those that are there already stay.",
	}, func(ctx context.Context, c *caller, in *memberRolesChange) (*nothing, error) {
		_, err := roles.Assign(ctx, c.tenant, in.ref(), in.Body.Roles...)
		return &nothing{}, err
	})
	add(s, operation{
		id: "remove-organization-member-roles", method: http.MethodDelete, path: path, scope: "delete:organization_member_roles", tag: tagOrganizations,
		summary: "Remove roles of a member in its organization", status: http.StatusNoContent, change: true, about: "Those that aren't there are passed over.",
	}, func(ctx context.Context, c *caller, in *memberRolesChange) (*nothing, error) {
		_, err := roles.Remove(ctx, c.tenant, in.ref(), in.Body.Roles...)
		return &nothing{}, err
	})
}
