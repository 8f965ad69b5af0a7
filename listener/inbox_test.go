package listener

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/jackc/pglogrepl"

	"github.com/latchkey-dev/latchkey/hooks"
)

// events makes n events from an ordinal on.
func events(from int64, n int) []*hooks.Event {
	list := make([]*hooks.Event, n)
	for i := range list {
		list[i] = &hooks.Event{Ordinal: from + int64(i)}
	}
	return list
}

func mustPut(t *testing.T, in *inbox, c chunk) {
	t.Helper()
	if err := in.put(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

func mustTake(t *testing.T, in *inbox) batch {
	t.Helper()
	b, err := in.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What arrived since the last batch is one batch, in order, and its position is that after all of it.
func TestInboxBatches(t *testing.T) {
	t.Parallel()
	in := newInbox(position{done: 0x50})
	mustPut(t, in, chunk{events: events(1, 2), commitLSN: 0x100, ordinal: 2, endLSN: 0x110, size: 7})
	mustPut(t, in, chunk{events: events(1, 3), commitLSN: 0x110, ordinal: 3, size: 5, spool: []spooled{{ordinal: 2}, {ordinal: 3}}})
	b := mustTake(t, in)
	if b.at != (position{done: 0x110, partial: 0x110, partialAt: 3}) || b.size != 12 || len(b.unspool) != 0 {
		t.Errorf("the batch is at %+v, of %d bytes, unspools %v", b.at, b.size, b.unspool)
	}
	var ordinals []int64
	for _, ev := range b.events {
		ordinals = append(ordinals, ev.Ordinal)
	}
	if !slices.Equal(ordinals, []int64{1, 2, 1, 2, 3}) {
		t.Errorf("the events are %v", ordinals)
	}
	if len(b.spool) != 2 || b.spool[0].commitLSN != 0x110 || b.spool[1].ordinal != 3 {
		t.Errorf("the spool is %+v", b.spool)
	}

	// The rest of the big transaction: done moves, nothing is partial, its spool is used up.
	mustPut(t, in, chunk{events: events(4, 1), commitLSN: 0x110, ordinal: 4, endLSN: 0x200, unspool: true})
	b = mustTake(t, in)
	if b.at != (position{done: 0x200}) || !slices.Equal(b.unspool, []pglogrepl.LSN{0x110}) || len(b.events) != 1 {
		t.Errorf("the rest is at %+v, unspools %v, has %d events", b.at, b.unspool, len(b.events))
	}
}

// A chunk of a big transaction must not move done: what is skipped and acknowledged looks at done alone.
func TestInboxPartialKeepsDone(t *testing.T) {
	t.Parallel()
	in := newInbox(position{done: 0x50})
	mustPut(t, in, chunk{events: events(1, 1), commitLSN: 0x100, ordinal: 1})
	if b := mustTake(t, in); b.at != (position{done: 0x50, partial: 0x100, partialAt: 1}) {
		t.Errorf("the batch is at %+v", b.at)
	}
}

func TestInboxWaitsForSomething(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		in := newInbox(position{})
		taken := make(chan batch, 1)
		go func() {
			b, err := in.take(t.Context())
			if err == nil {
				taken <- b
			}
		}()
		synctest.Wait()
		if len(taken) > 0 {
			t.Fatal("an empty inbox gives a batch")
		}
		mustPut(t, in, chunk{commitLSN: 1, endLSN: 2})
		synctest.Wait()
		if len(taken) == 0 {
			t.Fatal("a transaction without events is no batch")
		}
	})
}

// While too much waits, the reader waits; and no more than one chunk is above the limit.
func TestInboxBackpressure(t *testing.T) {
	t.Parallel()
	for name, full := range map[string]chunk{
		"events": {events: events(1, inboxEvents), commitLSN: 1, endLSN: 2},
		"bytes":  {events: events(1, 1), size: inboxBytes, commitLSN: 1, endLSN: 2},
		"spool":  {spool: []spooled{{}}, size: inboxBytes, commitLSN: 1, ordinal: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				in := newInbox(position{})
				mustPut(t, in, chunk{events: events(1, inboxEvents-1), size: inboxBytes - 1, commitLSN: 1, endLSN: 2})
				mustPut(t, in, full) // one below the limit still fits
				put := make(chan error, 1)
				go func() { put <- in.put(t.Context(), chunk{events: events(9, 1), commitLSN: 3, endLSN: 4}) }()
				synctest.Wait()
				if len(put) > 0 {
					t.Fatal("a full inbox takes more")
				}
				if b := mustTake(t, in); b.at.done == 4 {
					t.Fatal("the chunk that waits is in the batch")
				}
				synctest.Wait()
				if len(put) == 0 || <-put != nil {
					t.Fatal("after a batch was taken there is no room")
				}
				if b := mustTake(t, in); len(b.events) != 1 || b.at.done != 4 {
					t.Errorf("the next batch has %d events, at %+v", len(b.events), b.at)
				}
			})
		})
	}
}

