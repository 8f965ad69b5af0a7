package listener_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/listener"
)

// never is a schedule whose second attempt no test lives to see.
func never() option {
	return with(func(c *listener.Config) { c.Retry = listener.Retry{Attempts: 3, Base: time.Hour, Max: time.Hour} })
}

// A failure sets aside its hook and its entity, nothing else: not the entity for other hooks, not the hook for others.
func TestFailureHoldsBackOnlyItsOwn(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	var healed atomic.Bool
	r.afterRoles("bad", func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error {
		if err := leave(ctx, tx, "bad", ev); err != nil {
			return err
		}
		if ev.Key == "a" && !healed.Load() {
			return errNo
		}
		return nil
	})
	r.afterRoles("good", func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error { return leave(ctx, tx, "good", ev) })
	n := r.start(oneLane(), never())
	r.roles("a", "b")
	r.describe("a", "2")
	r.describe("b", "2")
	r.describe("a", "3")
	n.catchUp()
	r.requireEffects("good", "a", "b", "a", "b", "a")
	r.requireEffects("bad", "b", "b")
	r.requireDeliveries("bad 1 retry 1", "bad 3 held 0", "bad 5 held 0")
	got := value[string](r.rig, `select format('%s, %s, %s', last_error, entities, next_attempt_at between now() - interval '1 minute' and now() + interval '1 hour') from latchkey.deliveries where status = 'retry'`)
	if got != "no, {t/a}, t" {
		t.Fatalf("the failed delivery's row says %s", got)
	}
	r.eventually("the cursors are at the end", `select min(cursor_seq) = 5 from latchkey.subscriptions`)

	// Stopped and crashed while parked: the same afterwards, and what is due runs, in order.
	n.stop()
	r.requireDeliveries("bad 1 retry 1", "bad 3 held 0", "bad 5 held 0")
	n = r.start(never())
	r.describe("a", "4")
	n.catchUp()
	n.kill()
	r.requireDeliveries("bad 1 retry 1", "bad 3 held 0", "bad 5 held 0", "bad 6 held 0")
	healed.Store(true)
	r.exec(`update latchkey.deliveries set next_attempt_at = now() where status = 'retry'`)
	n = r.start(never())
	r.seen.awaitDone("bad", 6)
	r.requireEffects("bad", "b", "b", "a", "a", "a", "a")
	if got := value[string](r.rig, `select string_agg(seq::text, ' ' order by id) from effect where hook = 'bad'`); got != "2 4 1 3 5 6" {
		t.Fatalf("the hook ran for the events in the order %s", got)
	}
	r.requireDeliveries("bad 1 done 2", "bad 3 done 1", "bad 5 done 1", "bad 6 done 1")

	// Done with what was parked, the entity is as any other.
	r.describe("a", "5")
	n.catchUp()
	r.seen.require("bad", 7, 1)
	r.requireDeliveries("bad 1 done 2", "bad 3 done 1", "bad 5 done 1", "bad 6 done 1")
}

// A dead delivery keeps its followers held, through stops and crashes, until someone retries or discards it.
func TestDeadHoldsItsFollowers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fix  string
		want string
		rows []string
	}{
		"retried":   {`update latchkey.deliveries set status = 'retry', next_attempt_at = now() where status = 'dead'`, "1 2 3 4", []string{"h 1 done 3", "h 2 done 1", "h 3 done 1", "h 4 done 1"}},
		"discarded": {`update latchkey.deliveries set status = 'discarded' where status = 'dead'`, "2 3 4", []string{"h 1 discarded 2", "h 2 done 1", "h 3 done 1", "h 4 done 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newHookRig(t)
			var healed atomic.Bool
			r.afterRoles("h", func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error {
				if !healed.Load() {
					return errNo
				}
				return leave(ctx, tx, "h", ev)
			})
			twice := with(func(c *listener.Config) { c.Retry.Attempts = 2 })
			n := r.start(twice)
			r.roles("a")
			r.describe("a", "2")
			n.catchUp()
			if last := r.seen.awaitFailed("h", 2)[1]; !last.Dead || !last.Retry.IsZero() {
				t.Fatalf("the last run says dead: %v, retry: %v", last.Dead, last.Retry)
			}
			r.requireDeliveries("h 1 dead 2", "h 2 held 0")
			n.stop()
			n = r.start(twice)
			r.describe("a", "3")
			n.catchUp()
			n.kill()
			n = r.start(twice)
			r.describe("a", "4")
			n.catchUp()
			r.requireDeliveries("h 1 dead 2", "h 2 held 0", "h 3 held 0", "h 4 held 0")
			r.seen.require("h", 0, 2)
			n.stop()

			healed.Store(true)
			r.exec(c.fix)
			n = r.start(twice)
			n.catchUp()
			r.seen.awaitDone("h", len(strings.Fields(c.want)))
			if got := value[string](r.rig, `select string_agg(seq::text, ' ' order by id) from effect`); got != c.want {
				t.Fatalf("the hook ran for the events in the order %s, want %s", got, c.want)
			}
			r.requireDeliveries(c.rows...)
		})
	}
}

