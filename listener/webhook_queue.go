package listener

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/listener/webhook"
	"github.com/latchkey-dev/latchkey/listener/webhook/sender"
)

// How many messages are under way. A webhook whose receiver is slow or down fills its own queue and nobody else's: what does
// not fit stays in the log, and the webhook catches up from there (catchup.go).
const (
	queueMost   = 512    // messages of one webhook in memory
	queuesMost  = 16_384 // of all; beyond it, each has no more than queueLeast
	queueLeast  = 16
	asideMost   = 10_000 // deliveries of one webhook that wait for another attempt; then it is given no more new ones
	requestMost = 64     // requests of one webhook at once
	requestsAll = 1024   // of all: the nearer, the fewer each may have, down to one

	// askAgain is how long a queue waits at most until it asks the endpoint again: another hook's probe may have been answered.
	askAgain = 5 * time.Second
)

// message is an event for a webhook.
type message struct {
	ev       *hooks.Event
	bodies   *webhook.Bodies // shared by the event's webhooks
	entities []string
	behind   int // in how many of its entities' queues another is before it
}

// webhookQueue has what is to be sent to one webhook: the messages of an entity one after the other, those of different
// entities at once. Where a lane belongs to entities, and runs hooks of all kinds, a queue belongs to one webhook: a receiver that
// hangs keeps nobody waiting but itself.
type webhookQueue struct {
	t      *term
	sub    *subscription
	hook   atomic.Pointer[sender.Hook] // as it is now
	room   chan struct{}               // signals that some of its deliveries are recorded
	listed []tenantTable               // where the dispatcher has it; with dispatcher.handing held

	mu       sync.Mutex
	entities map[string][]*message // the first of each is next, or under way
	ready    []*message            // those that are the first of all their entities
	due      []*group              // failed deliveries whose time has come
	turn     bool                  // where there are both: it is due's
	running  int
	until    time.Time // before it no request may go, and a wake-up is arranged
	shut     int64     // no request goes until the hooks are read for more than so many times; 0: none is kept back
	closing  bool      // the hook is about to be disabled
}

func newWebhookQueue(t *term, sub *subscription, hook *sender.Hook) *webhookQueue {
	q := &webhookQueue{t: t, sub: sub, room: make(chan struct{}, 1), entities: map[string][]*message{}}
	q.hook.Store(hook)
	if hook.Status != sender.StatusActive {
		q.shut = never
	}
	return q
}

// never is for what is shut until its hook is active again.
const never = math.MaxInt64

// isFor reports whether the webhook wants an event.
func (q *webhookQueue) isFor(ev *hooks.Event) bool {
	hook := q.hook.Load()
	return ev.TenantID == hook.TenantID && !q.tooEarly(hook, ev) && hook.Wants(ev)
}

// tooEarly reports whether an event committed before the hook was made or last switched on. Whoever replays it means it.
func (q *webhookQueue) tooEarly(hook *sender.Hook, ev *hooks.Event) bool {
	return q.sub.kind == kindLive && ev.CommitLSN < hook.Start
}

// tables are those whose events it may want.
func (q *webhookQueue) tables(all []string) (at []tenantTable) {
	hook := q.hook.Load()
	for _, table := range hook.Trigger.Tables(all) {
		at = append(at, tenantTable{hook.TenantID, table})
	}
	return at
}

// post takes messages, in the order of seq.
func (q *webhookQueue) post(messages ...*message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range messages {
		m.entities = entities(m.ev)
		for _, e := range m.entities {
			if q.entities[e] = append(q.entities[e], m); len(q.entities[e]) > 1 {
				m.behind++
			}
		}
		if m.behind == 0 {
			q.ready = append(q.ready, m)
		}
	}
	q.next()
}

// retry takes a group whose next delivery is due; nil only wakes the queue.
func (q *webhookQueue) retry(g *group) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if g != nil {
		q.due = append(q.due, g)
	} else {
		q.until = time.Time{}
	}
	q.next()
}

// change takes the hook as the reading-th reading of the hooks found it.
func (q *webhookQueue) change(hook *sender.Hook, reading int64) {
	q.hook.Store(hook)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.until = time.Time{}
	switch {
	case hook.Status != sender.StatusActive:
		q.shut = never
	case reading > q.shut || q.shut == never && !q.closing:
		q.shut = 0
	}
	q.next()
}

// close sends no more until the hook is found active by a reading that began after disable was done: one that began before may
// have found it so still.
func (q *webhookQueue) close(disable func() error) error {
	q.mu.Lock()
	q.shut, q.closing = never, true
	q.mu.Unlock()
	err := disable()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.shut, q.closing = q.t.readings.Load(), false
	q.t.rereadWebhooks.Store(true) // a reading that was under way may have taken the last change in, and wasn't heard
	signal(q.t.controlled)
	return err
}

