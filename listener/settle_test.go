package listener

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pglogrepl"
	"pgregory.net/rapid"

	"github.com/latchkey-dev/latchkey/hooks"
)

// newBooks is a settler whose writes the test does itself.
func newBooks(subs ...*subscription) *settler {
	for _, sub := range subs {
		sub.kind, sub.status = kindLive, statusActive
	}
	return newSettler(&term{subscriptions: subs, l: &Listener{progress: newProgress(), timing: defaultTiming()}})
}

// reach says that all is dispatched up to seq.
func reach(s *settler, seq int64) {
	s.reached = seq
	for _, sub := range s.t.subscriptions {
		sub.reached = seq
	}
}

// wrote does what a successful write does to the cursors.
func wrote(moves []move) {
	for _, m := range moves {
		m.sub.cursor = max(m.sub.cursor, m.cursor)
	}
}

func expectAll(s *settler, sub *subscription, seqs ...int64) {
	for _, seq := range seqs {
		s.expect(sub, seq, 10)
		reach(s, max(s.reached, seq))
	}
}

func done(sub *subscription, kind outcomeKind, seqs ...int64) []outcome {
	out := make([]outcome, len(seqs))
	for i, seq := range seqs {
		out[i] = outcome{sub: sub, seq: seq, kind: kind, size: 10}
	}
	return out
}

func TestSettle(t *testing.T) {
	t.Parallel()
	sub := &subscription{id: 1, cursor: 4}
	s := newBooks(sub)
	reach(s, 4)
	expectAll(s, sub, 5, 7, 8, 10)
	reach(s, 12) // 11 and 12 are not this hook's, nor are 6 and 9
	for _, step := range []struct {
		name    string
		arrived []outcome
		cursor  int64
		acks    []int64
		none    bool
	}{
		{name: "one in the middle: an ack", arrived: done(sub, acked, 8), cursor: 4, acks: []int64{8}},
		{name: "one with a record of its own: nothing to write", arrived: done(sub, durable, 10), none: true},
		{name: "the first: the cursor stops before the next, past what is not this hook's", arrived: done(sub, acked, 5), cursor: 6},
		{name: "the last open one: past all, no ack for what the cursor covers", arrived: done(sub, acked, 7), cursor: 12},
	} {
		moves := s.settle(step.arrived, false)
		if step.none != (len(moves) == 0) {
			t.Fatalf("%s: %d moves", step.name, len(moves))
		}
		if !step.none && (moves[0].cursor != step.cursor || !slices.Equal(moves[0].acks, step.acks)) {
			t.Fatalf("%s: cursor %d, acks %v; want %d, %v", step.name, moves[0].cursor, moves[0].acks, step.cursor, step.acks)
		}
		if len(step.acks) > 0 && moves[0].top != slices.Max(step.acks) {
			t.Fatalf("%s: the batch's highest seq is %d", step.name, moves[0].top)
		}
		wrote(moves)
	}
}

// What fails is settled too: its row holds it back, not the cursor.
func TestSettleHeldAndFailed(t *testing.T) {
	t.Parallel()
	sub := &subscription{id: 1}
	s := newBooks(sub)
	expectAll(s, sub, 1, 2, 3)
	moves := s.settle(append(done(sub, durable, 1), done(sub, held, 2)...), false)
	if len(moves) != 1 || moves[0].cursor != 2 || len(moves[0].acks) > 0 {
		t.Errorf("moves %+v, want the cursor at 2 without acks", moves)
	}
}

// A hook that is resumed begins anew only when nothing of before is under way: neither a delivery nor who serves it beside
// the dispatcher, or two would hand it the same events.
func TestDrained(t *testing.T) {
	t.Parallel()
	sub := &subscription{id: 1}
	s := newBooks(sub)
	s.serving(sub)
	expectAll(s, sub, 1)
	for _, step := range []struct {
		name    string
		end     func()
		drained bool
	}{
		{"a delivery and who serves it", func() {}, false},
		{"who serves it", func() { sub.inFlight-- }, false}, // as a write does
		{"nothing", func() { s.served(sub) }, true},
	} {
		if step.end(); s.drained(sub) != step.drained {
			t.Errorf("with %s under way, drained is %t", step.name, !step.drained)
		}
	}
}

// Cursors of hooks that nothing concerned are written by a sweep only.
func TestSettleSweep(t *testing.T) {
	t.Parallel()
	busy, idle := &subscription{id: 1}, &subscription{id: 2}
	s := newBooks(busy, idle)
	expectAll(s, busy, 3)
	if moves := s.settle(done(busy, acked, 3), false); len(moves) != 1 || moves[0].sub != busy || moves[0].cursor != 3 {
		t.Errorf("moves %+v, want one of the busy hook", moves)
	}
	moves := s.settle(nil, true)
	if !slices.ContainsFunc(moves, func(m move) bool { return m.sub == idle && m.cursor == 3 }) {
		t.Errorf("moves %+v, want the idle hook's at 3", moves)
	}
}

