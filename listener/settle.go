package listener

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// sweepEvery is how often acks that a cursor has passed are deleted, and cursors stored that moved only because nothing
// concerned them.
const sweepEvery = time.Second

// outcome is how a delivery was settled, or set aside.
type outcome struct {
	sub      *subscription
	seq      int64
	kind     outcomeKind
	entities []string // of a held one
	size     int
	sent     *sent // of a webhook
}

type outcomeKind uint8

const (
	acked    outcomeKind = iota // done without a transaction: the ack is still to be written
	durable                     // its record is committed: an ack row, or a deliveries row
	held                        // it waits behind a failed one: its row is still to be written
	returned                    // it was not run, because the hook is paused
	posted                      // a webhook's first attempt: its row is still to be written
	retried                     // a later one: its row is still to be changed
)

// settler keeps the cursors: it takes outcomes as they come and writes them many at a time.
type settler struct {
	t *term

	mu       sync.Mutex
	arrived  []outcome
	inFlight int             // deliveries of hooks in Go
	bytes    int             // likewise
	webhooks int             // deliveries of webhooks
	reached  int64           // the last seq that was dispatched
	waiters  []chan struct{} // closed after the next write that covers what has arrived

	wake  chan struct{}
	hurry chan struct{} // someone has begun to wait
	room  chan struct{}

	flushed   time.Time // of run
	lastSweep time.Time
}

