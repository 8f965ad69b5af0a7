package db_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// heard is which before-hooks a delete ran, in order.
type heard struct {
	mu     sync.Mutex
	calls  []string
	refuse string // a call that says no
	keeps  bool   // BeforeRemove drops a permission from the list
}

func (h *heard) call(s string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, s)
	if h.refuse != "" && strings.HasPrefix(s, h.refuse) {
		return hooks.Reject("no", "no")
	}
	return nil
}

func (h *heard) register(reg *db.Hooks) {
	reg.Tenants.BeforeDelete("h", func(_ context.Context, _ hooks.Tx, r db.Tenant) error { return h.call("tenant " + r.ID) })
	reg.Users.BeforeDelete("h", func(_ context.Context, _ hooks.Tx, r db.User) error { return h.call("user " + r.UserID) })
	reg.Roles.BeforeDelete("h", func(_ context.Context, _ hooks.Tx, r db.Role) error { return h.call("role " + r.ID) })
	reg.UserRoles.BeforeDelete("h", func(_ context.Context, _ hooks.Tx, r db.UserRole) error {
		return h.call("user role " + r.UserID + " " + r.RoleID)
	})
	reg.Permissions.BeforeDelete("h", func(_ context.Context, _ hooks.Tx, r db.Permission) error {
		return h.call("permission " + r.PermissionName)
	})
	reg.ResourceServers.BeforeDelete("h", func(_ context.Context, _ hooks.Tx, r db.ResourceServer) error {
		return h.call("server " + r.Identifier)
	})
	reg.Connections.BeforeDelete("h", func(_ context.Context, _ hooks.Tx, r db.Connection) error { return h.call("connection " + r.ID) })
	reg.UserPermissions.BeforeDelete("h", func(_ context.Context, _ hooks.Tx, r db.UserPermission) error {
		return h.call("user permission " + r.UserID + " " + r.PermissionName)
	})
	reg.Organizations.BeforeDelete("h", func(_ context.Context, _ hooks.Tx, r db.Organization) error { return h.call("organization " + r.ID) })
	reg.OrganizationMembers.BeforeDelete("h", func(_ context.Context, _ hooks.Tx, r db.OrganizationMember) error {
		return h.call("member " + r.OrganizationID + " " + r.UserID)
	})
	reg.OrganizationMemberRoles.BeforeDelete("h", func(_ context.Context, _ hooks.Tx, r db.OrganizationMemberRole) error {
		return h.call("member role " + r.OrganizationID + " " + r.UserID + " " + r.RoleID)
	})
	reg.OrganizationConnections.BeforeDelete("h", func(_ context.Context, _ hooks.Tx, r db.OrganizationConnection) error {
		return h.call("organization connection " + r.OrganizationID + " " + r.ConnectionID)
	})
	reg.Clients.BeforeDelete("h", func(_ context.Context, _ hooks.Tx, r db.Client) error { return h.call("client " + r.ClientID) })
	reg.ClientGrants.BeforeDelete("h", func(_ context.Context, _ hooks.Tx, r db.ClientGrant) error { return h.call("grant " + r.ID) })
	reg.Forms.BeforeDelete("h", func(_ context.Context, _ hooks.Tx, r db.Form) error { return h.call("form " + r.ID) })
	reg.AuthEvents.BeforeDelete("h", func(_ context.Context, _ hooks.Tx, r db.AuthEvent) error { return h.call("event " + r.ID) })
	reg.RolePermissions.BeforeRemove("h", func(_ context.Context, _ hooks.Tx, role db.RoleRef, refs []db.PermissionRef) ([]db.PermissionRef, error) {
		var names []string
		for _, ref := range refs {
			names = append(names, ref.PermissionName)
		}
		if h.keeps {
			refs = refs[1:]
		}
		return refs, h.call("permissions of " + role.RoleID + ": " + strings.Join(names, " "))
	})
}

