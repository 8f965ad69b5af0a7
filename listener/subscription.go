package listener

import (
	"context"
	"fmt"
	"sync"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/hooks"
)

// subscription is a hook with its cursor.
type subscription struct {
	id    int64
	after *hooks.After
	start pglogrepl.LSN // events that committed before it are not this hook's

	settled map[int64]bool // above the cursor, when the term began

	// of the settler, which changes them with its mu held
	cursor  int64 // as stored
	swept   int64 // acks up to it are deleted
	pending []pending

	mu     sync.Mutex
	parked map[string]*group // by entity
}

// loadSubscriptions reads the cursors of this process' hooks, what is settled above them, and what is set aside.
func (t *term) loadSubscriptions(ctx context.Context) error {
	byID := map[int64]*subscription{}
	for _, after := range t.cfg.Hooks.Afters() {
		sub := &subscription{after: after, settled: map[int64]bool{}, parked: map[string]*group{}}
		err := t.pool.QueryRow(ctx, `select id, start_lsn, cursor_seq from latchkey.subscriptions where group_name = $1 and table_name = $2 and hook = $3 and run = 0`,
			t.cfg.Group, after.Table, after.Name).Scan(&sub.id, &sub.start, &sub.cursor)
		if err != nil {
			return fmt.Errorf("read the cursor of hook %s of %s: %w", after.Name, after.Table, err)
		}
		byID[sub.id] = sub
		t.subscriptions = append(t.subscriptions, sub)
	}
	rows, err := t.pool.Query(ctx, `
		select s.id, a.seq from latchkey.subscriptions s join latchkey.acks a on a.subscription_id = s.id and a.seq > s.cursor_seq where s.group_name = $1
		union all
		select s.id, q from latchkey.subscriptions s join latchkey.ack_batches b on b.subscription_id = s.id and b.max_seq > s.cursor_seq
			cross join lateral unnest(b.seqs) as q where s.group_name = $1 and q > s.cursor_seq
		union all
		select s.id, d.seq from latchkey.subscriptions s join latchkey.deliveries d on d.subscription_id = s.id and d.seq > s.cursor_seq where s.group_name = $1`, t.cfg.Group)
	if err != nil {
		return fmt.Errorf("read the acks: %w", err)
	}
	var id, seq int64
	if _, err := pgx.ForEachRow(rows, []any{&id, &seq}, func() error {
		if sub := byID[id]; sub != nil {
			sub.settled[seq] = true
		}
		return nil
	}); err != nil {
		return fmt.Errorf("read the acks: %w", err)
	}
	return t.loadParked(ctx, byID)
}

// wants reports whether an event is still to be delivered.
func (sub *subscription) wants(ev *hooks.Event) bool {
	if ev.Seq <= sub.cursor || ev.CommitLSN < sub.start || !sub.after.Wants(ev) {
		return false
	}
	if len(sub.settled) > 0 && sub.settled[ev.Seq] {
		delete(sub.settled, ev.Seq)
		return false
	}
	return true
}