func TestInboxIdle(t *testing.T) {
	t.Parallel()
	in := newInbox(position{done: 0x100})
	in.idle(0x200)
	b := mustTake(t, in)
	if b.at != (position{done: 0x200}) || len(b.events) > 0 {
		t.Errorf("the idle position is %+v", b.at)
	}
	// What the server said before must not take back what was committed since.
	mustPut(t, in, chunk{events: events(1, 1), commitLSN: 0x300, endLSN: 0x310})
	in.idle(0x310)
	in.idle(0x250)
	if b := mustTake(t, in); b.at != (position{done: 0x310}) {
		t.Errorf("the position went back to %+v", b.at)
	}
	in.idle(0x310)
	if in.batch.moved {
		t.Error("an idle position that is known already is something to store")
	}
}

// drained is over when what was put before is stored, not only taken.
func TestInboxDrained(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		in := newInbox(position{})
		mustPut(t, in, chunk{events: events(1, 1), commitLSN: 1, ordinal: 1})
		drained := make(chan error, 2)
		for range 2 {
			go func() { drained <- in.drained(t.Context()) }()
		}
		synctest.Wait()
		b := mustTake(t, in)
		synctest.Wait()
		if len(drained) > 0 {
			t.Fatal("it is drained, and nothing is stored")
		}
		close(b.stored)
		synctest.Wait()
		if len(drained) != 2 || <-drained != nil || <-drained != nil {
			t.Fatal("stored, and not drained")
		}

		// With nothing in it, or with all of it in a batch that is being stored, the next batch says when.
		mustPut(t, in, chunk{events: events(2, 1), commitLSN: 1, ordinal: 2})
		first := mustTake(t, in)
		go func() { drained <- in.drained(t.Context()) }()
		synctest.Wait()
		second := mustTake(t, in)
		if first.stored != nil || second.stored == nil || len(second.events) > 0 || second.at != first.at {
			t.Fatalf("the batch behind is %+v", second)
		}
		close(second.stored)
		synctest.Wait()
		if len(drained) != 1 {
			t.Fatal("stored, and not drained")
		}
	})
}

func TestInboxEndsWithItsContext(t *testing.T) {
	t.Parallel()
	why := errors.New("the term ends")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	in := newInbox(position{})
	if _, err := in.take(ctx); !errors.Is(err, why) {
		t.Errorf("take: %v", err)
	}
	if err := in.drained(ctx); !errors.Is(err, why) {
		t.Errorf("drained: %v", err)
	}
	mustPut(t, in, chunk{size: inboxBytes, commitLSN: 1, endLSN: 2})
	if err := in.put(ctx, chunk{commitLSN: 3, endLSN: 4}); !errors.Is(err, why) {
		t.Errorf("put: %v", err)
	}
}