// next begins as many requests as may go now. The caller holds mu.
func (q *webhookQueue) next() {
	for (q.shut == 0 || q.sub.isPaused()) && !q.t.isStopping() {
		hook := q.hook.Load()
		m := q.nextMessage(hook)
		if m == nil && (len(q.due) == 0 || q.sub.isPaused()) {
			return
		}
		if q.running >= q.t.requestShare() || time.Now().Before(q.until) {
			return
		}
		pass, wait := q.t.l.endpoints.Enter(hook.TenantID, hook.URL, hook.Limit)
		if wait > 0 {
			q.until = time.Now().Add(min(wait, askAgain))
			q.t.retries.push(q.sub, nil, q.until)
			return
		}
		if len(q.due) > 0 && (m == nil || q.turn) {
			g := q.due[0]
			q.due = q.due[1:]
			q.turn = false
			if p, wait := q.sub.next(g); p != nil {
				q.begin(func(ctx, sendCtx context.Context) error { return q.sendAgain(ctx, sendCtx, g, p, pass) })
			} else {
				pass.Cancel()
				if !wait.IsZero() {
					q.t.retries.push(q.sub, g, wait)
				}
			}
			continue
		}
		q.ready = q.ready[1:]
		q.turn = true
		q.begin(func(ctx, sendCtx context.Context) error { return q.send(ctx, sendCtx, m, pass) })
	}
}

// nextMessage is the first of those that are ready and to be sent. What isn't to be sent is settled on the way: back to the log
// while the hook is paused, passed over while it is switched off, held behind a failed one of its entity. The caller holds mu.
func (q *webhookQueue) nextMessage(hook *sender.Hook) *message {
	for len(q.ready) > 0 {
		m := q.ready[0]
		o := outcome{sub: q.sub, seq: m.ev.Seq}
		switch {
		case q.sub.isPaused():
			o.kind = returned
		case !hook.Enabled:
			o.kind = durable
		case q.sub.hold(m.ev, func(all []string) { o.kind, o.entities = held, all; q.t.settler.record([]outcome{o}) }):
			q.ready = q.ready[1:]
			q.drop(m)
			continue
		default:
			return m
		}
		q.ready = q.ready[1:]
		q.t.settler.record([]outcome{o})
		q.drop(m)
	}
	return nil
}

// drop takes a message out of its entities' queues, and lets those that come first now go. The caller holds mu.
func (q *webhookQueue) drop(m *message) {
	for _, e := range m.entities {
		rest := q.entities[e][1:]
		if len(rest) == 0 {
			delete(q.entities, e)
			continue
		}
		q.entities[e] = rest
		if rest[0].behind--; rest[0].behind == 0 {
			q.ready = append(q.ready, rest[0])
		}
	}
}

// begin runs a request. The caller holds mu.
func (q *webhookQueue) begin(request func(ctx, sendCtx context.Context) error) {
	q.running++
	q.t.requests.Add(1)
	q.t.goRequest(func(ctx, sendCtx context.Context) error {
		err := request(ctx, sendCtx)
		q.t.requests.Add(-1)
		q.mu.Lock()
		defer q.mu.Unlock()
		q.running--
		if q.until = (time.Time{}); err == nil { // it may have closed the breaker
			q.next()
		}
		return err
	})
}

// requestShare is how many requests one webhook may have at once.
func (t *term) requestShare() int {
	return max(1, min(requestMost, (requestsAll-int(t.requests.Load()))/8))
}

// handWebhooks notes each delivery to a webhook with the settler and gives it to the webhook's queue. One whose queue is full is
// taken from the dispatcher, and catches up from the log. The caller holds handing.
func (d *dispatcher) handWebhooks(events []*hooks.Event) {
	if len(d.webhooks) == 0 {
		return
	}
	var behind []*subscription
	posts := map[*webhookQueue][]*message{}
	s := d.t.settler
	s.mu.Lock()
	for _, ev := range events {
		var bodies *webhook.Bodies
		for _, sub := range d.webhooks[tenantTable{ev.TenantID, ev.Table}] {
			switch {
			case !sub.wants(ev):
			case !s.hasRoom(sub, queueMost) || sub.aside() >= asideMost:
				d.detach(sub, ev.Seq-1)
				behind = append(behind, sub)
			default:
				if bodies == nil {
					bodies = webhook.NewBodies(ev)
				}
				s.expect(sub, ev.Seq, 0)
				posts[sub.webhook] = append(posts[sub.webhook], &message{ev: ev, bodies: bodies})
			}
		}
	}
	s.mu.Unlock()
	for q, messages := range posts {
		q.post(messages...)
	}
	for _, sub := range behind {
		d.t.serve(sub)
	}
}

// handWebhook gives events to one webhook that catches up. The caller holds handing.
func (d *dispatcher) handWebhook(sub *subscription, events []*hooks.Event) {
	var messages []*message
	s := d.t.settler
	s.mu.Lock()
	for _, ev := range events {
		if sub.wants(ev) {
			s.expect(sub, ev.Seq, 0)
			messages = append(messages, &message{ev: ev, bodies: webhook.NewBodies(ev)})
		}
	}
	s.mu.Unlock()
	sub.webhook.post(messages...)
}

// waitQueue waits until a webhook's queue has room for a portion of events.
func (t *term) waitQueue(ctx context.Context, sub *subscription) error {
	for !sub.isPaused() {
		t.settler.mu.Lock()
		room := t.settler.hasRoom(sub, queueMost/2)
		t.settler.mu.Unlock()
		if room && sub.aside() < asideMost {
			return nil
		}
		select {
		case <-sub.webhook.room:
		case <-time.After(200 * time.Millisecond): // room may come from others, too
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil // the caller looks once more
}
