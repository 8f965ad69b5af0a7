package listener

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"github.com/latchkey-dev/latchkey/hooks"
)

// queueEvents and queueBytes bound the stored events that wait in memory for the dispatcher. When it is full, the rest is
// read from the log: ingest never waits for a hook.
const (
	queueEvents = 4096
	queueBytes  = 4 << 20
)

// dispatcher hands stored events to the lanes, in order: from memory as they are stored, from the log after a start and
// when it is behind. Subscriptions that are far behind the others, and runs of their own, catch up beside it: see
// catchup.go.
type dispatcher struct {
	t    *term
	seed maphash.Seed

	// handing is held while events are handed to lanes, so that all lanes get what concerns several in one order.
	handing  sync.Mutex
	subs     map[string][]*subscription      // the hooks in Go by table, in the order of registration
	webhooks map[tenantTable][]*subscription // by the tenant and table that they may want
	next     int64                           // the first seq that is not yet dispatched
	unclean  *suspects

	mu     sync.Mutex
	queue  []offered
	queued int
	bytes  int
	stored int64
	wake   chan struct{}
}

// suspects says which deliveries may have been under way when the process ended: attempts at them are recorded before
// they run, for as many as can have been.
type suspects struct {
	left int
	to   int64
}

func (s *suspects) take(seq int64, deliveries int) bool {
	if s == nil || seq > s.to || s.left <= 0 {
		return false
	}
	s.left -= deliveries
	return true
}

// tenantTable is where webhooks are looked for: an event costs what its tenant's webhooks cost, however many others there are.
type tenantTable struct{ tenant, table string }

type offered struct {
	events   []*hooks.Event
	snapshot string
	bytes    int
}

func newDispatcher(t *term, stored int64) *dispatcher {
	return &dispatcher{t: t, seed: maphash.MakeSeed(), subs: map[string][]*subscription{}, webhooks: map[tenantTable][]*subscription{}, stored: stored, next: stored + 1, wake: make(chan struct{}, 1)}
}

// add has a subscription served by the dispatcher from now on. The caller holds handing, or nothing runs yet.
func (d *dispatcher) add(sub *subscription) {
	if sub.webhook != nil {
		sub.webhook.listed = sub.webhook.tables(d.t.cfg.Hooks.Tables())
		for _, at := range sub.webhook.listed {
			d.webhooks[at] = append(slices.Clone(d.webhooks[at]), sub)
		}
	} else {
		subs := append(slices.Clone(d.subs[sub.table]), sub)
		slices.SortStableFunc(subs, func(a, b *subscription) int { return a.order - b.order })
		d.subs[sub.table] = subs
	}
	d.t.settler.mu.Lock()
	sub.live = true
	d.t.settler.mu.Unlock()
}

// remove ends that, with what was dispatched so far.
func (d *dispatcher) remove(sub *subscription) {
	d.t.settler.mu.Lock()
	defer d.t.settler.mu.Unlock()
	d.detach(sub, max(sub.reached, d.next-1))
}

// detach ends it with an event. The lists are copied: targets may have given them away. The caller holds handing, and the
// settler's mu.
func (d *dispatcher) detach(sub *subscription, reached int64) {
	without := func(subs []*subscription) []*subscription {
		return slices.DeleteFunc(slices.Clone(subs), func(s *subscription) bool { return s == sub })
	}
	if sub.webhook == nil {
		d.subs[sub.table] = without(d.subs[sub.table])
	} else {
		for _, at := range sub.webhook.listed {
			if d.webhooks[at] = without(d.webhooks[at]); len(d.webhooks[at]) == 0 {
				delete(d.webhooks, at)
			}
		}
	}
	sub.live, sub.reached = false, reached
}

// offer takes events that were just stored, if there is room.
func (d *dispatcher) offer(events []*hooks.Event, snapshot string, bytes int) {
	d.mu.Lock()
	d.stored = events[len(events)-1].Seq
	if d.queued+len(events) <= queueEvents && d.bytes+bytes <= queueBytes {
		d.queue = append(d.queue, offered{events, snapshot, bytes})
		d.queued += len(events)
		d.bytes += bytes
	}
	d.mu.Unlock()
	signal(d.wake)
}

// take returns what comes next from memory; behind says that it must be read from the log.
func (d *dispatcher) take() (o offered, behind bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.queue) > 0 {
		first := d.queue[0].events[0].Seq
		if first > d.next {
			return offered{}, true
		}
		o = d.queue[0]
		d.queue[0] = offered{}
		d.queue = d.queue[1:]
		d.queued -= len(o.events)
		d.bytes -= o.bytes
		if skip := d.next - first; skip < int64(len(o.events)) { // else it was read from the log meanwhile
			o.events = o.events[skip:]
			return o, false
		}
	}
	return offered{}, d.stored >= d.next
}