// Deliveries settle in any order, in batches of any size, while others are dispatched. At each write, whatever the
// order: the cursor is the largest settled prefix and never goes back, and cursor, acks and rows together name exactly
// what is settled.
func TestSettleAnyOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		start := rapid.Int64Range(0, 5).Draw(t, "start")
		subs := []*subscription{{id: 1, cursor: start}, {id: 2, cursor: start}, {id: 3, cursor: start}}
		s := newBooks(subs...)
		reach(s, start)
		type book struct{ expected, settled, acks, rows map[int64]bool }
		books := map[*subscription]book{}
		for _, sub := range subs {
			books[sub] = book{map[int64]bool{}, map[int64]bool{}, map[int64]bool{}, map[int64]bool{}}
		}
		var running []outcome
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			for range rapid.IntRange(0, 4).Draw(t, "events") {
				reach(s, s.reached+1)
				for _, sub := range subs {
					if rapid.Bool().Draw(t, "wanted") {
						s.expect(sub, s.reached, 1)
						books[sub].expected[s.reached] = true
						running = append(running, outcome{sub: sub, seq: s.reached, size: 1})
					}
				}
			}
			var arrived []outcome
			for range rapid.IntRange(0, len(running)).Draw(t, "outcomes") {
				i := rapid.IntRange(0, len(running)-1).Draw(t, "which")
				o := running[i]
				running = slices.Delete(running, i, i+1)
				o.kind = rapid.SampledFrom([]outcomeKind{acked, durable, held}).Draw(t, "kind")
				books[o.sub].settled[o.seq] = true
				if o.kind != acked {
					books[o.sub].rows[o.seq] = true
				}
				arrived = append(arrived, o)
			}
			sweep := rapid.Bool().Draw(t, "sweep")
			for _, m := range s.settle(arrived, sweep) {
				if m.cursor < m.sub.cursor {
					t.Fatalf("the cursor of %d goes back from %d to %d", m.sub.id, m.sub.cursor, m.cursor)
				}
				m.sub.cursor = m.cursor
				for _, seq := range m.acks {
					if seq <= m.cursor || seq > m.top || books[m.sub].acks[seq] {
						t.Fatalf("ack %d of %d at cursor %d, top %d: below the cursor, above the top or a second time", seq, m.sub.id, m.cursor, m.top)
					}
					books[m.sub].acks[seq] = true
				}
			}
			lowest := s.reached
			for _, sub := range subs {
				b := books[sub]
				prefix := s.reached
				for seq := range b.expected {
					if !b.settled[seq] {
						prefix = min(prefix, seq-1)
					}
				}
				touched := sweep || slices.ContainsFunc(arrived, func(o outcome) bool { return o.sub == sub })
				if sub.cursor > prefix || touched && sub.cursor != prefix {
					t.Fatalf("the cursor of %d is at %d, and the settled prefix ends at %d", sub.id, sub.cursor, prefix)
				}
				for seq := range b.expected {
					if named := seq <= sub.cursor || b.acks[seq] || b.rows[seq]; named != b.settled[seq] {
						t.Fatalf("delivery %d of %d: settled is %t, on record %t (cursor %d)", seq, sub.id, b.settled[seq], named, sub.cursor)
					}
				}
				lowest = min(lowest, prefix)
			}
			if got, _ := s.settled(); got != lowest {
				t.Fatalf("all hooks are settled up to %d, want %d", got, lowest)
			}
		}
	})
}

// A write gives room back, tells those who wait for it, and moves what WaitFor waits on.
func TestSettlerFlush(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sub := &subscription{id: 1}
		s := newBooks(sub)
		s.lastSweep = time.Now() // none is due: there is no Postgres here
		expectAll(s, sub, 1, 2)
		s.inFlight += windowDeliveries - 2
		roomy := make(chan error, 1)
		go func() { roomy <- s.waitRoom(t.Context(), windowDeliveries) }()
		synctest.Wait()
		if len(roomy) > 0 {
			t.Fatal("there is room in a full window")
		}
		s.record(done(sub, durable, 2)) // the first is open: nothing to write
		synced := make(chan error, 1)
		go func() { synced <- s.sync(t.Context()) }()
		synctest.Wait()
		if len(synced) > 0 {
			t.Fatal("sync returns before a write")
		}
		if err := s.flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(roomy) != 1 || len(synced) != 1 || <-roomy != nil || <-synced != nil {
			t.Fatal("a write does not wake those who wait for it")
		}
		if s.inFlight != windowDeliveries-1 || s.bytes != 10 {
			t.Errorf("%d deliveries of %d bytes are in flight", s.inFlight, s.bytes)
		}
		if got := s.t.l.progress.settled; got != 0 {
			t.Errorf("settled up to %d, and the first delivery is open", got)
		}
	})
}

func TestWaitRoomByBytes(t *testing.T) {
	t.Parallel()
	s := newBooks()
	s.expect(&subscription{}, 1, windowBytes-1)
	if err := s.waitRoom(t.Context(), windowDeliveries); err != nil {
		t.Fatal(err)
	}
	s.expect(&subscription{}, 1, 1)
	why := errors.New("the term ends")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if err := s.waitRoom(ctx, windowDeliveries); !errors.Is(err, why) {
		t.Errorf("a window full of bytes has room: %v", err)
	}
	if err := s.sync(ctx); !errors.Is(err, why) {
		t.Errorf("sync: %v", err)
	}
}

func TestWants(t *testing.T) {
	t.Parallel()
	sub := &subscription{after: afterHook(t), cursor: 10, start: 0x100, settled: map[int64]bool{12: true}}
	for _, c := range []struct {
		seq  int64
		op   hooks.Operation
		lsn  pglogrepl.LSN
		want bool
		why  string
	}{
		{10, hooks.Insert, math.MaxUint32, false, "at the cursor"},
		{11, hooks.Insert, 0x100, true, "above it, from where the hook starts"},
		{12, hooks.Insert, 0x100, false, "settled before the term began"},
		{13, hooks.Insert, 0xff, false, "committed before the hook was"},
		{14, hooks.Delete, 0x100, false, "an operation that it has no function for"},
		{15, hooks.Insert, 0x200, true, "the next"},
	} {
		if got := sub.wants(&hooks.Event{Seq: c.seq, Operation: c.op, CommitLSN: c.lsn}); got != c.want {
			t.Errorf("%d (%s): wanted is %t", c.seq, c.why, got)
		}
	}
	if len(sub.settled) > 0 {
		t.Errorf("what was asked for stays in memory: %v", sub.settled)
	}
}