// fill makes users u1 and u2, u1's linked identities l1 and, linked to that, l2; roles r1 and r2; a server a with p1 and
// p2, and b with p3.
func (e *env) fill(t *testing.T) {
	t.Helper()
	e.exec(t, `
		insert into auth.users (tenant_id, user_id, connection, linked_to)
		values ('acme', 'u1', 'c', null), ('acme', 'u2', 'c', null), ('acme', 'l1', 'c', 'u1'), ('acme', 'l2', 'c', 'l1'), ('globex', 'u1', 'c', null);
		insert into auth.roles (tenant_id, id, name) values ('acme', 'r1', 'r1'), ('acme', 'r2', 'r2'), ('globex', 'r1', 'r1');
		insert into auth.resource_servers (tenant_id, id, identifier) values ('acme', 'a', 'https://a'), ('acme', 'b', 'https://b'), ('globex', 'a', 'https://a');
		insert into auth.permissions (tenant_id, resource_server_identifier, permission_name)
		values ('acme', 'https://a', 'p1'), ('acme', 'https://a', 'p2'), ('acme', 'https://b', 'p3'), ('globex', 'https://a', 'p1');
		insert into auth.role_permissions (tenant_id, role_id, resource_server_identifier, permission_name)
		values ('acme', 'r1', 'https://a', 'p1'), ('acme', 'r1', 'https://a', 'p2'), ('acme', 'r1', 'https://b', 'p3'),
		       ('acme', 'r2', 'https://a', 'p1'), ('globex', 'r1', 'https://a', 'p1');
		insert into auth.user_roles (tenant_id, user_id, role_id)
		values ('acme', 'u1', 'r1'), ('acme', 'u2', 'r1'), ('acme', 'l1', 'r2'), ('acme', 'l2', 'r1'), ('globex', 'u1', 'r1');
		insert into auth.connections (tenant_id, id, name, strategy) values ('acme', 'c', 'c', 'auth0');
		insert into auth.clients (tenant_id, client_id, name) values ('acme', 'app', 'app'), ('acme', 'job', 'job'), ('globex', 'app', 'app');
		insert into auth.client_grants (tenant_id, id, client_id, audience)
		values ('acme', 'g1', 'app', 'https://a'), ('acme', 'g2', 'app', 'https://b'), ('acme', 'g3', 'job', 'https://a'), ('globex', 'g1', 'app', 'https://a');
		insert into auth.user_permissions (tenant_id, user_id, resource_server_identifier, permission_name)
		values ('acme', 'u1', 'https://a', 'p1'), ('acme', 'l1', 'https://b', 'p3'), ('globex', 'u1', 'https://a', 'p1');
		insert into auth.organizations (tenant_id, id, name) values ('acme', 'o1', 'o1'), ('acme', 'o2', 'o2'), ('globex', 'o1', 'o1');
		insert into auth.organization_members (tenant_id, organization_id, user_id)
		values ('acme', 'o1', 'u1'), ('acme', 'o1', 'u2'), ('acme', 'o2', 'u2'), ('globex', 'o1', 'u1');
		insert into auth.organization_member_roles (tenant_id, organization_id, user_id, role_id) values ('acme', 'o1', 'u1', 'r1'), ('acme', 'o2', 'u2', 'r2');
		insert into auth.organization_connections (tenant_id, organization_id, connection_id) values ('acme', 'o1', 'c');
		insert into auth.forms (tenant_id, id, name) values ('acme', 'f', 'f');
		insert into auth.auth_events (tenant_id, id, type) values ('acme', 'e', 'login')`)
}

