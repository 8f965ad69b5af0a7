package db_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/lazytx"
)

const audit = `create table public.audit (what text primary key)`

func TestBeforeHooksChain(t *testing.T) {
	t.Parallel()
	var seen []string
	e := open(t, func(reg *db.Hooks) {
		step := func(name string) {
			reg.Roles.BeforeCreate(name, func(_ context.Context, _ hooks.Tx, row *db.Role) error {
				seen = append(seen, row.Name)
				row.Name += name
				return nil
			})
			reg.Roles.BeforeUpdate(name, func(_ context.Context, _ hooks.Tx, old db.Role, row *db.Role) error {
				seen = append(seen, old.Name+">"+row.Name)
				row.Name += name
				return nil
			})
		}
		step("b")
		step("a") // in the order of registration, not of names
	})
	role, err := e.Roles.Create(t.Context(), "acme", db.CreateRole{Name: " x "})
	ok(t, err)
	if role.Name != "xba" {
		t.Errorf("name %q", role.Name)
	}
	role, err = e.Roles.Update(t.Context(), "acme", role.ID, db.UpdateRole{Name: db.Set("y")})
	ok(t, err)
	if want := []string{"x", "xb", "xba>y", "xba>yb"}; role.Name != "yba" || !slices.Equal(seen, want) {
		t.Errorf("name %q, seen %q", role.Name, seen)
	}
}

func TestHooksCantChangeTheKey(t *testing.T) {
	t.Parallel()
	e := open(t, func(reg *db.Hooks) {
		reg.Roles.BeforeCreate("key", func(_ context.Context, _ hooks.Tx, r *db.Role) error {
			r.TenantID, r.ID, r.CreatedAt = "globex", "rol_x", time.Time{}
			return nil
		})
		reg.Roles.BeforeUpdate("key", func(_ context.Context, _ hooks.Tx, _ db.Role, r *db.Role) error {
			r.TenantID, r.ID, r.CreatedAt, r.Description = "globex", "rol_x", time.Time{}, "changed"
			return nil
		})
		reg.Permissions.BeforeCreate("key", func(_ context.Context, _ hooks.Tx, p *db.Permission) error {
			p.PermissionName, p.ResourceServerIdentifier = "x", "y"
			return nil
		})
		reg.ResourceServers.BeforeUpdate("key", func(_ context.Context, _ hooks.Tx, _ db.ResourceServer, s *db.ResourceServer) error {
			s.Identifier = "x"
			return nil
		})
		reg.Users.BeforeCreate("key", func(_ context.Context, _ hooks.Tx, u *db.User) error { u.UserID = "x"; return nil })
		reg.Tenants.BeforeCreate("key", func(_ context.Context, _ hooks.Tx, r *db.Tenant) error { r.ID = "x"; return nil })
		reg.AuthEvents.BeforeCreate("key", func(_ context.Context, _ hooks.Tx, r *db.AuthEvent) error { r.ID = "x"; return nil })
		reg.Clients.BeforeCreate("key", func(_ context.Context, _ hooks.Tx, r *db.Client) error { r.ClientID = "x"; return nil })
		reg.ClientGrants.BeforeCreate("key", func(_ context.Context, _ hooks.Tx, r *db.ClientGrant) error {
			r.ID, r.ClientID, r.Audience = "x", "y", "z"
			return nil
		})
		reg.Connections.BeforeCreate("key", func(_ context.Context, _ hooks.Tx, r *db.Connection) error { r.ID = "x"; return nil })
	})
	ctx := t.Context()
	role, err := e.Roles.Create(ctx, "acme", db.CreateRole{ID: "rol_1", Name: "r"})
	ok(t, err)
	after, err := e.Roles.Update(ctx, "acme", "rol_1", db.UpdateRole{Name: db.Set("s")})
	ok(t, err)
	if role.ID != "rol_1" || role.TenantID != "acme" || role.CreatedAt.IsZero() || !after.CreatedAt.Equal(role.CreatedAt) || after.Description != "changed" {
		t.Errorf("created %+v, updated %+v", role, after)
	}
	e.permissions(t, "https://api", "read")
	s, err := e.ResourceServers.List(ctx, "acme", db.ListOptions{})
	ok(t, err)
	_, err = e.ResourceServers.Update(ctx, "acme", s.Rows[0].ID, db.UpdateResourceServer{})
	ok(t, err)
	e.wantCount(t, 1, `auth.permissions where resource_server_identifier = 'https://api' and permission_name = 'read'`)
	if u := e.user(t, db.CreateUser{}); u.UserID == "x" {
		t.Error("the user's id was changed")
	}
	_, err = e.Tenants.Create(ctx, db.CreateTenant{ID: "initech"})
	ok(t, err)
	_, err = e.AuthEvents.Create(ctx, "acme", db.CreateAuthEvent{ID: "aev_1", Type: "x"})
	ok(t, err)
	_, err = e.Connections.Create(ctx, "acme", db.CreateConnection{ID: "con_1", Name: "x", Strategy: "x"})
	ok(t, err)
	client, err := e.Clients.Create(ctx, "acme", db.CreateClient{Name: "x"})
	ok(t, err)
	grant, err := e.ClientGrants.Create(ctx, "acme", db.CreateClientGrant{ClientID: client.ClientID, Audience: "https://api"})
	ok(t, err)
	if client.ClientID == "x" || grant.ID == "x" || grant.ClientID != client.ClientID || grant.Audience != "https://api" {
		t.Errorf("created %+v, %+v", client, grant)
	}
	e.wantCount(t, 0, `(select id from auth.tenants union all select id from auth.auth_events union all select id from auth.connections) x where id = 'x'`)
}

