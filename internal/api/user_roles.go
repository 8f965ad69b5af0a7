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
	addMemberList(theirs, "list-user-roles", "read:users", "List the roles of a user", s.hasUser,
		func(ctx context.Context, c *caller, id string, o db.ListOptions) (db.Page[db.Role], error) {
			return links.Roles(ctx, c.tenant, id, o)
		}, "read:roles", "read:role_members")
	addMembers(s, members[roleIDs]{
		path: theirs.path, scope: "update:users", tag: tagUsers, id: "user-roles", what: "roles of a user", status: http.StatusNoContent,
		alsoAdds: "create:role_members", alsoRemoves: "delete:role_members",
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
	addMemberList(its, "list-role-users", "read:roles", "List the users who have a role", s.hasRole,
		func(ctx context.Context, c *caller, id string, o db.ListOptions) (db.Page[db.User], error) {
			return links.Users(ctx, c.tenant, id, o)
		}, "read:users", "read:role_members")
	add(s, operation{
		id: "add-role-users", method: http.MethodPost, path: its.path, scope: "update:roles", also: []string{"create:role_members"}, tag: tagRoles, summary: "Give a role to users", status: http.StatusOK, change: true,
		about: "All of them, or none.",
	}, func(ctx context.Context, c *caller, in *changed[userIDs]) (*nothing, error) {
		return &nothing{}, s.giveRole(ctx, c, in.ID, in.Body.Users)
	})
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
