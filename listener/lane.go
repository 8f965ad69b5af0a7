package listener

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/latchkey-dev/latchkey/hooks"
)

// item is what a lane works on: an event for some hooks, or a group whose next delivery is due.
type item struct {
	ev      *hooks.Event
	subs    []*subscription
	careful bool // record the attempt before it runs: the last one may have killed its process
	size    int
	barrier *barrier // of an event that several lanes must wait for

	retry *subscription
	group *group
}

// barrier makes lanes wait for each other: the last one to arrive runs the item, the others wait until it has.
type barrier struct {
	mu   sync.Mutex
	left int
	done chan struct{}
}

func newBarrier(lanes int) *barrier { return &barrier{left: lanes, done: make(chan struct{})} }

func (b *barrier) arrive() (last bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left--
	return b.left == 0
}

// lane runs hooks one after the other, in the order in which it was given events. A hook runs in the lane's own goroutine,
// which costs nothing; one that ignores its deadline is left behind, and another goroutine takes the lane on.
type lane struct {
	t *term

	mu     sync.Mutex
	items  []item
	wake   chan struct{}
	runner int // the goroutine in charge: what an older one still does is void

	// of the hook that runs
	current *delivery
	ends    time.Time // its deadline
	cancel  context.CancelFunc

	finished []outcome // not handed over yet

	// of the goroutine in charge
	work  []item
	at    int // in work[0].subs
	since time.Time
}

func newLane(t *term) *lane {
	return &lane{t: t, wake: make(chan struct{}, 1)}
}

func (l *lane) push(items []item) {
	l.mu.Lock()
	l.items = append(l.items, items...)
	l.mu.Unlock()
	signal(l.wake)
}

// handOver is how long finished deliveries may wait for others before they are recorded.
const handOver = time.Millisecond

// run works until the term stops, or another goroutine is in charge. Hooks get a context of hookCtx, which ends when they
// have had their time; ctx is for what the engine does.
func (l *lane) run(ctx, hookCtx context.Context, me int) error {
	for {
		if len(l.work) == 0 && !l.load() {
			return nil
		}
		for len(l.work) > 0 {
			if l.t.isStopping() {
				l.report()
				return nil
			}
			inCharge, err := l.process(ctx, hookCtx, me, &l.work[0])
			if err != nil || !inCharge {
				l.report()
				return err
			}
			l.next()
		}
		l.report()
	}
}

// load waits for items.
func (l *lane) load() bool {
	for {
		l.mu.Lock()
		l.work, l.items = l.items, l.work[:0:0]
		l.mu.Unlock()
		if len(l.work) > 0 {
			l.since = time.Now()
			return true
		}
		select {
		case <-l.wake:
		case <-l.t.stopping:
			return false
		}
	}
}

func (l *lane) next() {
	if b := l.work[0].barrier; b != nil {
		close(b.done)
	}
	l.work[0] = item{}
	l.work, l.at = l.work[1:], 0
}

// report hands finished deliveries over to be recorded.
func (l *lane) report() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hand()
}

func (l *lane) hand() {
	if len(l.finished) > 0 {
		l.t.settler.record(l.finished)
		l.finished = nil
	}
}

func (l *lane) process(ctx, hookCtx context.Context, me int, it *item) (inCharge bool, err error) {
	if it.retry != nil {
		return l.retry(ctx, hookCtx, me, it)
	}
	if b := it.barrier; b != nil && l.at == 0 {
		l.report()
		if !b.arrive() {
			select {
			case <-b.done:
			case <-l.t.stopping:
			}
			it.barrier = nil // the last lane closes it
			return true, nil
		}
	}
	for l.at < len(it.subs) {
		sub := it.subs[l.at]
		if sub.isPaused() {
			l.finish(outcome{sub: sub, seq: it.ev.Seq, kind: returned, size: it.size})
			continue
		}
		if sub.hold(it.ev, func(entities []string) {
			l.t.settler.record([]outcome{{sub: sub, seq: it.ev.Seq, kind: held, entities: entities, size: it.size}})
		}) {
			l.at++
			continue
		}
		d := &delivery{sub: sub, ev: it.ev}
		if it.careful {
			if err := l.t.recordAttempt(ctx, d); err != nil {
				return true, err
			}
		}
		hookErr, inCharge := l.call(ctx, hookCtx, me, d)
		if !inCharge {
			return false, nil
		}
		if err := l.conclude(ctx, d, hookErr); err != nil {
			return true, err
		}
	}
	return true, nil
}