// What a hook makes of a row is put into its stored form again, and refused where it has none.
func TestNormalizedAfterTheHooks(t *testing.T) {
	t.Parallel()
	e := open(t, func(reg *db.Hooks) {
		reg.Users.BeforeCreate("mail", func(_ context.Context, _ hooks.Tx, u *db.User) error {
			if *u.Email != "ann@example.com" {
				t.Errorf("the hook sees %q", *u.Email)
			}
			u.Email = ptr(" BOB@Example.com")
			u.UserMetadata = json.RawMessage(`[]`)
			if u.Name == nil {
				u.UserMetadata = nil
			}
			return nil
		})
	})
	u := e.user(t, db.CreateUser{Email: ptr(" Ann@example.com")})
	if *u.Email != "bob@example.com" || string(u.UserMetadata) != "{}" {
		t.Errorf("created %s with %s", *u.Email, u.UserMetadata)
	}
	_, err := e.Users.Create(t.Context(), "acme", db.CreateUser{Email: ptr("ann@example.com"), Name: ptr("x")})
	wantInvalid(t, err, "user_metadata")
}

// Whatever a before-hook returns but nil leaves nothing written: no row, and nothing of what hooks wrote.
func TestBeforeHookSaysNo(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	stuck := make(chan struct{})
	t.Cleanup(func() { close(stuck) })
	for name, test := range map[string]struct {
		hook func(ctx context.Context, tx hooks.Tx) error
		want func(*testing.T, error)
	}{
		"reject": {
			func(context.Context, hooks.Tx) error { return hooks.Reject("nope", "because") },
			func(t *testing.T, err error) { t.Helper(); wantRejection(t, err, "no", "nope") },
		},
		"error": {
			func(context.Context, hooks.Tx) error { return boom },
			func(t *testing.T, err error) { t.Helper(); wantError(t, wantFault(t, err, "no"), boom) },
		},
		"panic": {
			func(context.Context, hooks.Tx) error { panic("ouch") },
			func(t *testing.T, err error) {
				t.Helper()
				var p *hooks.Panic
				if !errors.As(wantFault(t, err, "no"), &p) || p.Value != "ouch" || len(p.Stack) == 0 {
					t.Errorf("panic %+v", p)
				}
			},
		},
		"ignored deadline": {
			func(context.Context, hooks.Tx) error { <-stuck; return nil },
			func(t *testing.T, err error) { t.Helper(); wantError(t, wantFault(t, err, "no"), hooks.ErrDeadline) },
		},
		"deadline in a statement": {
			func(ctx context.Context, tx hooks.Tx) error {
				_, err := tx.Exec(ctx, `select pg_sleep(60)`)
				return err
			},
			func(t *testing.T, err error) { t.Helper(); wantError(t, wantFault(t, err, "no"), hooks.ErrDeadline) },
		},
		"deadline ignored in a statement": {
			func(ctx context.Context, tx hooks.Tx) error {
				_, err := tx.Exec(context.WithoutCancel(ctx), `select pg_sleep(60)`)
				return err
			},
			func(t *testing.T, err error) { t.Helper(); wantError(t, wantFault(t, err, "no"), hooks.ErrDeadline) },
		},
		"not found": { // its own, not the row's
			func(ctx context.Context, tx hooks.Tx) error {
				return tx.QueryRow(ctx, `select 1 where false`).Scan(nil)
			},
			func(t *testing.T, err error) {
				t.Helper()
				if _ = wantFault(t, err, "no"); errors.Is(err, db.ErrNotFound) {
					t.Error("the hook's error passes for the row's")
				}
			},
		},
		"conflict": {
			func(ctx context.Context, tx hooks.Tx) error {
				_, err := tx.Exec(ctx, `insert into auth.tenants (id) values ('acme')`)
				return err
			},
			func(t *testing.T, err error) {
				t.Helper()
				var conflict *db.Conflict
				if _ = wantFault(t, err, "no"); errors.As(err, &conflict) {
					t.Error("the hook's error passes for the row's")
				}
			},
		},
		"a failed statement that it swallows": {
			func(ctx context.Context, tx hooks.Tx) error { _, _ = tx.Exec(ctx, `selec`); return nil },
			func(t *testing.T, err error) { t.Helper() },
		},
		"rows left open": {
			func(ctx context.Context, tx hooks.Tx) error { _, err := tx.Query(ctx, `select 1`); return err }, //nolint:rowserrcheck,sqlclosecheck // the point
			func(t *testing.T, err error) { t.Helper(); wantError(t, err, lazytx.ErrBusy) },
		},
		"commit": {
			func(ctx context.Context, tx hooks.Tx) error { _, err := tx.Exec(ctx, `commit`); return err },
			func(t *testing.T, err error) { t.Helper(); wantError(t, wantFault(t, err, "no"), lazytx.ErrControl) },
		},
	} {
		for _, touched := range []bool{false, true} {
			t.Run(name+map[bool]string{false: "/untouched", true: "/touched"}[touched], func(t *testing.T) {
				t.Parallel()
				no := func(ctx context.Context, tx hooks.Tx) error { return test.hook(ctx, tx) }
				e := open(t, func(reg *db.Hooks) {
					reg.Roles.BeforeCreate("writes", func(ctx context.Context, tx hooks.Tx, _ *db.Role) error {
						if touched {
							_, err := tx.Exec(ctx, `insert into audit values ('create')`)
							return err
						}
						return nil
					})
					short := hooks.Timeout(100 * time.Millisecond)
					reg.Roles.BeforeCreate("no", func(ctx context.Context, tx hooks.Tx, r *db.Role) error {
						if r.Name == "fine" {
							return nil
						}
						r.Name = "changed"
						return no(ctx, tx)
					}, short)
					reg.Roles.BeforeUpdate("no", func(ctx context.Context, tx hooks.Tx, _ db.Role, _ *db.Role) error { return no(ctx, tx) }, short)
					reg.Roles.BeforeDelete("no", func(ctx context.Context, tx hooks.Tx, _ db.Role) error { return no(ctx, tx) }, short)
					reg.Roles.BeforeCreate("never", func(_ context.Context, _ hooks.Tx, r *db.Role) error {
						if r.Name != "fine" && name != "rows left open" && name != "a failed statement that it swallows" {
							t.Error("the chain goes on")
						}
						return nil
					})
				})
				e.exec(t, audit)
				ctx := t.Context()
				fine := e.role(t, "fine")
				e.exec(t, `truncate audit`)
				for verb, write := range map[string]func() error{
					"create": func() error { _, err := e.Roles.Create(ctx, "acme", db.CreateRole{Name: "x"}); return err },
					"update": func() error {
						_, err := e.Roles.Update(ctx, "acme", fine.ID, db.UpdateRole{Name: db.Set("x")})
						return err
					},
					"delete": func() error { return e.Roles.Delete(ctx, "acme", fine.ID) },
				} {
					err := write()
					if err == nil {
						t.Errorf("%s: no error", verb)
						continue
					}
					test.want(t, err)
				}
				e.wantCount(t, 0, `audit`)
				e.wantCount(t, 1, `auth.roles where name = 'fine'`)
				e.wantCount(t, 1, `auth.roles`)
				// The store is well: its connections are back, or replaced.
				_, err := e.Roles.Create(ctx, "acme", db.CreateRole{ID: "rol_fine", Name: "fine"})
				wantConflict(t, err, "name")
			})
		}
	}
}