func TestDeleteTakesAlong(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		remove func(context.Context, *db.Store) error
		want   []string
	}{
		"role": {
			func(ctx context.Context, s *db.Store) error { return s.Roles.Delete(ctx, "acme", "r1") },
			[]string{"role r1", "permissions of r1: p1 p2 p3", "user role l2 r1", "user role u1 r1", "user role u2 r1", "member role o1 u1 r1"},
		},
		"user": {
			func(ctx context.Context, s *db.Store) error { return s.Users.Delete(ctx, "acme", "u1") },
			[]string{
				"user u1", "user l1", "user l2", "user role l1 r2", "user role l2 r1", "user role u1 r1",
				"user permission l1 p3", "user permission u1 p1", "member o1 u1", "member role o1 u1 r1",
			},
		},
		"linked user": {
			func(ctx context.Context, s *db.Store) error { return s.Users.Delete(ctx, "acme", "l1") },
			[]string{"user l1", "user l2", "user role l1 r2", "user role l2 r1", "user permission l1 p3"},
		},
		"permission": {
			func(ctx context.Context, s *db.Store) error {
				return s.Permissions.Delete(ctx, "acme", db.PermissionRef{ResourceServerIdentifier: "https://a", PermissionName: "p1"})
			},
			[]string{"permission p1", "permissions of r1: p1", "permissions of r2: p1", "user permission u1 p1"},
		},
		"resource server": {
			func(ctx context.Context, s *db.Store) error { return s.ResourceServers.Delete(ctx, "acme", "a") },
			[]string{"server https://a", "permission p1", "permission p2", "permissions of r1: p1 p2", "permissions of r2: p1", "user permission u1 p1", "grant g1", "grant g3"},
		},
		"connection": {
			func(ctx context.Context, s *db.Store) error { return s.Connections.Delete(ctx, "acme", "c") },
			[]string{"connection c", "organization connection o1 c"},
		},
		"organization": {
			func(ctx context.Context, s *db.Store) error { return s.Organizations.Delete(ctx, "acme", "o1") },
			[]string{"organization o1", "member o1 u1", "member o1 u2", "member role o1 u1 r1", "organization connection o1 c"},
		},
		"member": {
			func(ctx context.Context, s *db.Store) error {
				_, err := s.OrganizationMembers.Remove(ctx, "acme", "o1", "u1", "none")
				return err
			},
			[]string{"member o1 u1", "member role o1 u1 r1"},
		},
		"client": {
			func(ctx context.Context, s *db.Store) error { return s.Clients.Delete(ctx, "acme", "app") },
			[]string{"client app", "grant g1", "grant g2"},
		},
		"tenant": {
			func(ctx context.Context, s *db.Store) error { return s.Tenants.Delete(ctx, "acme") },
			[]string{
				"tenant acme", "user l1", "user l2", "user u1", "user u2", "role r1", "role r2", "server https://a", "server https://b",
				"permission p1", "permission p2", "permission p3",
				"user role l1 r2", "user role l2 r1", "user role u1 r1", "user role u2 r1",
				"user permission l1 p3", "user permission u1 p1",
				"permissions of r1: p1 p2 p3", "permissions of r2: p1", "connection c",
				"client app", "client job", "grant g1", "grant g2", "grant g3",
				"organization o1", "organization o2", "member o1 u1", "member o1 u2", "member o2 u2",
				"member role o1 u1 r1", "member role o2 u2 r2", "organization connection o1 c", "form f", "event e",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &heard{}
			e := open(t, h.register)
			e.fill(t)
			const rows = `(select tenant_id from auth.users union all select tenant_id from auth.roles union all select tenant_id from auth.resource_servers
				union all select tenant_id from auth.permissions union all select tenant_id from auth.role_permissions
				union all select tenant_id from auth.user_roles union all select tenant_id from auth.auth_events
				union all select tenant_id from auth.user_permissions union all select tenant_id from auth.organizations
				union all select tenant_id from auth.organization_members union all select tenant_id from auth.organization_member_roles
				union all select tenant_id from auth.organization_connections union all select tenant_id from auth.forms
				union all select tenant_id from auth.clients union all select tenant_id from auth.client_grants
				union all select tenant_id from auth.connections union all select id from auth.tenants) x`
			before := e.count(t, rows)
			// Each of them can stop it.
			for _, refused := range test.want {
				h.refuse = refused
				wantRejection(t, test.remove(t.Context(), e.Store), "h", "no")
				e.wantCount(t, before, rows)
			}
			h.refuse, h.calls = "", nil
			if i := slices.IndexFunc(test.want, func(s string) bool { return strings.HasPrefix(s, "permissions of") }); i >= 0 {
				h.keeps = true
				wantRejection(t, test.remove(t.Context(), e.Store), "", "permissions_kept")
				e.wantCount(t, before, rows)
				h.keeps, h.calls = false, nil
			}
			ok(t, test.remove(t.Context(), e.Store))
			if !slices.Equal(h.calls, test.want) {
				t.Errorf("heard\n%s\nwant\n%s", strings.Join(h.calls, "\n"), strings.Join(test.want, "\n"))
			}
			if name == "tenant" {
				e.wantCount(t, 0, rows+" where tenant_id = 'acme'")
			}
			// What the foreign keys took is what the hooks heard of.
			gone := 0
			for _, call := range test.want {
				if _, names, set := strings.Cut(call, ": "); set && strings.HasPrefix(call, "permissions of") {
					gone += len(strings.Fields(names))
				} else {
					gone++
				}
			}
			e.wantCount(t, before-gone, rows)
		})
	}
}

// What another writer is just adding below a row that the delete takes along is heard of too.
func TestDeleteHoldsItsChildren(t *testing.T) {
	t.Parallel()
	h := &heard{}
	e := open(t, func(reg *db.Hooks) {
		reg.RolePermissions.BeforeRemove("h", func(_ context.Context, _ hooks.Tx, role db.RoleRef, refs []db.PermissionRef) ([]db.PermissionRef, error) {
			return refs, h.call(role.RoleID + " " + refs[0].PermissionName)
		})
	})
	ctx := t.Context()
	e.fill(t)
	e.exec(t, `delete from auth.role_permissions`)
	other, err := e.sql.Begin(ctx)
	ok(t, err)
	_, err = other.Exec(ctx, `insert into auth.role_permissions (tenant_id, role_id, resource_server_identifier, permission_name) values ('acme', 'r2', 'https://a', 'p1')`)
	ok(t, err)
	done := make(chan error, 1)
	go func() { done <- e.ResourceServers.Delete(ctx, "acme", "a") }()
	e.awaitLock(t)
	ok(t, other.Commit(ctx))
	ok(t, <-done)
	if want := []string{"r2 p1"}; !slices.Equal(h.calls, want) {
		t.Errorf("heard %q; want %q", h.calls, want)
	}
	e.wantCount(t, 0, `auth.role_permissions`)
}