func (d *dispatcher) run(ctx context.Context) error {
	for {
		if err := d.t.settler.waitRoom(ctx, windowDeliveries); err != nil {
			return nil
		}
		o, behind := d.take()
		if behind {
			var err error
			if o.events, err = d.t.readLog(ctx, d.next, readAhead); err != nil {
				return err
			}
			if len(o.events) == 0 || o.events[0].Seq != d.next {
				return stop(nil, resetFix, "event %d is missing from the log (latchkey.event_batches)", d.next)
			}
		}
		if len(o.events) == 0 {
			select {
			case <-d.wake:
				continue
			case <-ctx.Done():
				return nil
			}
		}
		if err := d.awaitVisible(ctx, o); err != nil {
			return err
		}
		d.handing.Lock()
		d.hand(o.events, d.targets, d.unclean)
		d.handWebhooks(o.events)
		d.next = o.events[len(o.events)-1].Seq + 1
		d.reach(d.next - 1)
		d.handing.Unlock()
	}
}

// awaitVisible waits until hooks can read the rows that the events tell of. It seldom has to: storing the events takes
// longer than the few microseconds between a commit's record and its end.
func (d *dispatcher) awaitVisible(ctx context.Context, o offered) error {
	pause := 100 * time.Microsecond
	for {
		if o.snapshot == "" {
			if err := d.t.pool.QueryRow(ctx, `select pg_current_snapshot()::text`).Scan(&o.snapshot); err != nil {
				return fmt.Errorf("read the snapshot: %w", err)
			}
		}
		s, err := parseSnapshot(o.snapshot)
		if err != nil {
			return err
		}
		for len(o.events) > 0 && s.visible(o.events[len(o.events)-1].XID) {
			o.events = o.events[:len(o.events)-1]
		}
		if len(o.events) == 0 {
			return nil
		}
		o.snapshot = ""
		select {
		case <-time.After(pause):
			pause = min(2*pause, 20*time.Millisecond)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// hand notes each delivery with the settler and gives the events to their lanes. The caller holds handing.
func (d *dispatcher) hand(events []*hooks.Event, targetsOf func(*hooks.Event) []*subscription, unclean *suspects) {
	lanes := d.t.lanes
	work := make([][]item, len(lanes))
	s := d.t.settler
	s.mu.Lock()
	for _, ev := range events {
		targets := targetsOf(ev)
		if len(targets) == 0 {
			continue
		}
		it := item{ev: ev, subs: targets, size: eventSize(ev) / len(targets), careful: unclean.take(ev.Seq, len(targets))}
		for _, sub := range targets {
			s.expect(sub, ev.Seq, it.size)
		}
		switch old := ev.OldEntity(); {
		case ev.Operation == hooks.Truncate: // after all that runs, before all that follows
			it.barrier = newBarrier(len(lanes))
			for i := range lanes {
				work[i] = append(work[i], it)
			}
		case old != "" && d.laneOf(ev) != d.lane(ev.OldTenantID, ev.OldKey):
			it.barrier = newBarrier(2)
			for _, i := range []int{d.laneOf(ev), d.lane(ev.OldTenantID, ev.OldKey)} {
				work[i] = append(work[i], it)
			}
		default:
			i := d.laneOf(ev)
			work[i] = append(work[i], it)
		}
	}
	s.mu.Unlock()
	for i, items := range work {
		if len(items) > 0 {
			lanes[i].push(items)
		}
	}
}

// reach notes how far the live subscriptions are dispatched: where nothing concerns a hook, its cursor moves all the same.
func (d *dispatcher) reach(seq int64) {
	s := d.t.settler
	s.mu.Lock()
	s.reached = seq
	s.mu.Unlock()
	signal(s.wake)
}

// targets are the live hooks that an event is for. The list of all the table's hooks is shared, not copied.
func (d *dispatcher) targets(ev *hooks.Event) []*subscription {
	all := d.subs[ev.Table]
	for i, sub := range all {
		if sub.wants(ev) {
			continue
		}
		some := append([]*subscription(nil), all[:i]...)
		for _, other := range all[i+1:] {
			if other.wants(ev) {
				some = append(some, other)
			}
		}
		return some
	}
	return all
}

// laneOf is the lane of the event's entity. Tables share lanes, so events that are about a row of another table meet that one's.
func (d *dispatcher) laneOf(ev *hooks.Event) int {
	return d.lane(ev.TenantID, cmp.Or(ev.About, ev.Key))
}

func (d *dispatcher) lane(tenant, key string) int {
	return int((maphash.String(d.seed, tenant)*31 + maphash.String(d.seed, key)) % uint64(len(d.t.lanes)))
}

// eventSize estimates what an event takes in memory.
func eventSize(ev *hooks.Event) int {
	size := 500
	for _, im := range []*hooks.Image{ev.Old, ev.New} {
		if im != nil {
			size += imageSize(im)
		}
	}
	for _, im := range ev.Rows {
		size += imageSize(im)
	}
	return size
}

func imageSize(im *hooks.Image) int {
	size := 24 * len(im.Values)
	for _, v := range im.Values {
		size += len(v)
	}
	return size
}
