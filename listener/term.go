package listener

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/latchkey-dev/latchkey/listener/webhook/sender"
)

// term is the time for which this process owns its group: everything that runs then, and its state, which is read from
// Postgres when the term begins. Any error ends all of it, so there is one way to recover: begin the next term.
type term struct {
	l     *Listener
	cfg   Config
	log   *slog.Logger
	epoch int64

	pool        *pgxpool.Pool // the engine's own
	hookPool    *pgxpool.Pool // the hooks' transactions
	replication *pgconn.PgConn

	start         position
	nextSeq       int64
	logEnd        int64 // the first seq that the log has no room for yet
	asyncCommit   bool  // the server's default is synchronous_commit = off
	shapes        *shapes
	subscriptions []*subscription
	inbox         *inbox
	stream        *stream
	dispatch      *dispatcher
	settler       *settler
	retries       *retries
	lanes         []*lane
	retryLanes    []*lane

	webhooks map[string]*sender.Hook // by webhook/<tenant>/<id>; of control's goroutine
	readings atomic.Int64            // how often they were read

	rereadWebhooks atomic.Bool  // though nothing says that one has changed
	requests       atomic.Int64 // of webhooks that are under way
	lease          atomic.Pointer[time.Time]

	// What runs beside, until the term ends: background with what reads and stores, serve a subscription that catches up,
	// goRequest with what runs hooks, with the engine's context and the hooks'.
	background func(name string, run func(context.Context) error)
	serve      func(*subscription)
	goRequest  func(run func(ctx, hookCtx context.Context) error)

	stopping chan struct{} // closed when no new work is to begin
	yield    chan struct{} // closed when a process with newer hooks waits

	controlled chan struct{}      // someone has changed subscriptions or deliveries
	asked      chan chan struct{} // someone waits until what is changed is read
	controls   int64              // how often, as the lease says
	unready    chan struct{}      // signals that a table may not be ready for hooks
}

// retryLanes is how many groups of failed deliveries are tried at once.
const retryLanes = 8

func (t *term) isStopping() bool {
	select {
	case <-t.stopping:
		return true
	default:
		return false
	}
}

// run owns the group until ctx ends or newer hooks wait, which are the clean ends and give nil, or something fails.
func (t *term) run(ctx context.Context, unclean bool) error {
	work, fail := context.WithCancelCause(context.WithoutCancel(ctx)) // ends when the term has to go at once
	defer fail(nil)
	hookCtx, endHooks := context.WithCancel(work) // ends when hooks have had their time to finish
	defer endHooks()
	t.stopping, t.yield, t.unready, t.controlled = make(chan struct{}), make(chan struct{}), make(chan struct{}, 1), make(chan struct{}, 1)
	t.asked = make(chan chan struct{})

	timeout, behind, err := t.open(ctx, unclean)
	if err != nil {
		return err
	}
	defer t.stream.close()

	// What reads and stores ends at once when the term is to end; what runs hooks finishes what it has begun.
	input, stopInput := context.WithCancel(work)
	defer stopInput()
	var stopOnce sync.Once
	begin := func() { stopOnce.Do(func() { close(t.stopping); stopInput(); t.stream.close() }) }

	var in, out errgroup.Group
	guard := func(g *errgroup.Group, name string, run func() error) {
		g.Go(func() error {
			if err := run(); err != nil && !t.isStopping() {
				fail(fmt.Errorf("%s: %w", name, err))
				begin()
			}
			return nil
		})
	}
	t.background = func(name string, run func(context.Context) error) {
		guard(&in, name, func() error { return run(input) })
	}
	t.serve = func(sub *subscription) {
		t.settler.serving(sub)
		t.background("catch up", func(ctx context.Context) error {
			defer t.settler.served(sub)
			return t.catchUp(ctx, sub)
		})
	}
	t.goRequest = func(run func(ctx, hookCtx context.Context) error) {
		guard(&out, "webhooks", func() error { return run(work, hookCtx) })
	}
	guard(&in, "stream", func() error { return t.read(input) })
	guard(&in, "status", func() error { return t.stream.report(input, timeout) })
	guard(&in, "ingest", func() error { return t.ingest(input) })
	guard(&in, "lease", func() error { return t.renew(input) })
	guard(&in, "dispatch", func() error { return t.dispatch.run(input) })
	guard(&in, "tables", func() error { return t.watchTables(input) })
	guard(&in, "retries", func() error { return t.retries.run(input, t.retryLanes) })
	for _, sub := range behind {
		t.serve(sub)
	}
	guard(&in, "control", func() error { return t.control(input) })
	guard(&in, "retention", func() error { return t.retain(input) })
	stopSettling := make(chan struct{})
	var settle errgroup.Group
	guard(&settle, "settle", func() error { return t.settler.run(work, stopSettling) })
	for _, l := range t.allLanes() {
		guard(&out, "hooks", func() error { return l.run(work, hookCtx, 0) })
	}
	guard(&in, "deadlines", func() error {
		return t.watchDeadlines(input, func(l *lane, me int, d *delivery) {
			guard(&out, "hooks", func() error { return l.takeOn(work, hookCtx, me, d) })
		})
	})

	t.l.owning(t)
	select {
	case <-ctx.Done():
		if errors.Is(context.Cause(ctx), errKilled) {
			fail(errKilled)
		}
		begin()
	case <-t.yield:
		begin()
	case <-work.Done():
	}
	t.l.progress.update(func(p *progress) { p.ask = nil })
	_ = in.Wait() // its errors are in the cause
	patience := time.AfterFunc(t.cfg.StopTimeout, endHooks)
	defer patience.Stop()
	finished := make(chan struct{})
	go func() { _ = out.Wait(); close(finished) }() // likewise
	clean := true
	select {
	case <-finished:
	case <-time.After(t.cfg.StopTimeout + grace): // a hook that ignores its context can't hold the process
		clean = false
		t.log.Warn("a hook did not return in time for the stop; it will run again")
	}
	close(stopSettling)
	_ = settle.Wait() // likewise
	return t.end(ctx, context.Cause(work), clean)
}

