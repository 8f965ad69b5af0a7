package listener

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchkey-dev/latchkey/hooks"
)

// afterHook is a hook for inserts.
func afterHook(t *testing.T, opts ...hooks.Option) *hooks.After {
	t.Helper()
	r := &hooks.Registry{}
	e := hooks.NewEntity(r, "auth.roles", func(*hooks.Image) (struct{}, error) { return struct{}{}, nil })
	e.AfterCreate("hook", func(context.Context, hooks.Tx, hooks.Event, struct{}) error { return nil }, opts...)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return r.Afters()[0]
}

func newSub(t *testing.T, opts ...hooks.Option) *subscription {
	t.Helper()
	return &subscription{after: afterHook(t, opts...), parked: map[string]*group{}}
}

// event is one of a key, and of a former key if there are two.
func event(seq int64, keys ...string) *hooks.Event {
	ev := &hooks.Event{Seq: seq, Operation: hooks.Insert, Key: keys[0]}
	if len(keys) > 1 {
		ev.OldKey = keys[1]
	}
	return ev
}

// fails parks the first attempt of a delivery.
func fails(sub *subscription, seq int64, keys ...string) *group {
	ev := event(seq, keys...)
	return sub.park(&parked{seq: seq, attempt: 1, entities: entities(ev), ev: ev, written: true})
}

var (
	failed = Run{Err: errors.New("no")}
	dead   = Run{Err: errors.New("no"), Dead: true}
	worked = Run{}
)

// holds asks whether an event has to wait, and with whom.
func holds(sub *subscription, seq int64, keys ...string) (with []string) {
	sub.hold(event(seq, keys...), func(entities []string) { with = entities })
	return with
}

func queue(g *group) string {
	var seqs []string
	for _, p := range g.resolve().queue {
		seqs = append(seqs, fmt.Sprint(p.seq))
	}
	return strings.Join(seqs, " ")
}

// try runs the head of a group.
func try(t *testing.T, sub *subscription, g *group, want int64, r Run) (more bool) {
	t.Helper()
	p, wait := sub.next(g)
	if p == nil {
		t.Fatalf("%d can't be tried (%v)", want, wait)
	}
	if p.seq != want {
		t.Fatalf("%d is tried, want %d", p.seq, want)
	}
	return sub.tried(g, p, r)
}

func requireNothingToTry(t *testing.T, sub *subscription, g *group) {
	t.Helper()
	if p, wait := sub.next(g); p != nil || !wait.IsZero() {
		t.Fatalf("%+v is to be tried (%v)", p, wait)
	}
}

func TestHold(t *testing.T) {
	t.Parallel()
	sub := newSub(t)
	if with := holds(sub, 1, "a"); with != nil {
		t.Fatal("an event is held, and nothing failed")
	}
	g := fails(sub, 2, "a")
	if with := holds(sub, 3, "b"); with != nil {
		t.Error("another entity is held")
	}
	if with := holds(sub, 4, "a"); !slices.Equal(with, []string{"a"}) {
		t.Errorf("the entity's next event is held with %q", with)
	}
	// A key change belongs to both, whichever of them is parked, and parks the other.
	if with := holds(sub, 5, "b", "a"); !slices.Equal(with, []string{"b", "a"}) {
		t.Errorf("the key change is held with %q", with)
	}
	if with := holds(sub, 6, "b"); with == nil {
		t.Error("an event of the new key passes the change that made it")
	}
	if got := queue(g); got != "2 4 5 6" {
		t.Errorf("the queue is %s", got)
	}
	if other := newSub(t); holds(other, 4, "a") != nil {
		t.Error("another hook's event is held")
	}
}

// A held delivery gets its row before anyone can come to try it.
func TestHoldRecordsFirst(t *testing.T) {
	t.Parallel()
	sub := newSub(t)
	g := fails(sub, 1, "a")
	seen := ""
	sub.hold(event(2, "a"), func([]string) { seen = queue(g) })
	if seen != "1" || queue(g) != "1 2" {
		t.Errorf("while its row is recorded the queue is %s, then %s", seen, queue(g))
	}
	if p := g.queue[1]; p.written || p.attempt != 0 {
		t.Errorf("the held delivery is %+v", p)
	}
}

