package listener_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/latchkey-dev/latchkey/hooks"
)

// requireOrder fails the test unless the hook's effects of these events came one after the other.
func (r *hookRig) requireOrder(hook string, seqs ...int64) {
	r.t.Helper()
	all := rows[int64](r.rig, `select seq from effect where hook = $1 order by id`, hook)
	last := -1
	for _, seq := range seqs {
		at := slices.Index(all, seq)
		if at < 0 || at <= last {
			r.t.Fatalf("hook %s ran for the events in the order %v, in which %v should follow each other", hook, all, seqs)
		}
		last = at
	}
}

// A change of the key is one event of both entities: once, after what came before it for either, before what follows.
func TestKeyChangeIsInOrderWithBoth(t *testing.T) {
	t.Parallel()
	for _, first := range []int64{1, 2} { // of the old key, and of the new one
		r := newHookRig(t)
		g := newGate(t)
		r.afterRoles("h", func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error {
			if ev.Seq == first {
				g.pass()
			}
			return leave(ctx, tx, "h", ev)
		})
		n := r.start()
		r.roles("old", "new")                                                            // 1 2
		r.exec(`delete from auth.roles where id = 'new'`)                                // 3
		r.exec(`update auth.roles set id = 'new'`)                                       // 4, of both
		r.describe("new", "x")                                                           // 5
		r.roles("old2")                                                                  // 6: someone else
		r.exec(`update auth.roles set id = 'old', name = 'old-again' where id = 'old2'`) // 7
		g.awaitArrival()
		r.eventually("all is stored", `select count(*) = 7 from latchkey.events`)
		for _, run := range r.seen.all() {
			if run.Event.Seq >= 4 && run.Event.Seq != 6 {
				t.Errorf("event %d didn't wait for event %d", run.Event.Seq, first)
			}
		}
		g.release()
		n.catchUp()
		r.seen.require("h", 7, 0)
		r.requireOrder("h", 1, 4, 5)
		r.requireOrder("h", 2, 3, 4, 7)
		r.requireOrder("h", 6, 7)
		if got := value[string](r.rig, `select format('%s %s', old_row ->> 'id', key) from latchkey.events where seq = 4`); got != "old new" {
			t.Errorf("the event tells of the change of the key as %q", got)
		}
	}
}

// Where one side of a change of the key is set aside, so is the change, and with it the other side: also through a crash.
func TestKeyChangeTiesWhatIsParked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		bad  []int64
		held string
	}{
		"the old side":      {[]int64{1}, "h 1 retry 1, h 4 held 0, h 5 held 0, h 6 held 0"},
		"the new side":      {[]int64{2}, "h 2 retry 1, h 3 held 0, h 4 held 0, h 5 held 0, h 6 held 0"},
		"both sides":        {[]int64{1, 3}, "h 1 retry 1, h 3 retry 1, h 4 held 0, h 5 held 0, h 6 held 0"},
		"the change itself": {[]int64{4}, "h 4 retry 1, h 5 held 0, h 6 held 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newHookRig(t)
			var healed atomic.Bool
			r.afterRoles("h", func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error {
				if !healed.Load() && slices.Contains(c.bad, ev.Seq) {
					return errNo
				}
				return leave(ctx, tx, "h", ev)
			})
			n := r.start(never())
			r.roles("old", "new")                             // 1 2
			r.exec(`delete from auth.roles where id = 'new'`) // 3
			r.exec(`update auth.roles set id = 'new'`)        // 4, of both
			r.roles("old-again")                              // not an entity of these
			r.exec(`delete from auth.roles where id = 'old-again'`)
			n.catchUp()
			r.describe("new", "x")                                                             // of the new side
			r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'old', 'anew')`) // of the old side
			n.catchUp()
			held := strings.NewReplacer("h 5", "h 7", "h 6", "h 8").Replace(c.held)
			if got := r.deliveries(); got != held {
				t.Fatalf("the deliveries with a row are\n  %s\nwant\n  %s", got, held)
			}
			n.kill()
			n = r.start(never())
			n.catchUp()
			if got := r.deliveries(); got != held {
				t.Fatalf("after a crash the deliveries with a row are\n  %s\nwant\n  %s", got, held)
			}
			n.stop()
			healed.Store(true)
			r.exec(`update latchkey.deliveries set next_attempt_at = now() where status = 'retry'`)
			r.start(never())
			r.seen.awaitDone("h", 8)
			r.requireOrder("h", 1, 4, 7)
			r.requireOrder("h", 2, 3, 4, 8)
			if got := value[int](r.rig, `select count(*) from effect`); got != 8 {
				t.Fatalf("8 events have left %d effects", got)
			}
		})
	}
}

// A TRUNCATE comes after all that runs and before all that follows, and doesn't wait for what is set aside.
func TestTruncateIsInOrder(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	g := newGate(t)
	r.afterRoles("h", func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error {
		switch ev.Key {
		case "slow":
			g.pass()
		case "parked":
			return errNo
		}
		return leave(ctx, tx, "h", ev)
	})
	r.reg.Roles.AfterTruncate("h", func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error {
		return leave(ctx, tx, "h", hooks.Event{Seq: ev.Seq, Key: "truncated"})
	})
	n := r.start(never())
	r.roles("parked", "slow", "a", "b")
	r.exec(`truncate auth.roles cascade`)
	r.roles("b", "c", "d", "e", "f", "again")
	g.awaitArrival()
	r.eventually("all is stored", `select count(*) = 11 from latchkey.events where table_name = 'auth.roles'`)
	truncated := value[int64](r.rig, `select seq from latchkey.events where table_name = 'auth.roles' and operation = 'truncate'`)
	for _, run := range r.seen.all() {
		if run.Event.Seq >= truncated {
			t.Errorf("event %d (%s) didn't wait for what ran", run.Event.Seq, run.Event.Operation)
		}
	}
	g.release()
	n.catchUp()
	r.seen.require("h", 10, 1)
	for _, other := range rows[int64](r.rig, `select seq from latchkey.events where operation = 'insert' and key <> 'parked'`) {
		r.requireOrder("h", min(other, truncated), max(other, truncated))
	}
	r.requireDeliveries("h 1 retry 1")
}