// open reads the state and starts the stream. It returns the server's timeout for silent connections, and who is to catch up.
func (t *term) open(ctx context.Context, unclean bool) (timeout time.Duration, behind []*subscription, err error) {
	start, err := t.prepareSlot(ctx)
	if err != nil {
		return 0, nil, err
	}
	t.start, t.nextSeq = start.position, start.nextSeq
	t.shapes, t.retries, t.settler = newShapes(t.pool), newRetries(), newSettler(t)
	if err := t.extendLog(ctx); err != nil {
		return 0, nil, err
	}
	if err := t.pool.QueryRow(ctx, `select control from latchkey.lease where group_name = $1`, t.cfg.Group).Scan(&t.controls); err != nil {
		return 0, nil, fmt.Errorf("read the lease: %w", err)
	}
	if err := errors.Join(t.readWebhooks(ctx), t.removeOrphans(ctx)); err != nil {
		return 0, nil, err
	}
	if err := t.loadSubscriptions(ctx); err != nil {
		return 0, nil, err
	}
	t.inbox = newInbox(t.start)
	t.dispatch = newDispatcher(t, t.nextSeq-1)
	behind = t.attach(unclean)
	t.settler.reached = t.dispatch.next - 1
	for _, sub := range t.subscriptions {
		if err := t.checkLog(ctx, sub, start.firstSeq); err != nil {
			return 0, nil, err
		}
	}
	for range t.cfg.Lanes {
		t.lanes = append(t.lanes, newLane(t))
	}
	for range retryLanes {
		t.retryLanes = append(t.retryLanes, newLane(t))
	}
	var timeoutMS string
	if err := t.pool.QueryRow(ctx, `select setting, current_setting('synchronous_commit') = 'off' from pg_settings where name = 'wal_sender_timeout'`).
		Scan(&timeoutMS, &t.asyncCommit); err != nil {
		return 0, nil, fmt.Errorf("read the server's settings: %w", err)
	}
	if err := t.startStream(ctx, start); err != nil {
		return 0, nil, err
	}
	t.stream = newStream(t.replication, t.start.done)
	return time.Duration(parseInt(timeoutMS)) * time.Millisecond, behind, nil
}

func (t *term) allLanes() []*lane {
	return append(append([]*lane(nil), t.lanes...), t.retryLanes...)
}

// read turns the stream into chunks for the ingester. A message that can't be read stops the listener: passing it over
// would lose a change.
func (t *term) read(ctx context.Context) error {
	sets, abouts := t.cfg.Hooks.Sets(), t.cfg.Hooks.Abouts()
	var putErr error
	a := &assembler{
		done: t.start.done, partial: t.start.partial, partialAt: t.start.partialAt, described: newDescribed(),
		describe: func(m relationMessage) (*table, error) {
			shape, err := t.shapes.describe(ctx, m)
			if err != nil {
				return nil, err
			}
			return newTable(shape, sets[shape.Name()], abouts[shape.Name()]), nil
		},
		unready: func() { signal(t.unready) },
		emit:    func(c chunk) { putErr = t.inbox.put(ctx, c) },
		reload: func(lsn pglogrepl.LSN) ([]spooled, error) {
			if err := t.inbox.drained(ctx); err != nil {
				return nil, err
			}
			return t.readSpool(ctx, lsn)
		},
	}
	var d decoder
	return t.stream.read(func(data []byte) error { //nolint:contextcheck // a read can't be cancelled without a timer a message: see stream
		err := d.decode(data, a)
		if err == nil || passing(err) {
			return errors.Join(err, putErr)
		}
		if storeErr := t.storeUnreadable(ctx, a.commitLSN); storeErr != nil {
			return storeErr
		}
		return stop(err, fmt.Sprintf("report it; to go on without the transaction that commits at %s, once what it changed is dealt with, run `latchkey skip --lsn %s`", a.commitLSN, a.commitLSN),
			"a message of the stream could not be read")
	}, func(end pglogrepl.LSN) {
		if !a.open {
			t.inbox.idle(end)
		}
	})
}

// storeUnreadable notes which transaction can't be read: Skip passes over no other.
func (t *term) storeUnreadable(ctx context.Context, commit pglogrepl.LSN) error {
	if _, err := t.pool.Exec(ctx, `update latchkey.position set unreadable_lsn = $2 where group_name = $1`, t.cfg.Group, commit); err != nil {
		return fmt.Errorf("note the transaction that can't be read: %w", err)
	}
	return nil
}

// watchDeadlines looks after hooks that run too long.
func (t *term) watchDeadlines(ctx context.Context, takeOn func(l *lane, me int, d *delivery)) error {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			for _, l := range t.allLanes() {
				l.watch(now, func(me int, d *delivery) { takeOn(l, me, d) })
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// end writes what is settled and, if nothing failed, gives the group up.
func (t *term) end(ctx context.Context, cause error, clean bool) error {
	if cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.cfg.StopTimeout)
	defer cancel()
	if err := t.settler.flush(ctx); err != nil {
		return err
	}
	if !clean {
		return nil
	}
	return t.release(ctx)
}