// conclude records the result of a first attempt.
func (l *lane) conclude(ctx context.Context, d *delivery, hookErr error) error {
	hadRow := d.attempt > 0
	r, err := l.t.conclude(ctx, d, hookErr)
	endHookSpan(d.span, r, err)
	if err != nil {
		return err
	}
	kind := durable
	if r.Err == nil && !hadRow && !d.tx.Begun() {
		kind = acked
	}
	if r.Err != nil && (!r.Dead || !d.sub.passDead()) {
		g := d.sub.park(&parked{seq: d.ev.Seq, attempt: d.attempt, entities: entities(d.ev), ev: d.ev, due: r.Retry, dead: r.Dead, written: true})
		if !r.Dead {
			l.t.retries.push(d.sub, g, r.Retry)
		}
	}
	l.t.cfg.Trace.ran(r)
	l.finish(outcome{sub: d.sub, seq: d.ev.Seq, kind: kind, size: l.work[0].size})
	return nil
}

// finish notes an outcome and goes on to the item's next hook.
func (l *lane) finish(o outcome) {
	l.at++
	l.mu.Lock()
	defer l.mu.Unlock()
	l.finished = append(l.finished, o)
	if now := time.Now(); now.Sub(l.since) > handOver {
		l.since = now
		l.hand()
	}
}

// retry tries the head of a group, and comes back for the next one.
func (l *lane) retry(ctx, hookCtx context.Context, me int, it *item) (inCharge bool, err error) {
	p, wait := it.retry.next(it.group)
	if p == nil {
		if !wait.IsZero() {
			l.t.retries.push(it.retry, it.group, wait)
		}
		return true, nil
	}
	d, err := l.t.prepare(ctx, it.retry, p)
	if err != nil {
		return true, err
	}
	d.parked = p
	hookErr, inCharge := l.call(ctx, hookCtx, me, d)
	if !inCharge {
		return false, nil
	}
	return true, l.concludeRetry(ctx, it, d, hookErr)
}

func (l *lane) concludeRetry(ctx context.Context, it *item, d *delivery, hookErr error) error {
	r, err := l.t.conclude(ctx, d, hookErr)
	endHookSpan(d.span, r, err)
	if err != nil {
		return err
	}
	if it.retry.tried(it.group, d.parked, r) {
		l.t.retries.push(it.retry, it.group, time.Now())
	}
	l.t.cfg.Trace.ran(r)
	return nil
}

// call runs the hook. inCharge is false if it took so long that another goroutine has taken the lane on.
func (l *lane) call(ctx, hookCtx context.Context, me int, d *delivery) (hookErr error, inCharge bool) {
	l.t.begin(d)
	its, cancel := context.WithCancel(hookCtx)
	defer cancel()
	its = l.t.hookSpan(its, d)
	l.mu.Lock()
	l.current, l.ends, l.cancel = d, d.began.Add(d.sub.after.Timeout()), cancel
	l.mu.Unlock()
	l.t.step(stepHook)
	err := tooDeep(d.ev)
	if err == nil {
		err = d.sub.after.Run(hooks.Enter(its, &d.running), d.tx, d.ev)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.runner != me {
		return nil, false
	}
	l.current = nil
	if err != nil && hookCtx.Err() != nil { // it was told to stop: that is no failure, and it runs again
		_ = d.tx.Rollback(ctx) // the pool closes with the term
		endSpan(d.span, err)
		return nil, false
	}
	if err != nil && its.Err() != nil {
		err = hooks.ErrDeadline
	}
	return err, true
}

// grace is what a hook has, after its context ended, before it is left behind.
const grace = time.Second

// watch looks after the hook that runs. What finished before it is recorded without waiting for it. Where it ignores its
// deadline, takeOn is called with the goroutine's number and the delivery.
func (l *lane) watch(now time.Time, takeOn func(me int, d *delivery)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current == nil {
		return
	}
	l.hand()
	if now.Before(l.ends) {
		return
	}
	l.cancel()
	if now.Before(l.ends.Add(grace)) {
		return
	}
	d := l.current
	l.current = nil
	l.runner++
	takeOn(l.runner, d)
}

// takeOn goes on in place of a goroutine whose hook did not come back.
func (l *lane) takeOn(ctx, hookCtx context.Context, me int, d *delivery) error {
	l.t.log.ErrorContext(trace.ContextWithSpan(ctx, d.span), "a hook ignores its deadline and was left behind; its goroutine stays until it returns",
		"hook", d.sub.name, "table", d.sub.table, "seq", d.ev.Seq)
	it := &l.work[0]
	var err error
	if it.retry != nil {
		err = l.concludeRetry(ctx, it, d, hooks.ErrDeadline)
		l.next()
	} else {
		err = l.conclude(ctx, d, hooks.ErrDeadline)
		if err == nil {
			var inCharge bool
			if inCharge, err = l.process(ctx, hookCtx, me, it); err == nil && !inCharge {
				return nil
			}
			if err == nil {
				l.next()
			}
		}
	}
	if err != nil {
		return err
	}
	return l.run(ctx, hookCtx, me)
}
