package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/listener"
)

const (
	group       = "bench"
	publication = "latchkey_" + group

	hookConnections = 16 // the engine's default, given so that it can be named
)

// runLimit ends a run that hangs.
const runLimit = 5 * time.Minute

var errSlow = errors.New("the run took longer than " + runLimit.String())

// firstTerm makes the publication, the position and the slot's name, which later runs start over with.
func (b *bench) firstTerm(ctx context.Context) error {
	f, err := b.openEngine(ctx, db.NewHooks())
	if err != nil {
		return err
	}
	f.start(ctx)
	_, err = f.owned(ctx)
	return errors.Join(err, f.stop())
}

// resetEngine makes the engine's slot a copy of base and its tables as they were before it had read anything.
func (b *bench) resetEngine(ctx context.Context, base string) error {
	var slot string
	if err := b.pool.QueryRow(ctx, `select slot from latchkey.position where group_name = $1`, group).Scan(&slot); err != nil {
		return fmt.Errorf("read the slot's name: %w", err)
	}
	if err := b.copySlot(ctx, base, slot); err != nil {
		return err
	}
	for _, sql := range []string{
		`truncate latchkey.event_batches, latchkey.spool, latchkey.acks, latchkey.ack_batches, latchkey.deliveries`,
		`delete from latchkey.subscriptions where group_name = '` + group + `'`,
		`update latchkey.position p set state = 'live', consistent_lsn = s.confirmed_flush_lsn, done_lsn = s.confirmed_flush_lsn,
			partial_commit_lsn = '0/0', partial_ordinal = 0, next_seq = 1
			from pg_replication_slots s where s.slot_name = p.slot and p.group_name = '` + group + `'`,
	} {
		if err := b.exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// engine is a listener in this process, for one run.
type engine struct {
	listener *listener.Listener
	owning   chan time.Time // when the stream began
	ended    chan error
	cancel   context.CancelFunc
}

// prepareEngine opens the engine at base, with hooks that want all that waits there.
func (b *bench) prepareEngine(ctx context.Context, base string, reg *db.Hooks, options ...func(*listener.Config)) (*engine, error) {
	if err := b.resetEngine(ctx, base); err != nil {
		return nil, err
	}
	e, err := b.openEngine(ctx, reg, options...)
	if err != nil {
		return nil, err
	}
	// A new hook's events begin now; the backlog is older.
	if err := b.exec(ctx, `update latchkey.subscriptions set start_lsn = '0/0', cursor_seq = 0 where group_name = $1`, group); err != nil {
		e.listener.Close()
		return nil, err
	}
	return e, nil
}

func (b *bench) openEngine(ctx context.Context, reg *db.Hooks, options ...func(*listener.Config)) (*engine, error) {
	e := &engine{owning: make(chan time.Time, 1), ended: make(chan error, 1)}
	replicationURL, err := b.replicationURL()
	if err != nil {
		return nil, err
	}
	config := listener.Config{
		DatabaseURL: b.url, ReplicationURL: replicationURL, Group: group, Hooks: reg, Logger: b.log, HookConnections: hookConnections,
		Trace: listener.Trace{Owning: func(int64) {
			select {
			case e.owning <- time.Now():
			default: // a second term: the first one broke, which owned or the wait will say
			}
		}},
	}
	for _, option := range options {
		option(&config)
	}
	e.listener, err = listener.Open(ctx, config)
	return e, err
}

// start runs the listener until stop.
func (e *engine) start(ctx context.Context) {
	ctx, e.cancel = context.WithCancel(ctx)
	go func() { e.ended <- e.listener.Run(ctx) }()
}

// owned waits for the stream and says when it began.
func (e *engine) owned(ctx context.Context) (time.Time, error) {
	select {
	case at := <-e.owning:
		return at, nil
	case err := <-e.ended:
		e.ended <- nil
		return time.Time{}, errors.Join(errors.New("the listener ended"), err)
	case <-ctx.Done():
		return time.Time{}, context.Cause(ctx)
	}
}

// wait waits for done, or the end of a listener that should go on.
func (e *engine) wait(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case err := <-e.ended:
		e.ended <- nil
		return errors.Join(errors.New("the listener ended"), err)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// stop ends the listener and waits for it.
func (e *engine) stop() error {
	if e.cancel != nil {
		e.cancel()
		if err := <-e.ended; err != nil {
			return fmt.Errorf("stop the listener: %w", err)
		}
	}
	e.listener.Close()
	return nil
}

// settled waits until the cursors in the database reach seq: that commit is the last one of a run. Those of idle hooks are
// stored once a second, whatever there is to do: they would measure the clock.
func (b *bench) settled(ctx context.Context, seq int64, pause time.Duration) error {
	for {
		var cursor int64
		if err := b.pool.QueryRow(ctx, `select coalesce(min(cursor_seq), 0) from latchkey.subscriptions where group_name = $1 and hook not like $2`, group, idlePrefix+"%").Scan(&cursor); err != nil {
			return fmt.Errorf("read the cursors: %w", errors.Join(err, context.Cause(ctx)))
		}
		if cursor >= seq {
			return nil
		}
		time.Sleep(pause)
	}
}
