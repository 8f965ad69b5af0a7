package listener_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/listener"
)

// transcript is what hooks were told, a line a call.
type transcript struct {
	mu    sync.Mutex
	lines []string
}

func (s *transcript) say(format string, args ...any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, fmt.Sprintf(format, args...))
	return nil
}

// take returns what was said since the last call.
func (s *transcript) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.lines = nil }()
	return strings.Join(s.lines, "\n")
}

// The permissions of a role come together: one call per role, operation and transaction.
func TestRolePermissions(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	r.exec(`insert into auth.resource_servers (tenant_id, identifier) values ('t', 'api')`)
	r.exec(`insert into auth.permissions (tenant_id, resource_server_identifier, permission_name) select 't', 'api', 'p' || i from generate_series(1, 3) i`)
	r.roles("a", "b")
	var said transcript
	names := func(perms []db.PermissionRef) string {
		var all []string
		for _, p := range perms {
			all = append(all, p.ResourceServerIdentifier+":"+p.PermissionName)
		}
		return strings.Join(all, " ")
	}
	r.reg.RolePermissions.AfterAssign("h", func(_ context.Context, _ hooks.Tx, ev hooks.Event, role db.RoleRef, perms []db.PermissionRef) error {
		return said.say("%s %s/%s %s", ev.Operation, role.TenantID, role.RoleID, names(perms))
	})
	r.reg.RolePermissions.AfterRemove("h", func(_ context.Context, _ hooks.Tx, ev hooks.Event, role db.RoleRef, perms []db.PermissionRef) error {
		return said.say("%s %s/%s %s", ev.Operation, role.TenantID, role.RoleID, names(perms))
	})
	r.reg.RolePermissions.AfterTruncate("h", func(_ context.Context, _ hooks.Tx, ev hooks.Event) error {
		return said.say("%s %s", ev.Operation, ev.Table)
	})
	n := r.start(oneLane())
	for _, step := range []struct{ sql, want string }{
		{`insert into auth.role_permissions (tenant_id, role_id, resource_server_identifier, permission_name)
			select 't', role, 'api', 'p' || i from unnest(array['a', 'b']) role, generate_series(1, 3) i order by 2, 4`, "assign t/a api:p1 api:p2 api:p3\nassign t/b api:p1 api:p2 api:p3"},
		{`delete from auth.role_permissions where role_id = 'a' and permission_name <> 'p2'`, "remove t/a api:p1 api:p3"},
		{
			`with gone as (delete from auth.role_permissions where role_id = 'a' returning *)
			insert into auth.role_permissions (tenant_id, role_id, resource_server_identifier, permission_name) select tenant_id, role_id, resource_server_identifier, 'p3' from gone`,
			"remove t/a api:p2\nassign t/a api:p3",
		},
		{`delete from auth.permissions where permission_name = 'p1'`, "remove t/b api:p1"}, // by the foreign key
		{`update auth.role_permissions set role_id = 'a', permission_name = 'p2' where role_id = 'b' and permission_name = 'p2'`, "remove t/b api:p2\nassign t/a api:p2"},
		{`truncate auth.role_permissions`, "truncate auth.role_permissions"},
	} {
		r.exec(step.sql)
		n.catchUp()
		if got := said.take(); got != step.want {
			t.Errorf("after\n%s\nthe hooks were told\n%s\nwant\n%s", step.sql, got, step.want)
		}
	}
}

// A hook runs for the operations, columns and events that it asked for.
func TestChoice(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	var said transcript
	r.reg.Roles.AfterUpdate("renamed", func(_ context.Context, _ hooks.Tx, ev hooks.Event, old, row db.Role) error {
		return said.say("%s renamed from %s to %s", ev.Key, old.Name, row.Name)
	}, hooks.WhenChanged("name"))
	r.reg.Roles.AfterCreate("even", func(_ context.Context, _ hooks.Tx, ev hooks.Event, _ db.Role) error {
		return said.say("%s is even", ev.Key)
	},
		hooks.Filter(func(ev *hooks.Event) bool { return ev.Key[len(ev.Key)-1]%2 == 0 }))
	r.reg.Roles.AfterDelete("gone", func(_ context.Context, _ hooks.Tx, ev hooks.Event, row db.Role) error {
		return said.say("%s is gone, it was %s", ev.Key, row.Description)
	})
	n := r.start(oneLane())
	r.roles("1", "2")
	r.describe("1", "new")
	r.exec(`update auth.roles set name = 'one' where id = '1'`)
	r.exec(`update auth.roles set name = name`)
	r.exec(`delete from auth.roles where id = '2'`)
	r.exec(`delete from auth.tenants where id = 't'`) // takes the other one along
	n.catchUp()
	want := "2 is even\n1 renamed from 1 to one\n2 is gone, it was \n1 is gone, it was new"
	if got := said.take(); got != want {
		t.Errorf("the hooks were told\n%s\nwant\n%s", got, want)
	}
	r.eventually("the cursors pass what a hook doesn't want", `select min(cursor_seq) = max(p.next_seq) - 1 from latchkey.subscriptions, latchkey.position p`)
}

// A filter that panics fails the delivery that it was asked about, as a panic of the hook would.
func TestFilterPanics(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	r.reg.Roles.AfterCreate("h", func(ctx context.Context, tx hooks.Tx, ev hooks.Event, _ db.Role) error {
		return leave(ctx, tx, "h", ev)
	},
		hooks.Filter(func(ev *hooks.Event) bool {
			if ev.Key == "bad" {
				panic("no")
			}
			return ev.Key != "unwanted"
		}))
	n := r.start(with(func(c *listener.Config) { c.Retry.Attempts = 1 }))
	r.roles("bad", "unwanted", "good")
	n.catchUp()
	r.requireEffects("h", "good")
	r.requireDeliveries("h 1 dead 1")
}
