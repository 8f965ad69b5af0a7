package listener_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/listener"
)

// hookRig is a rig whose hooks leave their effects in a table, and that keeps what ran.
type hookRig struct {
	*rig
	seen *witness
}

// newHookRig has a table, effect, in which nothing is unique: what happens twice is there twice.
func newHookRig(t *testing.T) *hookRig {
	t.Helper()
	r := newRig(t)
	r.exec(`create table effect (id bigint generated always as identity, hook text not null, seq bigint not null, key text not null)`)
	return &hookRig{rig: r, seen: newWitness(t)}
}

// start starts a listener whose runs are kept.
func (r *hookRig) start(options ...option) *node {
	r.t.Helper()
	return r.rig.start(append([]option{r.seen.keep()}, options...)...)
}

// standBy starts a listener, whose runs are kept, that finds the group owned.
func (r *hookRig) standBy(options ...option) *node {
	r.t.Helper()
	return r.rig.standBy(append([]option{r.seen.keep()}, options...)...)
}

// roles makes a role of each name, each in a transaction of its own.
func (r *hookRig) roles(ids ...string) {
	r.t.Helper()
	for _, id := range ids {
		r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', $1, $1)`, id)
	}
}

// describe updates a role, so that it has one event more.
func (r *hookRig) describe(id, description string) {
	r.t.Helper()
	r.exec(`update auth.roles set description = $2 where tenant_id = 't' and id = $1`, id, description)
}

// leave is what most hooks of these tests do: an effect through their transaction.
func leave(ctx context.Context, tx hooks.Tx, hook string, ev hooks.Event) error {
	_, err := tx.Exec(ctx, `insert into effect (hook, seq, key) values ($1, $2, $3)`, hook, ev.Seq, ev.Key)
	return err
}

// requireEffects fails the test unless the hook's committed effects are these keys, in this order.
func (r *hookRig) requireEffects(hook string, want ...string) {
	r.t.Helper()
	got := value[string](r.rig, `select coalesce(string_agg(key, ' ' order by id), '') from effect where hook = $1`, hook)
	if got != strings.Join(want, " ") {
		r.t.Fatalf("hook %s has left %q, want %q; what ran:\n%s", hook, got, strings.Join(want, " "), r.seen)
	}
}

// deliveries tells of the rows that deliveries have: hook, seq, status and attempts of each.
func (r *hookRig) deliveries() string {
	r.t.Helper()
	return value[string](r.rig, `select coalesce(string_agg(format('%s %s %s %s', s.hook, d.seq, d.status, d.attempt), ', ' order by s.hook, d.seq), '')
		from latchkey.deliveries d join latchkey.subscriptions s on s.id = d.subscription_id`)
}

func (r *hookRig) requireDeliveries(want ...string) {
	r.t.Helper()
	if got := r.deliveries(); got != strings.Join(want, ", ") {
		r.t.Fatalf("the deliveries with a row are\n  %s\nwant\n  %s\nwhat ran:\n%s", got, strings.Join(want, ", "), r.seen)
	}
}

// eventually waits until a query says true.
func (r *hookRig) eventually(what, sql string, args ...any) {
	r.t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(patience)
	for !value[bool](r.rig, sql, args...) {
		select {
		case <-ticker.C:
		case <-deadline:
			r.t.Fatalf("waited %v until %s; what ran:\n%s", patience, what, r.seen)
		}
	}
}

// afterRoles registers fn for what happens to roles.
func (r *hookRig) afterRoles(name string, fn func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error, opts ...hooks.Option) {
	r.reg.Roles.AfterCreate(name, func(ctx context.Context, tx hooks.Tx, ev hooks.Event, _ db.Role) error { return fn(ctx, tx, ev) }, opts...)
	r.reg.Roles.AfterUpdate(name, func(ctx context.Context, tx hooks.Tx, ev hooks.Event, _, _ db.Role) error { return fn(ctx, tx, ev) })
	r.reg.Roles.AfterDelete(name, func(ctx context.Context, tx hooks.Tx, ev hooks.Event, _ db.Role) error { return fn(ctx, tx, ev) })
}

// witness keeps what ran.
type witness struct {
	t       *testing.T
	mu      sync.Mutex
	runs    []listener.Run
	changed chan struct{}
}

