package listener_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/lazytx"
)

// A hook that overruns its deadline has failed, also where it returns nil in the end but heeded its context on the way.
func TestDeadline(t *testing.T) {
	t.Parallel()
	for name, wait := range map[string]func(ctx context.Context, tx hooks.Tx) error{
		"in Go": func(ctx context.Context, _ hooks.Tx) error { <-ctx.Done(); return context.Cause(ctx) },
		"in SQL": func(ctx context.Context, tx hooks.Tx) error {
			_, err := tx.Exec(ctx, `select pg_sleep(60)`)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newHookRig(t)
			r.afterRoles("h", func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error {
				if err := leave(ctx, tx, "h", ev); err != nil {
					return err
				}
				if ev.Attempt == 1 {
					return wait(ctx, tx)
				}
				return nil
			}, hooks.Timeout(500*time.Millisecond))
			n := r.start()
			r.roles("a")
			n.catchUp()
			r.seen.awaitDone("h", 1)
			failed := r.seen.awaitFailed("h", 1)
			if !errors.Is(failed[0].Err, hooks.ErrDeadline) {
				t.Fatalf("the hook failed with %v", failed[0].Err)
			}
			r.seen.require("h", 1, 1)
			r.requireEffects("h", "a")
			if log := n.log.String(); strings.Contains(log, "left behind") {
				t.Errorf("the end of its context didn't reach the hook:\n%s", log)
			}
			r.requireDeliveries("h 1 done 2")
		})
	}
}

// One that ignores its context is left behind: its lane goes on, its transaction is closed, and whatever it does at last
// changes nothing.
func TestHookThatIgnoresItsDeadline(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"lane", "retry"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			r := newHookRig(t)
			g := newGate(t)
			late, stuck := make(chan error, 1), map[string]int{"lane": 1, "retry": 2}[where]
			r.afterRoles("h", func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error {
				if _, err := tx.Exec(ctx, `select 1`); err != nil {
					return err
				}
				switch {
				case ev.Key != "a" || ev.Attempt > stuck:
				case ev.Attempt < stuck:
					return errNo
				default:
					g.pass()
					late <- leave(context.WithoutCancel(ctx), tx, "h", ev)
					return nil
				}
				return leave(ctx, tx, "h", ev)
			}, hooks.Timeout(500*time.Millisecond))
			n := r.start(oneLane())
			r.roles("a")
			g.awaitArrival()
			r.roles("b")
			n.catchUp()
			r.seen.awaitDone("h", 2)
			g.release()
			if err := <-late; !errors.Is(err, lazytx.ErrClosed) {
				t.Errorf("a late statement of the hook answered %v", err)
			}
			r.roles("c")
			n.catchUp()
			n.stop() // waits for the one that was left behind: it has returned
			r.seen.require("h", 3, stuck)
			if got := value[string](r.rig, `select string_agg(key, ' ' order by key) from effect`); got != "a b c" {
				t.Fatalf("the hook has left %q", got)
			}
			if clean := value[bool](r.rig, `select clean from latchkey.owner`); !clean {
				t.Error("the stop wasn't clean")
			}
		})
	}
}

// A hook that ends its goroutine (as a test's FailNow does) is one that never returns.
func TestHookThatEndsItsGoroutine(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	r.afterRoles("h", func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error {
		if err := leave(ctx, tx, "h", ev); err != nil {
			return err
		}
		if ev.Key == "a" && ev.Attempt == 1 {
			runtime.Goexit()
		}
		return nil
	}, hooks.Timeout(500*time.Millisecond))
	n := r.start(oneLane())
	r.roles("a", "b")
	n.catchUp()
	r.seen.awaitDone("h", 2)
	r.seen.require("h", 2, 1)
	if got := value[string](r.rig, `select string_agg(key, ' ' order by key) from effect`); got != "a b" {
		t.Fatalf("the hook has left %q", got)
	}
}
