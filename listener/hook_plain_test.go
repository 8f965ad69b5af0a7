package listener_test

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/listener"
)

// oneLane makes all entities share a lane.
func oneLane() option { return with(func(c *listener.Config) { c.Lanes = 1 }) }

// Hooks that never touch their transaction are acked many at a time; below the cursor nothing is left of it.
func TestPlainHooksAreAckedInBatches(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	r.afterRoles("h", func(context.Context, hooks.Tx, hooks.Event) error { return nil })
	n := r.start()
	r.exec(`insert into auth.roles (tenant_id, id, name) select 't', i::text, i::text from generate_series(1, 3000) i`)
	n.catchUp()
	r.seen.require("h", 3000, 0)
	r.eventually("the cursor is at the end", `select cursor_seq = 3000 from latchkey.subscriptions`)
	r.eventually("the acks below the cursor are gone", `select not exists (select from latchkey.acks) and not exists (select from latchkey.ack_batches)`)
	r.requireDeliveries()
	// What is acked together is written together.
	if n := value[int64](r.rig, `select pg_stat_get_tuples_inserted('latchkey.ack_batches'::regclass)`); n > 1000 {
		t.Errorf("3000 deliveries took %d rows of acks", n)
	}
	n.stop()
	n = r.start()
	n.catchUp()
	n.kill()
	n = r.start()
	n.catchUp()
	r.seen.require("h", 3000, 0)
}

// A crash repeats only what is not acked, also where a delivery that goes on holds the cursor back.
func TestPlainHooksAfterACrash(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	g, calls := newGate(t), sync.Map{}
	r.afterRoles("h", func(ctx context.Context, _ hooks.Tx, ev hooks.Event) error {
		count, _ := calls.LoadOrStore(ev.Key, &atomic.Int32{})
		if count.(*atomic.Int32).Add(1) == 1 && ev.Key == "0" {
			return g.passOr(ctx)
		}
		return nil
	})
	n := r.start(with(func(c *listener.Config) { c.Lanes = 1000 })) // so that few share the blocked one
	r.roles("0")
	g.awaitArrival()
	for i := 1; i <= 50; i++ {
		r.roles(strconv.Itoa(i))
	}
	r.seen.awaitDone("h", 45)
	r.eventually("what is done is acked, above the cursor", `select coalesce(sum(cardinality(seqs)), 0) >= 45 and min(s.cursor_seq) = 0
		from latchkey.subscriptions s join latchkey.ack_batches b on b.subscription_id = s.id`)
	acked := map[string]bool{}
	for _, key := range rows[string](r.rig, `select e.key from latchkey.ack_batches b cross join unnest(b.seqs) q join latchkey.events e on e.seq = q`) {
		acked[key] = true
	}
	n.kill()
	n = r.start()
	n.catchUp()
	calls.Range(func(key, count any) bool {
		if got := count.(*atomic.Int32).Load(); got > 1 && acked[key.(string)] {
			t.Errorf("the hook was called %d times for %s, which was acked", got, key)
		}
		return true
	})
	if got := value[int64](r.rig, `select count(*) from latchkey.deliveries where status <> 'done'`); got != 0 {
		t.Errorf("%d deliveries are not done", got)
	}
	r.eventually("the cursor is at the end", `select cursor_seq = 51 from latchkey.subscriptions`)
}

// An ack doesn't wait for the next hook of its lane: that one may take its time, and the process may end meanwhile.
func TestAckDoesNotWaitForTheLane(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"stop", "kill"} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			r := newHookRig(t)
			g := newGate(t)
			r.afterRoles("quick", func(context.Context, hooks.Tx, hooks.Event) error { return nil })
			r.afterRoles("slow", func(ctx context.Context, _ hooks.Tx, ev hooks.Event) error { return g.passOr(ctx) })
			n := r.start(oneLane(), with(func(c *listener.Config) { c.StopTimeout = 100 * time.Millisecond }))
			r.roles("a")
			g.awaitArrival()
			if end == "kill" {
				r.eventually("the quick hook is acked", `select exists (select from latchkey.subscriptions where hook = 'quick' and cursor_seq = 1)`)
				n.kill()
			} else {
				n.stop()
			}
			g.release()
			n = r.start(oneLane())
			n.catchUp()
			r.seen.require("quick", 1, 0)
			r.seen.require("slow", 1, 0)
		})
	}
}
