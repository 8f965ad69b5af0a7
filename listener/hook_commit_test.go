package listener_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/listener"
)

// Whoever lost the group while a hook ran commits nothing of it: no effect, no ack, no failure. The next term runs it.
func TestFenceLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]struct {
		touch bool
		err   error
	}{
		"done":               {touch: true},
		"failed":             {touch: true, err: errors.New("no")},
		"without effect":     {},
		"failed, no effects": {err: errors.New("no")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newHookRig(t)
			g, calls := newGate(t), atomic.Int32{}
			r.afterRoles("h", func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error {
				if end.touch {
					if err := leave(ctx, tx, "h", ev); err != nil {
						return err
					}
				}
				if calls.Add(1) > 1 {
					return nil
				}
				g.pass()
				return end.err
			})
			n := r.start()
			r.roles("a")
			g.awaitArrival()
			r.exec(`update latchkey.owner set epoch = epoch + 1`)
			g.release()

			n.awaitOwning()
			n.catchUp()
			if end.touch {
				r.requireEffects("h", "a")
			}
			if got := calls.Load(); got != 2 {
				t.Fatalf("the hook was called %d times, want once in each term", got)
			}
			// After an unclean end the attempt is recorded ahead; the first term has recorded none.
			r.requireDeliveries("h 1 done 1")
		})
	}
}

// What fails at the very end is a failure too, and tried again.
func TestDeferredConstraintFailsAtCommit(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	// A name like that of the ack's own primary key must not be taken for it.
	r.exec(`create table once (word text constraint acks_pkey unique deferrable initially deferred)`)
	r.exec(`insert into once values ('taken')`)
	r.afterRoles("h", func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error {
		word := "taken"
		if ev.Attempt > 1 {
			word = "free"
		}
		if _, err := tx.Exec(ctx, `insert into once values ($1)`, word); err != nil {
			return err
		}
		return leave(ctx, tx, "h", ev)
	})
	n := r.start()
	r.roles("a")
	n.catchUp()
	r.seen.awaitDone("h", 1)
	r.seen.require("h", 1, 1)
	r.requireEffects("h", "a")
	r.requireDeliveries("h 1 done 2")
	if text := value[string](r.rig, `select last_error from latchkey.deliveries`); !strings.Contains(text, "23505") {
		t.Fatalf("the error that is kept is %q", text)
	}
}

// A hook that swallows the error of a statement has no effects to commit, so it isn't done.
func TestSwallowedError(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error{
		"a statement after others": func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error {
			if err := leave(ctx, tx, "h", ev); err != nil {
				return err
			}
			_, _ = tx.Exec(ctx, `select 1/0`)
			return nil
		},
		"the first statement": func(ctx context.Context, tx hooks.Tx, _ hooks.Event) error {
			_, _ = tx.Exec(ctx, `select 1/0`)
			return nil
		},
		"one that can't be parsed": func(ctx context.Context, tx hooks.Tx, _ hooks.Event) error {
			_, _ = tx.Exec(ctx, `selec 1`)
			return nil
		},
		"one that names what is not": func(ctx context.Context, tx hooks.Tx, _ hooks.Event) error {
			_, _ = tx.Exec(ctx, `select x from nowhere`)
			return nil
		},
		"the last, in rows not closed": func(ctx context.Context, tx hooks.Tx, _ hooks.Event) error {
			_, _ = tx.Query(ctx, `select 1/(3-i) from generate_series(1, 100) i`) //nolint:sqlclosecheck // left open, as a careless hook might
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newHookRig(t)
			r.afterRoles("h", func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error {
				if ev.Attempt == 1 {
					return fault(ctx, tx, ev)
				}
				return leave(ctx, tx, "h", ev)
			})
			n := r.start()
			r.roles("a")
			n.catchUp()
			r.seen.awaitDone("h", 1)
			r.seen.require("h", 1, 1)
			r.requireEffects("h", "a")
			r.requireDeliveries("h 1 done 2")
		})
	}
}

// An error inside a savepoint is the hook's to handle: what was outside of it is committed.
func TestSavepointInHook(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	r.afterRoles("h", func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error {
		err := tx.InTx(ctx, func(tx hooks.Tx) error {
			if err := leave(ctx, tx, "h", hooks.Event{Seq: ev.Seq, Key: "undone"}); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `selec 1`)
			return err
		})
		if err == nil {
			return errors.New("a statement that can't be parsed passed")
		}
		if err := tx.InTx(ctx, func(tx hooks.Tx) error { return leave(ctx, tx, "h", hooks.Event{Seq: ev.Seq, Key: "inner"}) }); err != nil {
			return err
		}
		return leave(ctx, tx, "h", ev)
	})
	n := r.start(with(func(c *listener.Config) { c.HookConnections = 1 }))
	r.roles("a", "b")
	n.catchUp()
	r.seen.require("h", 2, 0)
	r.requireDeliveries()
	if got := value[string](r.rig, `select string_agg(key, ' ' order by seq, id) from effect`); got != "inner a inner b" {
		t.Fatalf("the hook has left %q", got)
	}
}
