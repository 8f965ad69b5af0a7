package listener

import (
	"container/heap"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// retries wakes groups when they are due; for a webhook, none is its queue.
type retries struct {
	mu   sync.Mutex
	heap dueHeap
	wake chan struct{}
}

type dueGroup struct {
	at  time.Time
	sub *subscription
	g   *group
}

type dueHeap []dueGroup

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)        { *h = append(*h, x.(dueGroup)) }
func (h *dueHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

func newRetries() *retries { return &retries{wake: make(chan struct{}, 1)} }

func (r *retries) push(sub *subscription, g *group, at time.Time) {
	r.mu.Lock()
	heap.Push(&r.heap, dueGroup{at, sub, g})
	r.mu.Unlock()
	signal(r.wake)
}

// run hands due groups to the retry lanes. Suspects share one, so that what ends the process, attempt after attempt, does
// not use up those of others that were under way with it.
func (r *retries) run(ctx context.Context, lanes []*lane) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for n := 0; ; {
		due, wait := r.take()
		for _, d := range due { // without the lock: a queue may put off what it is given
			switch {
			case d.sub.webhook != nil:
				d.sub.webhook.retry(d.g)
			case d.sub.suspected(d.g):
				lanes[0].push([]item{{group: d.g, retry: d.sub}})
			default:
				n++
				lanes[1+n%(len(lanes)-1)].push([]item{{group: d.g, retry: d.sub}})
			}
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-r.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// take returns what is due, and how long it is until something else is. Whoever is given it may push again.
func (r *retries) take() (due []dueGroup, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.heap) > 0 {
		if wait := time.Until(r.heap[0].at); wait > 0 {
			return due, wait
		}
		due = append(due, heap.Pop(&r.heap).(dueGroup))
	}
	return due, time.Hour
}

// prepare makes the head of a group ready to be tried: its row is written, the attempt is counted, and its event is there.
func (t *term) prepare(ctx context.Context, sub *subscription, p *parked) (*delivery, error) {
	if !p.written { // a held one, whose row the settler writes
		if err := t.settler.sync(ctx); err != nil {
			return nil, err
		}
		p.written = true
	}
	q := t.fenced()
	q.Queue(`update latchkey.deliveries set status = 'running', attempt = attempt + 1, next_attempt_at = null, asked_at = null, updated_at = now()
		where subscription_id = $1 and seq = $2 and status in ('retry', 'held', 'running') returning attempt`, sub.id, p.seq).
		QueryRow(func(row pgx.Row) error { return row.Scan(&p.attempt) })
	if err := t.pool.SendBatch(ctx, q).Close(); err != nil {
		return nil, fmt.Errorf("begin attempt of delivery %d: %w", p.seq, lostOr(err))
	}
	ev := p.ev
	if ev == nil {
		var err error
		if ev, err = t.readEvent(ctx, sub, p.seq); err != nil {
			return nil, err
		}
	}
	again := *ev
	again.Attempt = p.attempt
	return &delivery{sub: sub, ev: &again, attempt: p.attempt}, nil
}
