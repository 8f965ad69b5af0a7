package api

import (
	"context"
	"net/http"

	"github.com/latchkey-dev/latchkey/db"
)

// permission is one that a role or a user has.
type permission struct {
	Name        string             `json:"permission_name"`
	Description string             `json:"description"`
	ServerName  string             `json:"resource_server_name"`
	Server      string             `json:"resource_server_identifier"`
	Sources     []permissionSource `json:"sources,omitempty" doc:"Of a user's: where it has it from."`
}

type permissionSource struct {
	Type string `json:"source_type" enum:"DIRECT,ROLE"`
	ID   string `json:"source_id" doc:"The role's; empty for a direct one."`
}

func (s *server) addRolePermissions() {
	permissions := s.cfg.Store.RolePermissions
	r := &resource[db.Permission, permission]{s: s, plural: "permissions", path: "/roles/{id}/permissions", tag: tagRoles, show: s.showPermissions}
	addMemberList(r, "list-role-permissions", "read:roles", "List the permissions of a role", s.hasRole,
		func(ctx context.Context, c *caller, id string, o db.ListOptions) (db.Page[db.Permission], error) {
			return permissions.Permissions(ctx, c.tenant, id, o)
		})
	addMembers(s, members[permissionRefs]{
		path: r.path, scope: "update:roles", tag: tagRoles, id: "role-permissions", what: "permissions of a role", status: http.StatusCreated,
		add: func(ctx context.Context, c *caller, id string, b *permissionRefs) error {
			_, err := permissions.Assign(ctx, c.tenant, id, b.refs()...)
			return err
		},
		remove: func(ctx context.Context, c *caller, id string, b *permissionRefs) error {
			_, err := permissions.Remove(ctx, c.tenant, id, b.refs()...)
			return err
		},
	})
}

func (s *server) hasRole(ctx context.Context, c *caller, id string) error {
	_, err := s.cfg.Store.Roles.Get(ctx, c.tenant, id)
	return err
}

// showPermissions reads the names of the resource servers, for all of a page at once.
func (s *server) showPermissions(ctx context.Context, c *caller, rows []db.Permission) ([]permission, error) {
	list, names := make([]permission, len(rows)), map[string]string{}
	for i := range rows {
		names[rows[i].ResourceServerIdentifier] = ""
	}
	if len(names) == 0 {
		return list, nil
	}
	identifiers := make([]string, 0, len(names))
	for identifier := range names {
		identifiers = append(identifiers, identifier)
	}
	page, err := s.cfg.Store.ResourceServers.List(ctx, c.tenant, db.ListOptions{PerPage: 100, Filter: []db.Filter{db.OneOf("identifier", identifiers...)}})
	if err != nil {
		return nil, err
	}
	for i := range page.Rows {
		names[page.Rows[i].Identifier] = page.Rows[i].Name
	}
	for i := range rows {
		p := &rows[i]
		list[i] = permission{Name: p.PermissionName, Description: p.Description, ServerName: names[p.ResourceServerIdentifier], Server: p.ResourceServerIdentifier}
	}
	return list, nil
}
