package api_test

import (
	"context"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/hooks/hookstest"
	"github.com/latchkey-dev/latchkey/internal/api"
)

// ran is what a set of hooks, one of each kind for each table, has heard.
type ran struct {
	mu            sync.Mutex
	before, after []string
	actors        []string
}

func (r *ran) heard(list *[]string, what string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	*list = append(*list, what)
	return nil
}

// take gives what ran since the last take, each once, in order.
func (r *ran) take() (before, after string, actors []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	once := func(list []string) string {
		slices.Sort(list)
		return strings.Join(slices.Compact(list), " ")
	}
	before, after, actors = once(r.before), once(r.after), r.actors
	r.before, r.after, r.actors = nil, nil, nil
	return before, after, actors
}

func hear[Row any](r *ran, e *hooks.Entity[Row], name string) {
	type (
		ctx = context.Context
		tx  = hooks.Tx
	)
	after := func(ev hooks.Event, operation string) error {
		_ = r.heard(&r.actors, ev.Stamp().Actor+" "+ev.Stamp().RequestID)
		return r.heard(&r.after, name+"."+operation)
	}
	e.BeforeCreate("hear", func(ctx, tx, *Row) error { return r.heard(&r.before, name+".insert") })
	e.BeforeUpdate("hear", func(ctx, tx, Row, *Row) error { return r.heard(&r.before, name+".update") })
	e.BeforeDelete("hear", func(ctx, tx, Row) error { return r.heard(&r.before, name+".delete") })
	e.AfterCreate("hear", func(_ ctx, _ tx, ev hooks.Event, _ Row) error { return after(ev, "insert") })
	e.AfterUpdate("hear", func(_ ctx, _ tx, ev hooks.Event, _, _ Row) error { return after(ev, "update") })
	e.AfterDelete("hear", func(_ ctx, _ tx, ev hooks.Event, _ Row) error { return after(ev, "delete") })
}

func (r *ran) hearAll(reg *db.Hooks) {
	hear(r, reg.Tenants, "tenants")
	hear(r, reg.Users, "users")
	hear(r, reg.UserRoles, "user_roles")
	hear(r, reg.UserPermissions, "user_permissions")
	hear(r, reg.Roles, "roles")
	hear(r, reg.Permissions, "permissions")
	hear(r, reg.Connections, "connections")
	hear(r, reg.ResourceServers, "resource_servers")
	hear(r, reg.Clients, "clients")
	hear(r, reg.ClientGrants, "client_grants")
	hear(r, reg.Organizations, "organizations")
	hear(r, reg.OrganizationMembers, "organization_members")
	hear(r, reg.OrganizationMemberRoles, "organization_member_roles")
	hear(r, reg.OrganizationConnections, "organization_connections")
	hear(r, reg.Forms, "forms")
	hear(r, reg.AuthEvents, "auth_events")
	type permissions = []db.PermissionRef
	reg.RolePermissions.BeforeAssign("hear", func(_ context.Context, _ hooks.Tx, _ db.RoleRef, p permissions) (permissions, error) {
		return p, r.heard(&r.before, "role_permissions.assign")
	})
	reg.RolePermissions.BeforeRemove("hear", func(_ context.Context, _ hooks.Tx, _ db.RoleRef, p permissions) (permissions, error) {
		return p, r.heard(&r.before, "role_permissions.remove")
	})
	reg.RolePermissions.AfterAssign("hear", func(_ context.Context, _ hooks.Tx, ev hooks.Event, _ db.RoleRef, _ permissions) error {
		_ = r.heard(&r.actors, ev.Stamp().Actor+" "+ev.Stamp().RequestID)
		return r.heard(&r.after, "role_permissions.assign")
	})
	reg.RolePermissions.AfterRemove("hear", func(_ context.Context, _ hooks.Tx, ev hooks.Event, _ db.RoleRef, _ permissions) error {
		_ = r.heard(&r.actors, ev.Stamp().Actor+" "+ev.Stamp().RequestID)
		return r.heard(&r.after, "role_permissions.remove")
	})
}

// Every operation on a resource runs the hooks that the table of scenarios says, before and after, and no other; and each event
// says who asked for it.
func TestHooksOfEveryOperation(t *testing.T) {
	t.Parallel()
	reg, heard := db.NewHooks(), &ran{}
	heard.hearAll(reg)
	env := hookstest.New(t, reg)
	r := &rig{t: t, store: env.Store, pool: env.Pool(), url: env.URL}
	r.exec(`insert into auth.tenants (id) values ('acme')`)
	var err error
	r.api, err = api.New(r.config())
	r.ok(err)
	r.server = httptest.NewServer(r.api)
	t.Cleanup(func() {
		r.api.Close()
		r.server.Close()
	})
	r.doc = readDocument(t, r.server.URL)
	all := entities()
	for path, item := range r.doc.Paths {
		for method, op := range item {
			s, is := all[op.OperationID]
			if !is {
				continue
			}
			r.exec(unseed)
			r.exec(seed)
			env.CatchUp()
			heard.take()
			r.try(strings.ToUpper(method), r.pathOf(s, ""), s)
			env.CatchUp()
			before, after, actors := heard.take()
			wanted := s.hooks
			if s.afterOnly {
				wanted = ""
			}
			if before != wanted || after != s.hooks {
				t.Errorf("%s %s ran before-hooks %q and after-hooks %q; want %q and %q", method, path, before, after, wanted, s.hooks)
			}
			for _, actor := range actors {
				if !strings.HasPrefix(actor, "tester req_") {
					t.Errorf("%s %s: an event says that it is %q who asked", method, path, actor)
				}
			}
		}
	}
}

// A before-hook's refusal, with its code and reason, is the answer; nothing is written, and the log has the line.
func TestRefusedByHook(t *testing.T) {
	t.Parallel()
	reg := db.NewHooks()
	reg.Roles.BeforeCreate("no", func(context.Context, hooks.Tx, *db.Role) error {
		return hooks.Reject("too_many_roles", "Three are enough.")
	})
	r := newRigOn(t, reg)
	r.as("POST", "/api/v2/roles", `{"name": "a", "description": "hunter2"}`).want(t, 400, `"message":"Three are enough."`).want(t, 400, `"errorCode":"too_many_roles"`)
	line := one[string](r, `select type || ' ' || (details -> 'fields')::text from auth.logs`)
	if line != `fapi ["description", "name"]` {
		t.Errorf("the log has %s", line)
	}
	if n := one[int](r, `select count(*) from auth.roles`); n != 0 {
		t.Errorf("there are %d roles", n)
	}
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	r := newRigOn(t, nil, func(c *api.Config) { c.RateLimit = 2 })
	for _, left := range []string{"1", "0"} {
		a := r.call("acme/read:roles", "GET", "/api/v2/roles", "").want(t, 200, "")
		if a.header.Get("X-RateLimit-Limit") != "2" || a.header.Get("X-RateLimit-Remaining") != left || a.header.Get("X-RateLimit-Reset") == "" {
			t.Errorf("the headers are %v", a.header)
		}
	}
	if a := r.call("acme/read:roles", "GET", "/api/v2/roles", "").want(t, 429, "too_many_requests"); a.header.Get("Retry-After") == "" {
		t.Errorf("the headers are %v", a.header)
	}
	r.call("globex/read:roles", "GET", "/api/v2/roles", "").want(t, 200, "")
}