func TestRetryInOrder(t *testing.T) {
	t.Parallel()
	sub := newSub(t)
	g := fails(sub, 1, "a")
	holds(sub, 2, "a")
	holds(sub, 3, "a")
	if more := try(t, sub, g, 1, failed); !more {
		t.Fatal("a failed head is no more work")
	}
	for _, seq := range []int64{1, 2} {
		if more := try(t, sub, g, seq, worked); !more {
			t.Fatalf("after %d there is no more work", seq)
		}
		if holds(sub, 4+seq, "a") == nil {
			t.Fatalf("after %d a new event passes those that are held", seq)
		}
	}
	for _, seq := range []int64{3, 5} {
		try(t, sub, g, seq, worked)
	}
	if more := try(t, sub, g, 6, worked); more {
		t.Error("an empty group has more work")
	}
	if len(sub.parked) > 0 || holds(sub, 7, "a") != nil {
		t.Error("the entity is not free, and its queue is empty")
	}
	requireNothingToTry(t, sub, g)
}

// One attempt at a time, and while it runs the entity stays parked.
func TestRetryOneAtATime(t *testing.T) {
	t.Parallel()
	sub := newSub(t)
	g := fails(sub, 1, "a")
	p, _ := sub.next(g)
	requireNothingToTry(t, sub, g)
	if holds(sub, 2, "a") == nil {
		t.Error("an event passes the one that is being tried")
	}
	sub.tried(g, p, worked)
	try(t, sub, g, 2, worked)
}

func TestRetryWhenDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sub := newSub(t)
		g := fails(sub, 1, "a")
		due := time.Now().Add(time.Minute)
		try(t, sub, g, 1, Run{Err: errors.New("no"), Retry: due})
		if p, wait := sub.next(g); p != nil || !wait.Equal(due) {
			t.Fatalf("before its time %+v is tried, and waits until %v", p, wait)
		}
		<-time.After(time.Minute)
		try(t, sub, g, 1, worked)
	})
}

// A dead delivery keeps those that follow it, until someone settles it.
func TestDeadKeepsFollowers(t *testing.T) {
	t.Parallel()
	sub := newSub(t)
	g := fails(sub, 1, "a")
	holds(sub, 2, "a")
	try(t, sub, g, 1, dead)
	requireNothingToTry(t, sub, g)
	if holds(sub, 3, "a") == nil {
		t.Error("an event passes a dead one")
	}
	if got := queue(g); got != "1 2 3" {
		t.Errorf("the queue is %s", got)
	}
}

func TestPassDead(t *testing.T) {
	t.Parallel()
	sub := newSub(t, hooks.PassDead())
	g := fails(sub, 1, "a")
	holds(sub, 2, "a")
	try(t, sub, g, 1, failed)
	if more := try(t, sub, g, 1, dead); !more {
		t.Fatal("what follows a dead one does not pass it")
	}
	if more := try(t, sub, g, 2, dead); more || len(sub.parked) > 0 {
		t.Error("the entity is not free, and its queue is empty")
	}
}

// Two parked entities that a key change ties together have one queue, in the order of seq.
func TestJoinGroups(t *testing.T) {
	t.Parallel()
	sub := newSub(t)
	a, b := fails(sub, 1, "a"), fails(sub, 2, "b")
	holds(sub, 3, "b")
	holds(sub, 4, "a")
	c := fails(sub, 5, "c")
	if a == b || queue(a) != "1 4" || queue(b) != "2 3" {
		t.Fatalf("before: %s and %s", queue(a), queue(b))
	}
	holds(sub, 6, "b", "a")
	for name, g := range map[string]*group{"a": a, "b": b} {
		if got := queue(g); got != "1 2 3 4 6" {
			t.Errorf("the queue of %s is %s", name, got)
		}
	}
	if queue(c) != "5" {
		t.Errorf("the third entity's queue is %s", queue(c))
	}
	holds(sub, 7, "a")
	holds(sub, 8, "c", "a") // the third joins the two
	holds(sub, 9, "b")
	for _, g := range []*group{a, b, c, sub.parked["a"], sub.parked["b"], sub.parked["c"]} {
		if got := queue(g); got != "1 2 3 4 5 6 7 8 9" {
			t.Errorf("after the second key change: %s", got)
		}
	}
	for seq := int64(1); seq < 9; seq++ {
		if !try(t, sub, []*group{a, b, c}[seq%3], seq, worked) {
			t.Fatalf("after %d there is no more work", seq)
		}
	}
	if try(t, sub, a, 9, worked) || len(sub.parked) > 0 {
		t.Errorf("still parked: %v", sub.parked)
	}
}