func newWitness(t *testing.T) *witness {
	t.Helper()
	return &witness{t: t, changed: make(chan struct{})}
}

func (w *witness) keep() option {
	return with(func(c *listener.Config) {
		c.Trace.Ran = func(run listener.Run) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.runs = append(w.runs, run)
			close(w.changed)
			w.changed = make(chan struct{})
		}
	})
}

// await waits until enough runs of the hook have ended so: done (err is nil) or failed.
func (w *witness) await(hook string, failed bool, n int) []listener.Run {
	w.t.Helper()
	deadline := time.After(patience)
	for {
		w.mu.Lock()
		var of []listener.Run
		for _, run := range w.runs {
			if run.Hook.Name == hook && (run.Err != nil) == failed {
				of = append(of, run)
			}
		}
		changed := w.changed
		w.mu.Unlock()
		if len(of) >= n {
			return of
		}
		select {
		case <-changed:
		case <-deadline:
			w.t.Fatalf("waited %v for %d runs of %s (failed: %v); what ran:\n%s", patience, n, hook, failed, w)
		}
	}
}

func (w *witness) awaitDone(hook string, n int) []listener.Run {
	w.t.Helper()
	return w.await(hook, false, n)
}

func (w *witness) awaitFailed(hook string, n int) []listener.Run {
	w.t.Helper()
	return w.await(hook, true, n)
}

// count returns how many runs of the hook have ended, and how many of them failed.
func (w *witness) count(hook string) (ended, failed int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, run := range w.runs {
		if run.Hook.Name == hook {
			ended++
			if run.Err != nil {
				failed++
			}
		}
	}
	return ended, failed
}

// require fails the test unless so many runs of the hook were done, and so many failed.
func (w *witness) require(hook string, done, failed int) {
	w.t.Helper()
	if all, bad := w.count(hook); all-bad != done || bad != failed {
		w.t.Fatalf("of hook %s %d runs are done and %d have failed, want %d and %d; what ran:\n%s", hook, all-bad, bad, done, failed, w)
	}
}

func (w *witness) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var b strings.Builder
	for _, run := range w.runs[max(0, len(w.runs)-50):] {
		fmt.Fprintf(&b, "  %s %d %s %s attempt %d: %v\n", run.Hook.Name, run.Event.Seq, run.Event.Operation, run.Event.Key, run.Event.Attempt, run.Err)
	}
	return b.String()
}

// gate stops a hook where it stands until the test lets it go on. It opens by itself when the test ends.
type gate struct {
	t       *testing.T
	arrived chan struct{}
	open    chan struct{}
	once    sync.Once
}

func newGate(t *testing.T) *gate {
	t.Helper()
	g := &gate{t: t, arrived: make(chan struct{}, 1000), open: make(chan struct{})}
	t.Cleanup(g.release)
	return g
}

// pass waits at the gate, whatever becomes of the hook's context.
func (g *gate) pass() {
	g.arrived <- struct{}{}
	<-g.open
}

// passOr waits at the gate, or until ctx ends.
func (g *gate) passOr(ctx context.Context) error {
	g.arrived <- struct{}{}
	select {
	case <-g.open:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// awaitArrival waits until a hook has come to the gate.
func (g *gate) awaitArrival() {
	g.t.Helper()
	select {
	case <-g.arrived:
	case <-time.After(patience):
		g.t.Fatalf("no hook came to the gate within %v", patience)
	}
}

func (g *gate) release() { g.once.Do(func() { close(g.open) }) }

// rows reads a column.
func rows[T any](r *rig, sql string, args ...any) []T {
	r.t.Helper()
	found, err := r.pool.Query(r.ctx(), sql, args...)
	if err != nil {
		r.t.Fatal(err)
	}
	values, err := pgx.CollectRows(found, pgx.RowTo[T])
	if err != nil {
		r.t.Fatal(err)
	}
	return values
}

// onOpen has fn called with the listener before it runs.
func onOpen(fn func(*listener.Listener)) option {
	return func(_ *listener.Config, after *[]func(*listener.Listener)) { *after = append(*after, fn) }
}

// all returns what ran so far.
func (w *witness) all() []listener.Run {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.runs)
}
