package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/listener"
)

// counter counts deliveries down to none.
type counter struct {
	left atomic.Int64
	done chan struct{}
}

func newCounter(n int) *counter {
	c := &counter{done: make(chan struct{})}
	c.left.Store(int64(n))
	return c
}

func (c *counter) one() {
	if c.left.Add(-1) == 0 {
		close(c.done)
	}
}

// counting registers two hooks that do nothing else: what is left is the engine.
func counting(reg *db.Hooks, c *counter) {
	for _, name := range []string{"first", "second"} {
		reg.Roles.AfterCreate(name, func(context.Context, hooks.Tx, hooks.Event, db.Role) error {
			c.one()
			return nil
		})
	}
}

// delivered is one run of the engine over a backlog.
type delivered struct {
	took time.Duration // from the stream's start until the last cursor was durable
	wal  float64       // bytes that the server wrote meanwhile
	cpu  time.Duration // of this process
}

// deliver runs the engine over a backlog until every delivery is settled. It polls the cursors only once all hooks have
// run, so that looking costs nothing while there is work.
func (b *bench) deliver(ctx context.Context, l backlog, reg *db.Hooks, c *counter, options ...func(*listener.Config)) (d delivered, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, runLimit, errSlow)
	defer cancel()
	e, err := b.prepareEngine(ctx, l.slot, reg, options...)
	if err != nil {
		return d, err
	}
	defer func() { err = errors.Join(err, e.stop()) }()
	// What the source dirtied is not to be written during the run, and the engine pays for the full-page images that
	// follow a checkpoint: those of the few pages that it keeps from run to run.
	if err := b.exec(ctx, `checkpoint`); err != nil {
		return d, err
	}
	walBefore, err := b.walPosition(ctx)
	if err != nil {
		return d, err
	}
	cpuBefore, err := cpuTime()
	if err != nil {
		return d, err
	}
	e.start(ctx)
	began, err := e.owned(ctx)
	if err != nil {
		return d, err
	}
	if err := e.wait(ctx, c.done); err != nil {
		return d, fmt.Errorf("%d deliveries to go: %w", c.left.Load(), err)
	}
	if err := b.settled(ctx, int64(l.all()), time.Millisecond); err != nil {
		return d, err
	}
	d.took = time.Since(began)
	cpuAfter, err := cpuTime()
	if err != nil {
		return d, err
	}
	walAfter, err := b.walPosition(ctx)
	if err != nil {
		return d, err
	}
	d.wal, d.cpu = float64(walAfter-walBefore), cpuAfter-cpuBefore
	if left := c.left.Load(); left != 0 {
		return d, fmt.Errorf("%d deliveries too many", -left)
	}
	return d, nil
}

// rate is events a second.
func rate(events int, took time.Duration) float64 { return float64(events) / took.Seconds() }