// Groups are joined while attempts of both run: nothing else is tried until both are back.
func TestJoinWhileRunning(t *testing.T) {
	t.Parallel()
	sub := newSub(t)
	a, b := fails(sub, 1, "a"), fails(sub, 2, "b")
	first, _ := sub.next(a)
	second, _ := sub.next(b)
	holds(sub, 3, "b", "a")
	if n := a.resolve().running; n != 2 || a.resolve() != b.resolve() {
		t.Fatalf("%d attempts run in the joined group", n)
	}
	if more := sub.tried(b, second, worked); !more {
		t.Fatal("the key change is no more work")
	}
	requireNothingToTry(t, sub, b) // the first still runs
	sub.tried(a, first, failed)
	try(t, sub, b, 1, worked)
	if more := try(t, sub, a, 3, worked); more || len(sub.parked) > 0 {
		t.Errorf("still parked: %v", sub.parked)
	}
}

// The queue runs empty while attempts of joined groups are still out: the entities are free only with the last one.
func TestJoinEndsWithTheLast(t *testing.T) {
	t.Parallel()
	sub := newSub(t)
	a, b := fails(sub, 1, "a"), fails(sub, 2, "b")
	first, _ := sub.next(a)
	second, _ := sub.next(b)
	fails(sub, 3, "a", "b")
	sub.tried(a, first, worked)
	if holds(sub, 4, "b") == nil {
		t.Fatal("an event of b passes the one that is being tried")
	}
	sub.tried(b, second, worked)
	try(t, sub, a, 3, worked)
	if more := try(t, sub, b, 4, worked); more || len(sub.parked) > 0 {
		t.Errorf("still parked: %v", sub.parked)
	}
}

// Loaded in the order of seq or not, deliveries stand in the order of seq.
func TestParkSorts(t *testing.T) {
	t.Parallel()
	sub := newSub(t)
	var g *group
	for _, seq := range []int64{5, 1 << 40, 3, 9, 1} {
		g = fails(sub, seq, "a")
	}
	if got := queue(g); got != "1 3 5 9 1099511627776" {
		t.Errorf("the queue is %s", got)
	}
}

// Groups come to the retry lanes when they are due, the earliest first.
func TestRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRetries()
		lanes := []*lane{{wake: make(chan struct{}, 1)}, {wake: make(chan struct{}, 1)}}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = r.run(ctx, lanes) }() // it ends with ctx, and has no other error
		sub := newSub(t)
		now := time.Now()
		late, soon, at := &group{}, &group{}, &group{}
		r.push(sub, late, now.Add(2*time.Hour))
		r.push(sub, soon, now.Add(time.Minute))
		r.push(sub, at, now)
		handed := func() (groups []*group) {
			synctest.Wait()
			for _, l := range lanes {
				l.mu.Lock()
				for _, it := range l.items {
					groups = append(groups, it.group)
				}
				l.items = nil
				l.mu.Unlock()
			}
			return groups
		}
		for _, step := range []struct {
			after time.Duration
			want  []*group
		}{{0, []*group{at}}, {time.Minute - 1, nil}, {1, []*group{soon}}, {time.Hour, nil}, {time.Hour, []*group{late}}} {
			<-time.After(step.after)
			if got := handed(); !slices.Equal(got, step.want) {
				t.Errorf("%v after the start: %d groups, want %d", time.Since(now), len(got), len(step.want))
			}
		}
	})
}
