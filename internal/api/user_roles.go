package api

import (
	"context"
	"net/http"

	"github.com/latchkey-dev/latchkey/db"
)

type (
	roleIDs struct {
		Roles []string `json:"roles" minItems:"1" maxItems:"100" nullable:"false" doc:"The ids of roles."`
	}
	userIDs struct {
		Users []string `json:"users" minItems:"1" maxItems:"100" nullable:"false" doc:"The ids of users."`
	}
)

func (s *server) addUserRoles() {
	links := s.cfg.Store.UserRoles
	theirs := s.roles()
	theirs.path, theirs.tag = "/users/{id}/roles", tagUsers
	addMemberList(theirs, "list-user-roles", "read:users", "List the roles of a user", s.hasUser, s.rolesOf)
	addMembers(s, members[roleIDs]{
		path: theirs.path, scope: "update:users", tag: tagUsers, id: "user-roles", what: "roles of a user", status: http.StatusNoContent,
		add: func(ctx context.Context, c *caller, id string, b *roleIDs) error {
			_, err := links.Assign(ctx, c.tenant, id, b.Roles...)
			return err
		},
		remove: func(ctx context.Context, c *caller, id string, b *roleIDs) error {
			_, err := links.Remove(ctx, c.tenant, id, b.Roles...)
			return err
		},
	})
	its := s.users()
	its.path, its.tag = "/roles/{id}/users", tagRoles
	addMemberList(its, "list-role-users", "read:roles", "List the users who have a role", s.hasRole, s.usersOf)
	add(s, operation{
		id: "add-role-users", method: http.MethodPost, path: its.path, scope: "update:roles", tag: tagRoles, summary: "Give a role to users", status: http.StatusOK, change: true,
		about: "All of them, or none.",
	}, func(ctx context.Context, c *caller, in *changed[userIDs]) (*nothing, error) {
		return &nothing{}, s.giveRole(ctx, c, in.ID, in.Body.Users)
	})
}

func (s *server) rolesOf(ctx context.Context, c *caller, id string, o db.ListOptions) (db.Page[db.Role], error) {
	o.Filter = append(o.Filter, db.Equal("user_id", id))
	links, err := s.cfg.Store.UserRoles.List(ctx, c.tenant, o)
	return inOrder(links, err, func(l *db.UserRole) string { return l.RoleID }, func(names []string) ([]db.Role, error) {
		page, err := s.cfg.Store.Roles.List(ctx, c.tenant, db.ListOptions{PerPage: len(names), Filter: []db.Filter{db.OneOf("id", names...)}})
		return page.Rows, err
	}, func(r *db.Role) string { return r.ID })
}

func (s *server) usersOf(ctx context.Context, c *caller, id string, o db.ListOptions) (db.Page[db.User], error) {
	o.Filter = append(o.Filter, db.Equal("role_id", id))
	links, err := s.cfg.Store.UserRoles.List(ctx, c.tenant, o)
	return inOrder(links, err, func(l *db.UserRole) string { return l.UserID }, func(names []string) ([]db.User, error) {
		page, err := s.cfg.Store.Users.List(ctx, c.tenant, db.ListOptions{PerPage: len(names), Filter: []db.Filter{db.OneOf("user_id", names...)}})
		return page.Rows, err
	}, func(u *db.User) string { return u.UserID })
}

func (s *server) giveRole(ctx context.Context, c *caller, role string, users []string) error {
	if err := s.hasRole(ctx, c, role); err != nil {
		return err
	}
	return s.cfg.Store.InTx(ctx, func(tx *db.Tx) error {
		for _, user := range users {
			if _, err := tx.UserRoles.Assign(ctx, c.tenant, user, role); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *server) hasUser(ctx context.Context, c *caller, id string) error {
	_, err := s.getUser(ctx, c, id)
	return err
}
