package listener_test

import (
	"context"
	"errors"
	"strings"
	"testing"

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
	for _, way := range []string{"store", "sql"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			r := newHookRig(t)
			store := r.store()
			r.reg.Roles.AfterCreate("next", func(ctx context.Context, tx hooks.Tx, ev hooks.Event, row db.Role) error {
				if len(row.ID) == 3 {
					return nil
				}
				id := row.ID + "x"
				if way == "store" {
					_, err := store.With(tx).Roles.Create(ctx, "t", db.CreateRole{ID: id, Name: id})
					return err
				}
				_, err := tx.Exec(ctx, `insert into auth.roles (tenant_id, id, name) values ('t', $1, $1)`, id)
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

// Hooks that call each other for ever are stopped.
func TestDepthIsBounded(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	r.reg.Roles.AfterCreate("again", func(ctx context.Context, tx hooks.Tx, ev hooks.Event, row db.Role) error {
		_, err := tx.Exec(ctx, `insert into auth.roles (tenant_id, id, name) values ('t', $1, $1)`, row.ID+"x")
		return err
	})
	n := r.start()
	r.roles("x")
	r.eventually("the chain of hooks ends", `select exists (select from latchkey.deliveries where status = 'dead')`)
	n.catchUp()
	r.seen.require("again", 9, 1) // the first one, and eight steps
	r.requireDeliveries("again 10 dead 1")
	if text := value[string](r.rig, `select last_error from latchkey.deliveries`); !strings.Contains(text, "depth") {
		t.Fatalf("the error that is kept is %q", text)
	}
}