func newSettler(t *term) *settler {
	return &settler{t: t, wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// pending is a delivery that was dispatched; done once its outcome is known.
type pending struct {
	seq  int64
	done bool
}

// record takes outcomes.
func (s *settler) record(outcomes []outcome) {
	s.mu.Lock()
	s.arrived = append(s.arrived, outcomes...)
	s.mu.Unlock()
	signal(s.wake)
}

// sync waits until all that was recorded before is durable.
func (s *settler) sync(ctx context.Context) error {
	written := make(chan struct{})
	s.mu.Lock()
	s.waiters = append(s.waiters, written)
	s.mu.Unlock()
	signal(s.wake)
	signal(s.hurry)
	select {
	case <-written:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// run writes outcomes until stop is closed; what has arrived by then is left to flush. A write that has begun is ended:
// what was taken from arrived must not get lost because the term stops.
func (s *settler) run(ctx context.Context, stop <-chan struct{}) error {
	ticker := time.NewTicker(s.t.l.timing.sweep)
	defer ticker.Stop()
	for {
		select {
		case <-s.wake:
		case <-ticker.C:
		case <-stop:
			return nil
		}
		if !s.gather(stop) {
			return nil
		}
		if err := s.flush(ctx); err != nil {
			return err
		}
		s.flushed = time.Now()
	}
}

// gatherFor is the least time between two writes: each waits for the disk, and so does ingest, which then waits for both.
const gatherFor = 5 * time.Millisecond

// gather lets outcomes come together unless someone waits for them. It reports false when stop is closed.
func (s *settler) gather(stop <-chan struct{}) bool {
	wait := gatherFor - time.Since(s.flushed)
	if wait <= 0 || s.urgent() {
		return true
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.hurry:
	case <-stop:
		return false
	}
	return true
}

// urgent reports whether someone waits: a caller of WaitFor or sync, or the dispatcher for room.
func (s *settler) urgent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiters) > 0 || s.inFlight > windowDeliveries/2 || s.bytes > windowBytes/2 || s.t.l.progress.waitedFor()
}

// sweeping is what a sweep looks at: every subscription, and the runs that have come to their end.
type sweeping struct{ all, ended []*subscription }

// move is what one write does for a subscription.
type move struct {
	sub    *subscription
	cursor int64   // where it stands afterwards
	acks   []int64 // done, above the cursor, without a row yet
	top    int64
}

// flush writes all that has arrived, in one transaction with the fence, and then lets the dispatcher go on.
func (s *settler) flush(ctx context.Context) error {
	s.mu.Lock()
	arrived, waiters := s.arrived, s.waiters
	s.arrived, s.waiters = nil, nil
	sweep := time.Since(s.lastSweep) >= s.t.l.timing.sweep
	moves := s.settle(arrived, sweep)
	var swept sweeping
	if sweep {
		swept.all = slices.Clone(s.t.subscriptions)
		for _, sub := range swept.all {
			if sub.ends() {
				swept.ended = append(swept.ended, sub)
			}
		}
	}
	s.mu.Unlock()

	if err := s.write(ctx, arrived, moves, swept); err != nil {
		return err
	}
	s.mu.Lock()
	for _, m := range moves {
		m.sub.cursor = max(m.sub.cursor, m.cursor)
	}
	if sweep {
		s.lastSweep = time.Now()
	}
	s.release(arrived)
	settled, sent := s.settled()
	s.mu.Unlock()
	signal(s.room)
	s.t.l.progress.settle(settled, sent)
	for _, w := range waiters {
		close(w)
	}
	return nil
}

// settle marks what has arrived and says what to write. The caller holds mu.
func (s *settler) settle(arrived []outcome, all bool) []move {
	touched := map[*subscription]*move{}
	for _, o := range arrived {
		if o.kind == retried { // it was settled by its first attempt's row
			continue
		}
		p := o.sub.pending
		i := sort.Search(len(p), func(i int) bool { return p[i].seq >= o.seq })
		p[i].done = o.kind != returned
		m := touched[o.sub]
		if m == nil {
			m = &move{sub: o.sub}
			touched[o.sub] = m
		}
		if o.kind == acked {
			m.acks = append(m.acks, o.seq)
		}
	}
	var moves []move
	for _, sub := range s.t.subscriptions {
		m := touched[sub]
		if m == nil && !all {
			continue
		}
		if m == nil {
			m = &move{sub: sub}
		}
		m.cursor = sub.advance(s.reached)
		above := m.acks[:0]
		for _, seq := range m.acks {
			if seq > m.cursor {
				above = append(above, seq)
				m.top = max(m.top, seq)
			}
		}
		m.acks = above
		if m.cursor > sub.cursor || len(m.acks) > 0 {
			moves = append(moves, *m)
		}
	}
	return moves
}

// advance drops the settled beginning and returns the cursor: all up to it is settled. dispatched is how far the dispatcher is.
func (sub *subscription) advance(dispatched int64) int64 {
	n := 0
	for n < len(sub.pending) && sub.pending[n].done {
		n++
	}
	sub.pending = sub.pending[n:]
	if len(sub.pending) > 0 {
		return sub.pending[0].seq - 1
	}
	return max(sub.upTo(dispatched), sub.cursor)
}

// upTo is the last event that was dispatched to the subscription.
func (sub *subscription) upTo(dispatched int64) int64 {
	if sub.live {
		return max(sub.reached, dispatched)
	}
	return sub.reached
}

// ends reports whether a run has come to its end. The caller holds the settler's mu.
func (sub *subscription) ends() bool {
	return sub.kind != kindLive && sub.status == statusActive && sub.until > 0 && sub.cursor >= sub.until
}

// settled is the lowest cursor of the ordinary runs, in memory, of hooks in Go and of webhooks; those that are paused don't
// count. The caller holds mu.
func (s *settler) settled() (inGo, webhooks int64) {
	inGo, webhooks = s.reached, s.reached
	for _, sub := range s.t.subscriptions {
		if !sub.ordinary() {
			continue
		}
		cursor := sub.upTo(s.reached)
		if len(sub.pending) > 0 {
			cursor = sub.pending[0].seq - 1
		}
		if sub.webhook != nil {
			webhooks = min(webhooks, cursor)
		} else {
			inGo = min(inGo, cursor)
		}
	}
	return inGo, webhooks
}

func (s *settler) write(ctx context.Context, arrived []outcome, moves []move, sweep sweeping) error {
	q := s.t.fenced()
	empty := q.Len()
	queueHeld(q, arrived)
	queueSent(q, arrived)
	ids, cursors := make([]int64, 0, len(moves)), make([]int64, 0, len(moves))
	for _, m := range moves {
		if len(m.acks) > 0 {
			q.Queue(`insert into latchkey.ack_batches (subscription_id, max_seq, seqs) values ($1, $2, $3)`, m.sub.id, m.top, m.acks)
		}
		if m.cursor > m.sub.cursor {
			ids, cursors = append(ids, m.sub.id), append(cursors, m.cursor)
		}
	}
	if len(ids) > 0 {
		q.Queue(`update latchkey.subscriptions s set cursor_seq = m.cursor from unnest($1::bigint[], $2::bigint[]) as m (id, cursor) where s.id = m.id`, ids, cursors)
	}
	for _, sub := range sweep.all {
		if sub.swept < sub.cursor {
			q.Queue(`delete from latchkey.acks where subscription_id = $1 and seq <= $2`, sub.id, sub.cursor)
			q.Queue(`delete from latchkey.ack_batches where subscription_id = $1 and max_seq <= $2`, sub.id, sub.cursor)
		}
	}
	for _, sub := range sweep.ended {
		q.Queue(`update latchkey.subscriptions set status = 'done', finished_at = now() where id = $1 and status = 'active'`, sub.id)
	}
	if q.Len() == empty {
		return nil
	}
	s.t.step(stepSettle)
	if err := s.t.pool.SendBatch(ctx, q).Close(); err != nil {
		return fmt.Errorf("store acks: %w", lostOr(err))
	}
	s.t.step(stepSettled)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range sweep.all {
		sub.swept = sub.cursor
	}
	for _, sub := range sweep.ended {
		sub.status = statusDone
	}
	return nil
}

func queueHeld(q *pgx.Batch, arrived []outcome) {
	for _, o := range arrived {
		if o.kind == held {
			q.Queue(`insert into latchkey.deliveries (subscription_id, seq, entities, status) values ($1, $2, $3, 'held') on conflict do nothing`, o.sub.id, o.seq, o.entities)
		}
	}
}
