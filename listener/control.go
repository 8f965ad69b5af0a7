package listener

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// What an operator changes (see operator.go), the owner reads again: whoever writes it raises latchkey.lease.control, and
// the owner sees that when it renews the lease, so nothing else has to ask.

// control reads again as often as it is told to.
func (t *term) control(ctx context.Context) error {
	for {
		var done chan struct{}
		select {
		case <-t.controlled:
		case done = <-t.asked:
		case <-ctx.Done():
			return nil
		}
		if err := t.readAgain(ctx); err != nil {
			return err
		}
		if done != nil {
			close(done)
		}
	}
}

// Reread has the owner look at once for what was changed from outside (hooks, runs, what an operator asked for), and returns
// when it has; without it, the owner looks within a second. Where another process owns the group, it returns at once.
func (l *Listener) Reread(ctx context.Context) error {
	t := l.term.Load()
	if t == nil {
		return nil
	}
	done := make(chan struct{})
	select {
	case t.asked <- done:
	case <-t.stopping:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-done:
	case <-t.stopping:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// readAgain takes in new runs, what was paused and resumed, and dead deliveries that are to be tried again or dropped.
func (t *term) readAgain(ctx context.Context) error {
	if err := t.readWebhooksAgain(ctx); err != nil {
		return err
	}
	stored, err := t.readSubscriptions(ctx)
	if err != nil {
		return err
	}
	for _, now := range stored {
		sub := t.subscription(now.id)
		if sub == nil {
			if err := t.takeIn(ctx, now); err != nil {
				return err
			}
			continue
		}
		switch wasPaused := sub.isPaused(); {
		case sub.gone:
		case now.status == statusPaused && !wasPaused:
			t.pause(sub)
		case now.status == statusActive && wasPaused && sub.resuming.CompareAndSwap(false, true):
			t.background("resume", func(ctx context.Context) error { return t.resume(ctx, sub) })
		}
	}
	return t.readAsked(ctx)
}

// subscription finds one by its id; nil if there is none.
func (t *term) subscription(id int64) *subscription {
	t.settler.mu.Lock()
	defer t.settler.mu.Unlock()
	if i := slices.IndexFunc(t.subscriptions, func(s *subscription) bool { return s.id == id }); i >= 0 {
		return t.subscriptions[i]
	}
	return nil
}

// takeIn begins with a subscription that is new.
func (t *term) takeIn(ctx context.Context, sub *subscription) error {
	one := []*subscription{sub}
	if err := t.loadSettled(ctx, one); err != nil {
		return err
	}
	if err := t.loadParked(ctx, one); err != nil {
		return err
	}
	t.settler.mu.Lock()
	t.subscriptions = append(t.subscriptions, sub)
	t.settler.mu.Unlock()
	if sub.status == statusActive {
		t.serve(sub)
	}
	return nil
}

// pause ends what is served to a hook. What waits in the lanes is given back; what runs ends.
func (t *term) pause(sub *subscription) {
	t.dispatch.handing.Lock()
	sub.paused.Store(true)
	if sub.live {
		t.dispatch.remove(sub)
	}
	t.dispatch.handing.Unlock()
	t.settler.mu.Lock()
	sub.status = statusPaused
	t.settler.mu.Unlock()
	if sub.webhook != nil {
		sub.webhook.retry(nil) // it gives back what it has
	}
	signal(t.settler.wake) // those who wait for a position wait for it no more
	t.log.Info("a hook is paused", "hook", sub.name, "table", sub.table, "run", sub.run)
}

// resume goes on from the cursor, once nothing of before the pause is under way: what was given back is behind it.
func (t *term) resume(ctx context.Context, sub *subscription) error {
	defer signal(t.controlled) // it may have been paused again meanwhile
	defer sub.resuming.Store(false)
	if !t.awaitDrained(ctx, sub) {
		return nil
	}
	var cursor int64
	if err := t.pool.QueryRow(ctx, `select cursor_seq from latchkey.subscriptions where id = $1`, sub.id).Scan(&cursor); err != nil {
		return fmt.Errorf("read the cursor of hook %s: %w", sub.name, err)
	}
	fresh := &subscription{id: sub.id, settled: map[int64]bool{}}
	if err := t.loadSettled(ctx, []*subscription{fresh}); err != nil {
		return err
	}
	t.settler.mu.Lock()
	sub.status, sub.cursor, sub.reached, sub.pending, sub.settled = statusActive, cursor, cursor, nil, fresh.settled
	t.settler.mu.Unlock()
	sub.unclean = false
	sub.paused.Store(false)
	t.log.Info("a hook is resumed", "hook", sub.name, "table", sub.table, "run", sub.run)
	sub.mu.Lock()
	for _, g := range sub.parked {
		t.retries.push(sub, g, time.Now())
	}
	sub.mu.Unlock()
	t.serve(sub)
	return nil
}

// awaitDrained waits until nothing of a subscription is under way; false says that the term ends first.
func (t *term) awaitDrained(ctx context.Context, sub *subscription) bool {
	for !t.settler.drained(sub) {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// readAsked takes in the deliveries that someone asked to retry or to discard.
func (t *term) readAsked(ctx context.Context) error {
	rows, err := t.pool.Query(ctx, `select d.subscription_id, d.seq, d.status, d.attempt, d.entities
		from latchkey.deliveries d join latchkey.subscriptions s on s.id = d.subscription_id
		where s.group_name = $1 and d.asked_at is not null and d.status in ('retry', 'discarded') order by d.subscription_id, d.seq`, t.cfg.Group)
	if err != nil {
		return fmt.Errorf("read what was asked for: %w", err)
	}
	type asked struct {
		id, seq  int64
		status   string
		attempt  int
		entities []string
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a asked, err error) {
		err = row.Scan(&a.id, &a.seq, &a.status, &a.attempt, &a.entities)
		return a, err
	})
	if err != nil {
		return fmt.Errorf("read what was asked for: %w", err)
	}
	for _, a := range all {
		sub := t.subscription(a.id)
		if sub == nil {
			continue // of a hook that this process doesn't have
		}
		p := &parked{seq: a.seq, attempt: a.attempt, entities: a.entities, written: true, asked: true}
		if g := sub.revive(p, a.status == "discarded"); g != nil {
			t.retries.push(sub, g, time.Now())
		}
	}
	// What is discarded asks for nothing more; what is to be retried does until its attempt begins.
	_, err = t.pool.Exec(ctx, `update latchkey.deliveries d set asked_at = null from latchkey.subscriptions s
		where s.id = d.subscription_id and s.group_name = $1 and d.asked_at is not null and d.status = 'discarded'`, t.cfg.Group)
	if err != nil {
		return fmt.Errorf("note what was discarded: %w", err)
	}
	return nil
}
