package listener_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pglogrepl"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// told collects what hooks are told.
type told struct {
	mu    sync.Mutex
	lines []string
}

func (o *told) add(format string, args ...any) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines = append(o.lines, fmt.Sprintf(format, args...))
	return nil
}

// watchEntity registers a hook for every operation of an entity; show says what of a row is told.
func watchEntity[Row any](o *told, e *hooks.Entity[Row], show func(Row) string) {
	name := strings.TrimPrefix(e.Table(), "auth.")
	e.AfterCreate("all", func(_ context.Context, _ hooks.Tx, ev hooks.Event, row Row) error {
		return o.add("%s %s %s", name, ev.Operation, show(row))
	})
	e.AfterUpdate("all", func(_ context.Context, _ hooks.Tx, ev hooks.Event, old, row Row) error {
		return o.add("%s %s %s > %s %v", name, ev.Operation, show(old), show(row), ev.Changed())
	})
	e.AfterDelete("all", func(_ context.Context, _ hooks.Tx, ev hooks.Event, row Row) error {
		return o.add("%s %s %s", name, ev.Operation, show(row))
	})
	e.AfterTruncate("all", func(_ context.Context, _ hooks.Tx, ev hooks.Event) error { return o.add("%s %s", name, ev.Operation) })
}

// Every hooked table's hooks get typed rows, old and new, and each change fires its hook once and no other.
func TestEveryTableFires(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	o := &told{}
	watchEntity(o, r.reg.Tenants, func(x db.Tenant) string { return x.ID + " " + x.FriendlyName })
	watchEntity(o, r.reg.Users, func(x db.User) string { return x.TenantID + " " + x.UserID + " " + fmt.Sprint(x.EmailVerified) })
	watchEntity(o, r.reg.Roles, func(x db.Role) string { return x.ID + " " + x.Name })
	watchEntity(o, r.reg.Permissions, func(x db.Permission) string { return x.PermissionName + " " + x.Description })
	watchEntity(o, r.reg.UserRoles, func(x db.UserRole) string { return x.UserID + " " + x.RoleID })
	watchEntity(o, r.reg.Connections, func(x db.Connection) string { return x.ID + " " + x.Name + " " + strings.Join(x.EnabledClients, ",") })
	watchEntity(o, r.reg.ResourceServers, func(x db.ResourceServer) string { return x.Identifier + " " + fmt.Sprint(x.TokenLifetime) })
	watchEntity(o, r.reg.Clients, func(x db.Client) string { return x.ClientID + " " + x.Name })
	watchEntity(o, r.reg.ClientGrants, func(x db.ClientGrant) string { return x.ID + " " + strings.Join(x.Scope, ",") })
	watchEntity(o, r.reg.UserPermissions, func(x db.UserPermission) string { return x.UserID + " " + x.PermissionName })
	watchEntity(o, r.reg.Forms, func(x db.Form) string { return x.ID + " " + x.Name })
	watchEntity(o, r.reg.Organizations, func(x db.Organization) string { return x.ID + " " + x.Name })
	watchEntity(o, r.reg.OrganizationMembers, func(x db.OrganizationMember) string { return x.OrganizationID + " " + x.UserID })
	watchEntity(o, r.reg.OrganizationMemberRoles, func(x db.OrganizationMemberRole) string { return x.UserID + " " + x.RoleID })
	watchEntity(o, r.reg.OrganizationConnections, func(x db.OrganizationConnection) string {
		return x.ConnectionID + " " + fmt.Sprint(x.AssignMembershipOnLogin)
	})
	watchEntity(o, r.reg.AuthEvents, func(x db.AuthEvent) string { return x.ID + " " + x.Type })
	set := func(_ context.Context, _ hooks.Tx, ev hooks.Event, role db.RoleRef, members []db.PermissionRef) error {
		var names []string
		for _, m := range members {
			names = append(names, m.PermissionName)
		}
		sort.Strings(names)
		return o.add("role_permissions %s %s %v", ev.Operation, role.RoleID, names)
	}
	r.reg.RolePermissions.AfterAssign("all", set)
	r.reg.RolePermissions.AfterRemove("all", set)
	r.reg.RolePermissions.AfterTruncate("all", func(_ context.Context, _ hooks.Tx, ev hooks.Event) error {
		return o.add("role_permissions %s", ev.Operation)
	})

	n := r.start(oneLane())
	var want []string
	for _, step := range []struct {
		sql  string
		want []string
	}{
		{`insert into auth.tenants (id, friendly_name) values ('x', 'X')`, []string{"tenants insert x X"}},
		{`update auth.tenants set friendly_name = 'Y' where id = 'x'`, []string{"tenants update x X > x Y [friendly_name]"}},
		{`insert into auth.users (tenant_id, user_id) values ('x', 'u')`, []string{"users insert x u false"}},
		{`update auth.users set email_verified = true`, []string{"users update x u false > x u true [email_verified]"}},
		{`insert into auth.roles (tenant_id, id, name) values ('x', 'r', 'R')`, []string{"roles insert r R"}},
		{`update auth.roles set name = 'S', description = 'd'`, []string{"roles update r R > r S [name description]"}},
		{`insert into auth.user_roles (tenant_id, user_id, role_id) values ('x', 'u', 'r')`, []string{"user_roles insert u r"}},
		{`insert into auth.connections (tenant_id, id, name, strategy, enabled_clients) values ('x', 'c', 'n', 'auth0', '{a,"b c"}')`, []string{"connections insert c n a,b c"}},
		{`insert into auth.forms (tenant_id, id, name) values ('x', 'f', 'f')`, []string{"forms insert f f"}},
		{`insert into auth.organizations (tenant_id, id, name) values ('x', 'o', 'o')`, []string{"organizations insert o o"}},
		{`insert into auth.organization_members (tenant_id, organization_id, user_id) values ('x', 'o', 'u')`, []string{"organization_members insert o u"}},
		{`insert into auth.organization_member_roles (tenant_id, organization_id, user_id, role_id) values ('x', 'o', 'u', 'r')`, []string{"organization_member_roles insert u r"}},
		{`insert into auth.organization_connections (tenant_id, organization_id, connection_id) values ('x', 'o', 'c')`, []string{"organization_connections insert c false"}},
		{`update auth.organization_connections set assign_membership_on_login = true`, []string{"organization_connections update c false > c true [assign_membership_on_login]"}},
		{`delete from auth.organization_connections`, []string{"organization_connections delete c true"}},
		{`delete from auth.organization_members`, []string{"organization_members delete o u", "organization_member_roles delete u r"}},
		{`delete from auth.connections`, []string{"connections delete c n a,b c"}},
		{`insert into auth.resource_servers (tenant_id, identifier, token_lifetime) values ('x', 'api', 5)`, []string{"resource_servers insert api 5"}},
		{`insert into auth.permissions (tenant_id, resource_server_identifier, permission_name) values ('x', 'api', 'p'), ('x', 'api', 'q')`, []string{"permissions insert p ", "permissions insert q "}},
		{`insert into auth.role_permissions (tenant_id, role_id, resource_server_identifier, permission_name) values ('x', 'r', 'api', 'p'), ('x', 'r', 'api', 'q')`, []string{"role_permissions assign r [p q]"}},
		{`insert into auth.user_permissions (tenant_id, user_id, resource_server_identifier, permission_name) values ('x', 'u', 'api', 'p')`, []string{"user_permissions insert u p"}},
		{`delete from auth.permissions where permission_name = 'q'`, []string{"permissions delete q ", "role_permissions remove r [q]"}},
		{`insert into auth.clients (tenant_id, client_id, name) values ('x', 'c', 'C')`, []string{"clients insert c C"}},
		{`insert into auth.client_grants (tenant_id, id, client_id, audience, scope) values ('x', 'g', 'c', 'api', '{a,b}')`, []string{"client_grants insert g a,b"}},
		{`delete from auth.clients`, []string{"clients delete c C", "client_grants delete g a,b"}},
		{`insert into auth.auth_events (tenant_id, id, type) values ('x', 'e', 'login')`, []string{"auth_events insert e login"}},
		{`truncate auth.role_permissions, auth.user_roles`, []string{"role_permissions truncate", "user_roles truncate"}},
		{`delete from auth.roles`, []string{"roles delete r S"}},
	} {
		r.exec(step.sql)
		n.catchUp()
		want = append(want, step.want...)
		o.mu.Lock()
		got := slices.Clone(o.lines)
		o.mu.Unlock()
		if !slices.Equal(got, want) {
			t.Fatalf("after %s the hooks were told\n  %s\nwant\n  %s", step.sql, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
	}
	r.requireSound()
}

// A hook can read the row that it is told of, however soon it comes.
func TestHooksSeeTheirRow(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	o := &told{}
	r.reg.Roles.AfterCreate("look", func(ctx context.Context, tx hooks.Tx, _ hooks.Event, row db.Role) error {
		var there bool
		if err := tx.QueryRow(ctx, `select exists (select from auth.roles where tenant_id = $1 and id = $2)`, row.TenantID, row.ID).Scan(&there); err != nil {
			return err
		}
		return o.add("%v", there)
	})
	n := r.start()
	writeConcurrently(t, r, 8, 200)
	n.catchUp()
	if unseen := slices.Index(o.lines, "false"); unseen >= 0 || len(o.lines) != 1600 {
		t.Fatalf("of %d hooks, one did not see its row", len(o.lines))
	}
}

// WaitFor returns when the deliveries are settled, not before, and when its context ends.
func TestWaitFor(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	inside, release := make(chan struct{}), make(chan struct{})
	r.reg.Roles.AfterCreate("slow", func(context.Context, hooks.Tx, hooks.Event, db.Role) error {
		close(inside)
		<-release
		return nil
	})
	n := r.start()
	r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'a', 'a')`)
	lsn := value[pglogrepl.LSN](r, `select pg_current_wal_insert_lsn()`)
	<-inside
	soon, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := n.l.WaitFor(soon, lsn); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("while the hook runs, WaitFor gave %v", err)
	}
	waited := make(chan error, 1)
	go func() { waited <- n.l.WaitFor(r.ctx(), lsn) }()
	close(release)
	select {
	case err := <-waited:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience):
		t.Fatal("WaitFor did not return after the hook did")
	}
	n.stop()
	again, cancel := context.WithCancel(t.Context())
	cancel()
	if err := n.l.WaitFor(again, lsn+1<<40); !errors.Is(err, context.Canceled) {
		t.Fatalf("with an ended context, WaitFor gave %v", err)
	}
}
