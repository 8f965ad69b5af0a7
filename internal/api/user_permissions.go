package api

import (
	"context"
	"net/http"

	"github.com/latchkey-dev/latchkey/db"
)

func effectiveJSON(p *db.EffectivePermission) permission {
	out := permission{Name: p.PermissionName, Description: p.Description, ServerName: p.ResourceServerName, Server: p.ResourceServerIdentifier}
	if p.Direct {
		out.Sources = append(out.Sources, permissionSource{Type: "DIRECT"})
	}
	for _, id := range p.RoleIDs {
		out.Sources = append(out.Sources, permissionSource{Type: "ROLE", ID: id})
	}
	return out
}

func (s *server) addUserPermissions() {
	permissions := s.cfg.Store.UserPermissions
	r := &resource[db.EffectivePermission, permission]{s: s, plural: "permissions", path: "/users/{id}/permissions", tag: tagUsers, show: plainly(effectiveJSON)}
	addMemberList(r, "list-user-permissions", "read:users", "List the permissions of a user, its own and those of its roles", s.hasUser,
		func(ctx context.Context, c *caller, id string, o db.ListOptions) (db.Page[db.EffectivePermission], error) {
			return permissions.Effective(ctx, c.tenant, id, o)
		})
	addMembers(s, members[permissionRefs]{
		path: r.path, scope: "update:users", tag: tagUsers, id: "user-permissions", what: "permissions of a user", status: http.StatusCreated,
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
