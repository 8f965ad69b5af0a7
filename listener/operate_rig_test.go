package listener_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/listener"
)

// operateRig is a hookRig with an operator, whose listeners see at once what an operator changes.
type operateRig struct {
	*hookRig
	op *listener.Operator
}

func newOperateRig(t *testing.T) *operateRig {
	t.Helper()
	r := newHookRig(t)
	return &operateRig{hookRig: r, op: listener.NewOperator(r.pool, "")}
}

// attentive renews the lease often, which is when the owner looks, and looks after the log often too.
func attentive() option {
	return onOpen(func(l *listener.Listener) {
		l.SetTiming(5*time.Second, 20*time.Millisecond, 50*time.Millisecond, 20*time.Millisecond)
		l.SetRetention(20*time.Millisecond, 100)
	})
}

// flaky registers a hook that leaves effects, and fails for as long as the table broken holds the key.
func (r *operateRig) flaky(name string, opts ...hooks.Option) {
	r.t.Helper()
	r.exec(`create table if not exists broken (key text)`)
	r.afterRoles(name, func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error {
		var broken bool
		if err := tx.QueryRow(ctx, `select exists (select from broken where key = $1)`, ev.Key).Scan(&broken); err != nil {
			return err
		}
		if broken {
			return errors.New("it is broken")
		}
		return leave(ctx, tx, name, ev)
	}, opts...)
}

// awaitDeliveries waits until the deliveries with a row stand so.
func (r *operateRig) awaitDeliveries(want string) {
	r.t.Helper()
	r.eventually("the deliveries are "+want, `select $1 = coalesce(string_agg(format('%s %s %s', s.hook, d.seq, d.status), ', ' order by s.hook, d.seq), '')
		from latchkey.deliveries d join latchkey.subscriptions s on s.id = d.subscription_id`, want)
}

// awaitRun waits until a run is done, and returns it.
func (r *operateRig) awaitRun(run listener.HookRun) listener.HookRun {
	r.t.Helper()
	r.eventually("the run is done", `select status = 'done' from latchkey.subscriptions where hook = $1 and run = $2`, run.Hook, run.Run)
	again, err := r.op.Again(r.ctx(), run)
	if err != nil {
		r.t.Fatal(err)
	}
	return again
}

// must fails the test at an error.
func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// awaitLog waits until the listener has logged a text.
func (n *node) awaitLog(text string) {
	n.r.t.Helper()
	deadline := time.After(patience)
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !strings.Contains(n.log.String(), text) {
		select {
		case <-ticker.C:
		case <-deadline:
			n.r.t.Fatalf("the listener did not log %q within %v", text, patience)
		}
	}
}

// userRole shortens a name.
type userRole = db.UserRole

// witnessOrigins counts the origins of the events that a hook gets.
type witnessOrigins struct {
	mu                      sync.Mutex
	app, backfill, external int
}

func (w *witnessOrigins) see(_ context.Context, _ hooks.Tx, ev hooks.Event, _ db.Role) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch stamp := ev.Stamp(); stamp.Origin {
	case hooks.OriginApp:
		w.app++
	case hooks.OriginBackfill:
		w.backfill++
	case hooks.OriginExternal:
		w.external++
	}
	return nil
}

func (w *witnessOrigins) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return fmt.Sprintf("app %d, backfill %d, external %d", w.app, w.backfill, w.external)
}