// With PassDead later events go on past a dead one, in order, also where they were held before it died.
func TestPassDead(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	g := newGate(t)
	r.afterRoles("h", func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error {
		if ev.Seq == 1 {
			if ev.Attempt == 2 {
				g.pass()
			}
			return errNo
		}
		return leave(ctx, tx, "h", ev)
	}, hooks.PassDead())
	n := r.start(with(func(c *listener.Config) { c.Retry.Attempts = 2 }))
	r.roles("a")
	g.awaitArrival()
	r.describe("a", "2")
	r.describe("a", "3")
	n.catchUp()
	r.requireDeliveries("h 1 running 2", "h 2 held 0", "h 3 held 0")
	g.release()
	r.seen.awaitDone("h", 2)
	r.describe("a", "4")
	n.catchUp()
	n.kill()
	n = r.start()
	r.describe("a", "5")
	n.catchUp()
	r.seen.require("h", 4, 2)
	r.requireDeliveries("h 1 dead 2", "h 2 done 1", "h 3 done 1")
	if got := value[string](r.rig, `select string_agg(seq::text, ' ' order by id) from effect`); got != "2 3 4 5" {
		t.Fatalf("the hook ran for the events in the order %s", got)
	}
}

// A panic is a failure like another, kept with its stack.
func TestPanic(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	r.afterRoles("h", func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error {
		if err := leave(ctx, tx, "h", ev); err != nil {
			return err
		}
		panic("at the disco\x00\xff")
	})
	n := r.start(with(func(c *listener.Config) { c.Retry.Attempts = 1 }))
	r.roles("a")
	n.catchUp()
	r.requireEffects("h")
	r.requireDeliveries("h 1 dead 1")
	text := value[string](r.rig, `select last_error from latchkey.deliveries`)
	for _, want := range []string{"panic: at the disco", "goroutine ", "retry_park_test.go"} {
		if !strings.Contains(text, want) {
			t.Errorf("what is kept of a panic lacks %q:\n%s", want, text)
		}
	}
}

// The wait before another attempt is a random part of a doubling ceiling, never more than the longest.
func TestRetrySchedule(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		retry   listener.Retry
		attempt int
		ceiling time.Duration
	}{
		{listener.Retry{Base: time.Second, Max: 10 * time.Minute}, 1, time.Second},
		{listener.Retry{Base: time.Second, Max: 10 * time.Minute}, 2, 2 * time.Second},
		{listener.Retry{Base: time.Second, Max: 10 * time.Minute}, 10, 512 * time.Second},
		{listener.Retry{Base: time.Second, Max: 10 * time.Minute}, 11, 10 * time.Minute},
		{listener.Retry{Base: time.Second, Max: 10 * time.Minute}, 1000, 10 * time.Minute},
		{listener.Retry{Base: time.Hour, Max: time.Minute}, 1, time.Minute},
		{listener.Retry{Base: time.Nanosecond, Max: time.Nanosecond}, 1, time.Nanosecond},
		{listener.Retry{Base: 1<<62 - 1, Max: 1<<63 - 1 - time.Second}, 60, 1<<63 - 1 - time.Second},
	} {
		t.Run(fmt.Sprint(c.attempt, c.ceiling), func(t *testing.T) {
			t.Parallel()
			var lower, upper int
			for range 1000 {
				wait := c.retry.Wait(c.attempt)
				if wait <= 0 || wait > c.ceiling+time.Millisecond {
					t.Fatalf("after attempt %d it waits %v, beyond %v", c.attempt, wait, c.ceiling)
				}
				if wait < c.ceiling/2 {
					lower++
				} else {
					upper++
				}
			}
			if c.ceiling > time.Second/2 && (lower < 400 || upper < 400) {
				t.Errorf("%d waits lie in the lower half and %d in the upper: that is no full jitter", lower, upper)
			}
		})
	}
}
