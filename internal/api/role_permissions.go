package api

import (
	"context"
	"net/http"

	"github.com/latchkey-dev/latchkey/db"
)

// permission is one that a role or a user has.
type permission struct {
	Name        string `json:"permission_name"`
	Description string `json:"description"`
	ServerName  string `json:"resource_server_name"`
	Server      string `json:"resource_server_identifier"`
}

func permissionJSON(p *db.GrantedPermission) permission {
	return permission{Name: p.PermissionName, Description: p.Description, ServerName: p.ResourceServerName, Server: p.ResourceServerIdentifier}
}

func (s *server) addRolePermissions() {
	permissions := s.cfg.Store.RolePermissions
	r := &resource[db.GrantedPermission, permission]{s: s, plural: "permissions", path: "/roles/{id}/permissions", tag: tagRoles, show: plainly(permissionJSON)}
	addMemberList(r, "list-role-permissions", "read:roles", "List the permissions of a role", s.hasRole,
		func(ctx context.Context, c *caller, id string, o db.ListOptions) (db.Page[db.GrantedPermission], error) {
			return permissions.Describe(ctx, c.tenant, id, o)
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
