package listener_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

func (r *hookRig) store() *db.Store {
	r.t.Helper()
	store, err := db.Open(r.ctx(), db.Config{DatabaseURL: r.url, Hooks: r.reg})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(store.Close)
	return store
}

// A write beside the hook's transaction would survive its failure: it is refused, whether the transaction has begun or not.
func TestStoreWriteBesideTheTransaction(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	store := r.store()
	for _, touched := range []bool{false, true} {
		name := map[bool]string{false: "untouched", true: "touched"}[touched]
		r.afterRoles(name, func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error {
			if touched {
				if err := leave(ctx, tx, name, ev); err != nil {
					return err
				}
			}
			_, err := store.Permissions.Create(ctx, "t", db.CreatePermission{PermissionRef: db.PermissionRef{ResourceServerIdentifier: "api", PermissionName: name}})
			if !errors.Is(err, hooks.ErrOutsideTx) || !strings.Contains(err.Error(), "store.With(tx)") {
				t.Errorf("a write of hook %s beside its transaction answered: %v", name, err)
			}
			err = store.InTx(ctx, func(*db.Tx) error { t.Error("a transaction beside the hook's began"); return nil })
			if !errors.Is(err, hooks.ErrOutsideTx) {
				t.Errorf("a transaction of hook %s beside its own answered: %v", name, err)
			}
			return nil
		})
	}
	n := r.start()
	r.exec(`insert into auth.resource_servers (tenant_id, identifier) values ('t', 'api')`)
	r.roles("a")
	n.catchUp()
	r.seen.require("untouched", 1, 0)
	r.seen.require("touched", 1, 0)
	if got := value[int](r.rig, `select count(*) from auth.permissions`); got != 0 {
		t.Fatalf("%d rows were written beside the hooks' transactions", got)
	}
}

// What a hook writes names the delivery behind it, through the store or in SQL of its own, and the depth grows.
func TestCause(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"store", "store, with a context of its own", "sql", "copy", "savepoint"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			r := newHookRig(t)
			store := r.store()
			r.reg.Roles.AfterCreate("next", func(ctx context.Context, tx hooks.Tx, ev hooks.Event, row db.Role) error {
				if len(row.ID) == 3 {
					return nil
				}
				id := row.ID + "x"
				var err error
				switch way {
				case "store":
					_, err = store.With(tx).Roles.Create(ctx, "t", db.CreateRole{ID: id, Name: id})
				case "sql":
					_, err = tx.Exec(ctx, `insert into auth.roles (tenant_id, id, name) values ('t', $1, $1)`, id)
				case "copy":
					_, err = tx.CopyFrom(ctx, pgx.Identifier{"auth", "roles"}, []string{"tenant_id", "id", "name"}, pgx.CopyFromRows([][]any{{"t", id, id}}))
				case "savepoint":
					err = tx.InTx(ctx, func(tx hooks.Tx) error {
						return store.With(tx).InTx(ctx, func(tx *db.Tx) error { return createRole(ctx, tx, id) })
					})
				default:
					err = createRole(r.ctx(), store.With(tx), id) //nolint:contextcheck // that is what is tested
				}
				return err
			})
			n := r.start()
			ctx := db.WithStamp(t.Context(), hooks.Stamp{Actor: "me"})
			if _, err := store.Roles.Create(ctx, "t", db.CreateRole{ID: "x", Name: "x"}); err != nil {
				t.Fatal(err)
			}
			n.catchUp()
			r.seen.awaitDone("next", 3)
			got := value[string](r.rig, `select string_agg(format('%s %s %s %s %s %s', seq, key, origin, stamp->'cause'->>'seq', stamp->'cause'->>'hook', stamp->'cause'->>'depth'), ', ' order by seq) from latchkey.events`)
			if want := "1 x app   , 2 xx app 1 next 1, 3 xxx app 2 next 2"; got != want {
				t.Fatalf("the events are\n  %s\nwant\n  %s", got, want)
			}
		})
	}
}

// Members of a set that a hook assigns carry the cause too, and so does what a before-hook writes in between.
func TestCauseOfASetAndOfABeforeHook(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	store := r.store()
	r.reg.RolePermissions.BeforeAssign("note", func(ctx context.Context, tx hooks.Tx, role db.RoleRef, permissions []db.PermissionRef) ([]db.PermissionRef, error) {
		return permissions, createRole(ctx, store.With(tx), "noted")
	})
	r.reg.Roles.AfterCreate("grant", func(ctx context.Context, tx hooks.Tx, _ hooks.Event, row db.Role) error {
		if row.ID != "x" {
			return nil
		}
		_, err := store.With(tx).RolePermissions.Assign(ctx, "t", row.ID, db.PermissionRef{ResourceServerIdentifier: "api", PermissionName: "read"})
		return err
	})
	r.exec(`insert into auth.resource_servers (tenant_id, identifier) values ('t', 'api')`)
	r.exec(`insert into auth.permissions (tenant_id, resource_server_identifier, permission_name) values ('t', 'api', 'read')`)
	n := r.start()
	r.roles("x")
	n.catchUp()
	r.seen.awaitDone("grant", 2)
	got := value[string](r.rig, `select string_agg(format('%s %s %s', operation, key, stamp->'cause'), ', ' order by operation, key) from latchkey.events where stamp ? 'cause'`)
	if want := `assign x {"seq": 1, "hook": "grant", "depth": 1}, insert noted {"seq": 1, "hook": "grant", "depth": 1}`; got != want {
		t.Fatalf("what the hook caused is\n  %s\nwant\n  %s", got, want)
	}
}

func createRole(ctx context.Context, tx *db.Tx, id string) error {
	_, err := tx.Roles.Create(ctx, "t", db.CreateRole{ID: id, Name: id})
	return err
}

// Hooks that call each other for ever are stopped, however they write, and whether or not their process dies on the way.
func TestDepthIsBounded(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"sql", "sql, over a crash", "store", "store, with a context of its own"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			r := newHookRig(t)
			store := r.store()
			g, crash := newGate(t), strings.HasSuffix(way, "crash")
			r.reg.Roles.AfterCreate("again", func(ctx context.Context, tx hooks.Tx, ev hooks.Event, row db.Role) error {
				id := row.ID + "x"
				switch way {
				case "store":
					return createRole(ctx, store.With(tx), id)
				case "store, with a context of its own":
					return createRole(r.ctx(), store.With(tx), id) //nolint:contextcheck // that is what is tested
				}
				_, err := tx.Exec(ctx, `insert into auth.roles (tenant_id, id, name) values ('t', $1, $1)`, id)
				if crash && len(id) == 5 {
					return errors.Join(err, g.passOr(ctx))
				}
				return err
			})
			n := r.start()
			r.roles("x")
			if crash {
				g.awaitArrival()
				n.kill()
				g.release()
				n = r.start()
			}
			r.eventually("the chain of hooks ends", `select exists (select from latchkey.deliveries where status = 'dead')`)
			n.catchUp()
			r.seen.require("again", 9, 1) // the first one, and eight steps
			if got := value[string](r.rig, `select string_agg(coalesce(stamp->'cause'->>'depth', '0'), ' ' order by seq) from latchkey.events`); got != "0 1 2 3 4 5 6 7 8 9" {
				t.Errorf("the events' depths are %s", got)
			}
			if got := value[string](r.rig, `select string_agg(format('%s %s %s', seq, attempt, last_error), ', ') from latchkey.deliveries where status = 'dead'`); got !=
				"10 1 more than 8 hooks have caused each other's events: this event is of depth 9, caused by hook again for event 9" {
				t.Errorf("dead is %s", got)
			}
		})
	}
}
