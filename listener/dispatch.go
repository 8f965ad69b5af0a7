package listener

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/hooks"
)

// queueEvents and queueBytes bound the stored events that wait in memory for the dispatcher. When it is full, the rest is
// read from the log: ingest never waits for a hook.
const (
	queueEvents = 4096
	queueBytes  = 4 << 20
)

// readAhead and readBytes are how much one read from the log brings: about, because rows of the log are read whole.
const (
	readAhead = 1000
	readBytes = 2 << 20
)

// dispatcher hands stored events to the lanes, in order: from memory as they are stored, from the log after a start and
// when it is behind.
type dispatcher struct {
	t    *term
	seed maphash.Seed
	subs map[string][]*subscription // by table, in the order of registration
	next int64                      // the first seq that is not yet dispatched

	// After an unclean end, attempts are recorded before they run, for as many deliveries as can have been under way.
	careful   int
	carefulTo int64

	mu     sync.Mutex
	queue  []offered
	queued int
	bytes  int
	stored int64
	wake   chan struct{}
}

type offered struct {
	events   []*hooks.Event
	snapshot string
	bytes    int
}

func newDispatcher(t *term, stored int64, unclean bool) *dispatcher {
	d := &dispatcher{t: t, seed: maphash.MakeSeed(), subs: map[string][]*subscription{}, stored: stored, next: stored + 1, wake: make(chan struct{}, 1)}
	for _, sub := range t.subscriptions {
		d.subs[sub.after.Table] = append(d.subs[sub.after.Table], sub)
		d.next = min(d.next, sub.cursor+1)
	}
	if unclean {
		d.careful, d.carefulTo = windowDeliveries, stored
	}
	return d
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
		if err := d.t.settler.waitRoom(ctx); err != nil {
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
		d.dispatch(o.events)
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

// dispatch notes each delivery with the settler and hands the events to their lanes.
func (d *dispatcher) dispatch(events []*hooks.Event) {
	lanes := d.t.lanes
	work := make([][]item, len(lanes))
	s := d.t.settler
	s.mu.Lock()
	for _, ev := range events {
		targets := d.targets(ev)
		if len(targets) == 0 {
			continue
		}
		it := item{ev: ev, subs: targets, size: eventSize(ev) / len(targets)}
		for _, sub := range targets {
			s.expect(sub, ev.Seq, it.size)
		}
		if it.careful = ev.Seq <= d.carefulTo && d.careful > 0; it.careful {
			d.careful -= len(targets)
		}
		switch old := ev.OldEntity(); {
		case ev.Operation == hooks.Truncate: // after all that runs, before all that follows
			it.barrier = newBarrier(len(lanes))
			for i := range lanes {
				work[i] = append(work[i], it)
			}
		case old != "" && d.lane(ev.TenantID, ev.Key) != d.lane(ev.OldTenantID, ev.OldKey):
			it.barrier = newBarrier(2)
			for _, i := range []int{d.lane(ev.TenantID, ev.Key), d.lane(ev.OldTenantID, ev.OldKey)} {
				work[i] = append(work[i], it)
			}
		default:
			i := d.lane(ev.TenantID, ev.Key)
			work[i] = append(work[i], it)
		}
	}
	s.reached = events[len(events)-1].Seq
	s.mu.Unlock()
	d.next = events[len(events)-1].Seq + 1
	for i, items := range work {
		if len(items) > 0 {
			lanes[i].push(items)
		}
	}
	signal(s.wake) // where nothing concerns a hook, the cursors move all the same
}

// targets are the hooks that an event is for. The list of all the table's hooks is shared, not copied.
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

// readLog reads events from seq on: the row that holds it, and the rows that follow until there are about limit.
func (t *term) readLog(ctx context.Context, seq int64, limit int) ([]*hooks.Event, error) {
	rows, err := t.pool.Query(ctx, `select first_seq, events from (
			select first_seq, events, sum(bytes) over (order by first_seq) - bytes as before from latchkey.event_batches
			where group_name = $1 and last_seq >= $2 and first_seq < $2 + $3
			  and first_seq >= coalesce((select max(first_seq) from latchkey.event_batches where group_name = $1 and first_seq <= $2), 0)) b
		where before < $4 order by first_seq`, t.cfg.Group, seq, limit, readBytes)
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	var events []*hooks.Event
	var first int64
	var data []byte
	_, err = pgx.ForEachRow(rows, []any{&first, &data}, func() error {
		part, err := parseEvents(data, first, func(id int64) (*hooks.Shape, error) { return t.shapes.get(ctx, id) })
		events = append(events, part...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	for len(events) > 0 && events[0].Seq < seq {
		events = events[1:]
	}
	return events, nil
}
