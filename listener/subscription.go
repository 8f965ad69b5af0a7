package listener

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/hooks"
)

// What a subscription is for.
const (
	kindLive     = "live"     // the hook's ordinary run: every event from its start on
	kindReplay   = "replay"   // a stretch of the log, once more
	kindBackfill = "backfill" // rows that the table had already
)

// How a subscription stands.
const (
	statusActive = "active"
	statusPaused = "paused"
	statusDone   = "done" // a replay or backfill that has come to its end
)

// subscription is a hook with its cursor: one for its ordinary run, and one for each replay or backfill.
type subscription struct {
	id      int64
	run     int64
	kind    string
	table   string        // of a webhook: webhook/<tenant>
	name    string        // of a webhook: its id
	order   int           // of the hook's registration
	after   *hooks.After  // nil for a webhook
	webhook *webhookQueue // nil for a hook in Go
	start   pglogrepl.LSN // events that committed before it are not this hook's
	until   int64         // where a replay ends, or a backfill whose table is read; 0: it doesn't
	unclean bool          // a process ended while it may have run
	paused  atomic.Bool

	resuming atomic.Bool // someone waits to resume it
	gone     bool        // its webhook was deleted; of control's goroutine

	live bool // the dispatcher serves it; with dispatcher.handing held, and to change it the settler's mu too

	// of the settler, with its mu held
	status   string
	cursor   int64 // as stored
	reached  int64 // the last seq that was dispatched to it
	swept    int64 // acks up to it are deleted
	pending  []pending
	inFlight int            // dispatched and not recorded, and who serves it beside the dispatcher
	settled  map[int64]bool // above the cursor, when it was loaded

	mu      sync.Mutex
	parked  map[string]*group // by entity
	waiting atomic.Int64      // deliveries in the groups; read without mu, which is taken before the settler's
}

// ordinary reports whether it is a hook's ordinary run, and goes on.
func (sub *subscription) ordinary() bool { return sub.kind == kindLive && sub.status == statusActive }

// passDead reports whether later events of an entity pass a dead delivery. A webhook's do: it was tried for days, and its
// receiver would otherwise hear of the entity no more until a person comes.
func (sub *subscription) passDead() bool { return sub.webhook != nil || sub.after.PassDead() }

func (sub *subscription) isPaused() bool { return sub.paused.Load() }

// loadSubscriptions reads the cursors of this process' hooks, what is settled above them, and what is set aside.
func (t *term) loadSubscriptions(ctx context.Context) error {
	subs, err := t.readSubscriptions(ctx)
	if err != nil {
		return err
	}
	t.subscriptions = subs
	if err := t.loadSettled(ctx, subs); err != nil {
		return err
	}
	return t.loadParked(ctx, subs)
}

// readSubscriptions reads those of the hooks that this process has, runs that are done and have nothing left aside.
func (t *term) readSubscriptions(ctx context.Context) ([]*subscription, error) {
	rows, err := t.pool.Query(ctx, `select id, table_name, hook, run, kind, status, start_lsn, coalesce(until_seq, 0), cursor_seq
		from latchkey.subscriptions s where group_name = $1 and (status <> 'done'
			or exists (select from latchkey.deliveries d where d.subscription_id = s.id and d.status in ('running', 'retry', 'held', 'dead')))
		order by id`, t.cfg.Group)
	if err != nil {
		return nil, fmt.Errorf("read the cursors: %w", err)
	}
	afters := t.cfg.Hooks.Afters()
	var subs []*subscription
	var s struct {
		id, run, until, cursor    int64
		table, hook, kind, status string
		start                     pglogrepl.LSN
	}
	_, err = pgx.ForEachRow(rows, []any{&s.id, &s.table, &s.hook, &s.run, &s.kind, &s.status, &s.start, &s.until, &s.cursor}, func() error {
		sub := &subscription{
			id: s.id, run: s.run, kind: s.kind, table: s.table, name: s.hook, start: s.start, until: s.until,
			status: s.status, cursor: s.cursor, reached: s.cursor, settled: map[int64]bool{}, parked: map[string]*group{},
		}
		if hook := t.webhooks[s.table+"/"+s.hook]; hook != nil {
			sub.webhook = newWebhookQueue(t, sub, hook)
		} else if i := slices.IndexFunc(afters, func(a *hooks.After) bool { return a.Table == s.table && a.Name == s.hook }); i >= 0 {
			sub.order, sub.after = i, afters[i]
		} else {
			return nil // of another program, or one that left the code
		}
		sub.paused.Store(s.status == statusPaused)
		subs = append(subs, sub)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the cursors: %w", err)
	}
	return subs, nil
}

// byID finds subscriptions by their ids.
func byID(subs []*subscription) (found map[int64]*subscription, ids []int64) {
	found, ids = map[int64]*subscription{}, []int64{}
	for _, sub := range subs {
		found[sub.id], ids = sub, append(ids, sub.id)
	}
	return found, ids
}

// loadSettled reads which deliveries above the cursors are settled or have a row.
func (t *term) loadSettled(ctx context.Context, subs []*subscription) error {
	byID, ids := byID(subs)
	rows, err := t.pool.Query(ctx, `
		select s.id, a.seq from latchkey.subscriptions s join latchkey.acks a on a.subscription_id = s.id and a.seq > s.cursor_seq where s.id = any ($1)
		union all
		select s.id, q from latchkey.subscriptions s join latchkey.ack_batches b on b.subscription_id = s.id and b.max_seq > s.cursor_seq
			cross join lateral unnest(b.seqs) as q where s.id = any ($1) and q > s.cursor_seq
		union all
		select s.id, d.seq from latchkey.subscriptions s join latchkey.deliveries d on d.subscription_id = s.id and d.seq > s.cursor_seq where s.id = any ($1)`, ids)
	if err != nil {
		return fmt.Errorf("read the acks: %w", err)
	}
	var id, seq int64
	if _, err := pgx.ForEachRow(rows, []any{&id, &seq}, func() error {
		byID[id].settled[seq] = true
		return nil
	}); err != nil {
		return fmt.Errorf("read the acks: %w", err)
	}
	return nil
}

// wants reports whether an event is still to be delivered. The caller holds the settler's mu.
func (sub *subscription) wants(ev *hooks.Event) bool {
	if ev.Seq <= sub.cursor || ev.CommitLSN < sub.start || sub.until > 0 && ev.Seq > sub.until || !sub.isFor(ev) {
		return false
	}
	if len(sub.settled) > 0 && sub.settled[ev.Seq] {
		delete(sub.settled, ev.Seq)
		return false
	}
	return true
}

// isFor reports whether an event of the hook's table is the hook's.
func (sub *subscription) isFor(ev *hooks.Event) bool {
	if sub.webhook != nil {
		return sub.webhook.isFor(ev)
	}
	return ev.Table == sub.table && sub.after.Wants(ev)
}
