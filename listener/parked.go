package listener

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/hooks"
)

// A failed delivery sets its (hook, entity) aside: later events of the entity queue up behind it, in the order of seq,
// and the lane goes on with others. An event that changed a key belongs to two entities and joins their queues.

// group is the queue of one hook and the entities that such events have tied together.
type group struct {
	entities []string
	queue    []*parked // by seq
	running  int       // attempts under way: more than one only just after two groups were joined
	suspect  bool      // one of it was under way when the process ended
	into     *group    // the group that this one was joined to
}

// parked is a delivery that has a row.
type parked struct {
	seq      int64
	attempt  int
	entities []string
	ev       *hooks.Event // nil: to be read from the log
	due      time.Time
	dead     bool
	written  bool // the row is known to be durable
	asked    bool // an operator has asked for another attempt
}

func (g *group) resolve() *group {
	for g.into != nil {
		g = g.into
	}
	return g
}

// hold queues an event behind what is set aside for its entities, if something is. record is called before anyone can
// see it in the queue.
func (sub *subscription) hold(ev *hooks.Event, record func(entities []string)) bool {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if len(sub.parked) == 0 {
		return false
	}
	all := entities(ev)
	if !slices.ContainsFunc(all, func(e string) bool { return sub.parked[e] != nil }) {
		return false
	}
	record(all)
	sub.join(&parked{seq: ev.Seq, entities: all})
	return true
}

// park sets a delivery aside and returns its group.
func (sub *subscription) park(p *parked) *group {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	return sub.join(p)
}

// join puts a delivery into the group of its entities, making them one. The caller holds mu.
func (sub *subscription) join(p *parked) *group {
	g := &group{}
	for _, e := range p.entities {
		if other := sub.parked[e]; other != nil && other != g {
			if len(g.entities) == 0 {
				g = other
				continue
			}
			other.into = g
			g.running += other.running
			g.suspect = g.suspect || other.suspect
			g.queue = append(g.queue, other.queue...)
			for _, theirs := range other.entities {
				g.entities = append(g.entities, theirs)
				sub.parked[theirs] = g
			}
		}
	}
	for _, e := range p.entities {
		if sub.parked[e] != g {
			sub.parked[e] = g
			g.entities = append(g.entities, e)
		}
	}
	g.queue = append(g.queue, p)
	sub.waiting.Add(1)
	slices.SortStableFunc(g.queue, func(a, b *parked) int { return int(a.seq - b.seq) })
	return g
}

// revive takes in that a dead delivery is to be tried again, or is discarded, and returns the group that may go on.
func (sub *subscription) revive(p *parked, discarded bool) *group {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	for _, e := range p.entities {
		g := sub.parked[e]
		if g == nil {
			continue
		}
		i := slices.IndexFunc(g.queue, func(q *parked) bool { return q.seq == p.seq })
		switch {
		case i < 0:
			continue
		case !g.queue[i].dead: // it is on its way already
			return nil
		case discarded:
			g.queue = slices.Delete(g.queue, i, i+1)
			sub.waiting.Add(-1)
			sub.free(g)
		default:
			g.queue[i].dead, g.queue[i].due, g.queue[i].asked = false, time.Time{}, true
		}
		return g
	}
	if discarded {
		return nil
	}
	return sub.join(p) // later events have passed it
}

// free lets go of a group's entities if nothing is left in it. The caller holds mu.
func (sub *subscription) free(g *group) {
	if len(g.queue) > 0 || g.running > 0 {
		return
	}
	for _, e := range g.entities {
		delete(sub.parked, e)
	}
}

// next returns the delivery that the group may try now. If there is none, wait says when there will be, zero for never.
func (sub *subscription) next(g *group) (p *parked, wait time.Time) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	g = g.resolve()
	if g.running > 0 || len(g.queue) == 0 || g.queue[0].dead || sub.isPaused() {
		return nil, time.Time{}
	}
	if head := g.queue[0]; time.Now().Before(head.due) {
		return nil, head.due
	}
	g.running++
	return g.queue[0], time.Time{}
}

// tried takes the result of an attempt. It reports whether the group has more to do; without it, its entities are free.
func (sub *subscription) tried(g *group, p *parked, r Run) (more bool) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	g = g.resolve()
	g.running--
	g.suspect = false
	switch {
	case r.Err == nil, r.Dead && sub.passDead():
		g.queue = slices.DeleteFunc(g.queue, func(q *parked) bool { return q == p })
		sub.waiting.Add(-1)
	default:
		p.dead, p.due = r.Dead, r.Retry
	}
	sub.free(g)
	return len(g.queue) > 0
}

// aside is how many deliveries wait for another attempt, or behind one that does.
func (sub *subscription) aside() int { return int(sub.waiting.Load()) }

// suspected reports whether the group may hold what ended the process.
func (sub *subscription) suspected(g *group) bool {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	return g.resolve().suspect
}

// loadParked reads what was set aside before this term. An attempt that was running when its process ended counts.
func (t *term) loadParked(ctx context.Context, subs []*subscription) error {
	byID, ids := byID(subs)
	q := t.fenced()
	q.Queue(`update latchkey.deliveries d set status = 'dead', last_error = coalesce(last_error || E'\n', '') || 'the process ended while the hook ran', updated_at = now()
		where d.subscription_id = any ($1) and d.status = 'running' and d.attempt >= $2`, ids, t.cfg.Retry.Attempts)
	if err := t.pool.SendBatch(ctx, q).Close(); err != nil {
		return fmt.Errorf("close attempts that killed their process: %w", lostOr(err))
	}
	rows, err := t.pool.Query(ctx, `select d.subscription_id, d.seq, d.attempt, d.entities, coalesce(d.next_attempt_at, now()), d.status = 'dead', d.status = 'running'
		from latchkey.deliveries d where d.subscription_id = any ($1) and d.status in ('running', 'retry', 'held', 'dead') order by d.subscription_id, d.seq`, ids)
	if err != nil {
		return fmt.Errorf("read the failed deliveries: %w", err)
	}
	var id int64
	var p parked
	var running bool
	_, err = pgx.ForEachRow(rows, []any{&id, &p.seq, &p.attempt, &p.entities, &p.due, &p.dead, &running}, func() error {
		sub := byID[id]
		if p.dead && sub.passDead() {
			return nil
		}
		loaded := p
		loaded.written = true
		loaded.entities = slices.Clone(p.entities)
		g := sub.park(&loaded)
		g.suspect = g.suspect || running
		t.retries.push(sub, g, loaded.due)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the failed deliveries: %w", err)
	}
	return nil
}