// A hook that was given up goes on: it can write neither the row nor through the transaction.
func TestGivenUpHookCantWrite(t *testing.T) {
	t.Parallel()
	over, done := make(chan struct{}), make(chan error, 1)
	e := open(t, func(reg *db.Hooks) {
		reg.Roles.BeforeCreate("late", func(ctx context.Context, tx hooks.Tx, r *db.Role) error {
			<-over
			r.Name = "late"
			_, err := tx.Exec(context.WithoutCancel(ctx), `insert into auth.tenants (id) values ('late')`)
			done <- err
			return nil
		}, hooks.Timeout(10*time.Millisecond))
	})
	_, err := e.Roles.Create(t.Context(), "acme", db.CreateRole{Name: "x"})
	wantError(t, wantFault(t, err, "late"), hooks.ErrDeadline)
	close(over)
	wantError(t, <-done, lazytx.ErrClosed)
	e.wantCount(t, 0, `auth.tenants where id = 'late'`)
	e.wantCount(t, 0, `auth.roles`)
}

// The before-update hook sees the row as it really is when it changes: it is locked, so another writer's waits.
func TestConcurrentUpdates(t *testing.T) {
	t.Parallel()
	inside, goOn := make(chan struct{}), make(chan struct{})
	e := open(t, func(reg *db.Hooks) {
		reg.Roles.BeforeUpdate("append", func(_ context.Context, _ hooks.Tx, old db.Role, r *db.Role) error {
			if old.Description == "" {
				close(inside) // a second one that sees the empty description panics
				<-goOn
			}
			r.Description = old.Description + "x"
			return nil
		})
	})
	role := e.role(t, "r")
	const writers = 2
	done := make(chan error, writers)
	update := func() {
		_, err := e.Roles.Update(t.Context(), "acme", role.ID, db.UpdateRole{})
		done <- err
	}
	go update()
	<-inside
	go update()
	e.awaitLock(t)
	close(goOn)
	for range writers {
		ok(t, <-done)
	}
	got, err := e.Roles.Get(t.Context(), "acme", role.ID)
	ok(t, err)
	if got.Description != "xx" {
		t.Errorf("description %q; want that of both", got.Description)
	}
}
