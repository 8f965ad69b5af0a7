package listener

import (
	"context"
	"fmt"
	"time"

	"github.com/latchkey-dev/latchkey/hooks"
)

// Subscriptions that are behind the others read the log by themselves, beside the dispatcher and through the same lanes,
// so that nobody waits for them: a hook that was paused or is new from an earlier point, a replay, a backfill. An
// ordinary one joins the dispatcher where it meets it; a run ends where it is to end.

// near is how many events a hook may be behind the foremost and still be served with it at a start.
const near = 10_000

// catchUpShare is how much of the window those who catch up may fill: the rest is for what just happened.
const catchUpShare = windowDeliveries / 4

// attach divides the subscriptions at a term's start: those near the foremost are served together, which keeps an
// event's hooks in the order of their registration; others by themselves.
func (t *term) attach(unclean bool) (behind []*subscription) {
	if unclean {
		t.dispatch.unclean = t.newSuspects()
	}
	foremost := int64(0)
	for _, sub := range t.subscriptions {
		if sub.ordinary() {
			foremost = max(foremost, sub.cursor)
		}
	}
	for _, sub := range t.subscriptions {
		sub.unclean = unclean
		switch {
		case sub.ordinary() && sub.cursor >= foremost-near:
			t.dispatch.add(sub)
			t.dispatch.next = min(t.dispatch.next, sub.cursor+1)
		case sub.status == statusActive:
			behind = append(behind, sub)
		}
	}
	return behind
}

func (t *term) newSuspects() *suspects { return &suspects{left: windowDeliveries, to: t.nextSeq - 1} }

// catchUp serves a subscription from its cursor on, until it has met the dispatcher, has ended, or is paused.
func (t *term) catchUp(ctx context.Context, sub *subscription) error {
	targets := []*subscription{sub}
	only := func(ev *hooks.Event) []*subscription {
		if sub.wants(ev) {
			return targets
		}
		return nil
	}
	var unclean *suspects
	if sub.unclean {
		unclean = t.newSuspects()
	}
	t.settler.mu.Lock()
	next := sub.upTo(0) + 1
	t.settler.mu.Unlock()
	for {
		if err := t.awaitRoom(ctx, sub); err != nil {
			return nil
		}
		end, over := t.endOf(sub, next)
		if over {
			return nil
		}
		events, err := t.readFor(ctx, sub, next)
		if err != nil {
			return err
		}
		for len(events) > 0 && events[len(events)-1].Seq > end {
			events = events[:len(events)-1]
		}
		if len(events) == 0 && sub.kind != kindBackfill && next <= end || len(events) > 0 && events[0].Seq != next {
			return stop(nil, resetFix, "event %d is missing from the log (latchkey.event_batches), and hook %s of %s has not had it", next, sub.name, sub.table)
		}
		if len(events) == 0 {
			// A replay may end where the dispatcher has not been yet; the command of a backfill reads on.
			select {
			case <-time.After(100 * time.Millisecond):
				continue
			case <-ctx.Done():
				return nil
			}
		}
		if sub.kind != kindBackfill { // what a table has is visible
			if err := t.dispatch.awaitVisible(ctx, offered{events: events}); err != nil {
				return err
			}
		}
		next = events[len(events)-1].Seq + 1
		for len(events) > 0 {
			n := min(len(events), portion)
			if err := t.awaitRoom(ctx, sub); err != nil {
				return nil
			}
			if !t.handTo(sub, events[:n], only, unclean) {
				return nil
			}
			events = events[n:]
		}
	}
}

// portion is how many events are given at once to who catches up: a webhook's queue takes few.
const portion = 128

// awaitRoom waits until a subscription may be given some events.
func (t *term) awaitRoom(ctx context.Context, sub *subscription) error {
	if sub.webhook != nil {
		return t.waitQueue(ctx, sub)
	}
	return t.settler.waitRoom(ctx, catchUpShare)
}

// endOf is up to where a subscription may be served now. over says that it needs no one to serve it any more: it joined
// the dispatcher, is paused, or has been given all that it is to have.
func (t *term) endOf(sub *subscription, next int64) (end int64, over bool) {
	d := t.dispatch
	d.handing.Lock()
	defer d.handing.Unlock()
	if sub.isPaused() {
		return 0, true
	}
	switch sub.kind {
	case kindReplay:
		return min(sub.until, d.next-1), next > sub.until
	case kindBackfill:
		return next + readAhead, sub.until > 0 && next > sub.until
	}
	if next < d.next {
		return d.next - 1, false
	}
	d.add(sub)
	return 0, true
}

func (t *term) readFor(ctx context.Context, sub *subscription, next int64) ([]*hooks.Event, error) {
	var events []*hooks.Event
	var err error
	if sub.kind == kindBackfill {
		var until int64
		if err := t.pool.QueryRow(ctx, `select coalesce(until_seq, 0) from latchkey.subscriptions where id = $1`, sub.id).Scan(&until); err != nil {
			return nil, fmt.Errorf("read how far a backfill is: %w", err)
		}
		t.settler.mu.Lock()
		sub.until = until
		t.settler.mu.Unlock()
		events, err = t.readBackfill(ctx, sub.id, next, readAhead)
	} else {
		events, err = t.readLog(ctx, next, readAhead)
	}
	for _, ev := range events {
		ev.Run = sub.run
	}
	return events, err
}

// handTo gives events to the lanes for one subscription; false says that it was paused meanwhile.
func (t *term) handTo(sub *subscription, events []*hooks.Event, only func(*hooks.Event) []*subscription, unclean *suspects) bool {
	d, s := t.dispatch, t.settler
	d.handing.Lock()
	defer d.handing.Unlock()
	if sub.isPaused() {
		return false
	}
	if sub.webhook != nil {
		d.handWebhook(sub, events)
	} else {
		d.hand(events, only, unclean)
	}
	s.mu.Lock()
	sub.reached = events[len(events)-1].Seq
	s.mu.Unlock()
	signal(s.wake)
	return true
}
