package listener

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Who owns a group: latchkey.owner holds the epoch, which every takeover raises and every commit checks; latchkey.lease
// says until when, by the server's clock. Waiting for the former owner's transactions is no plan, because a stopped
// process keeps its locks for ever: its backends are ended.
const (
	leaseTime  = 5 * time.Second
	renewEvery = time.Second
	lookEvery  = 500 * time.Millisecond
)

// timing is how patient a listener is; tests make it less so.
type timing struct {
	lease, renew, look, sweep, tables, retain time.Duration
	part                                      int64 // events in a part of the log
}

func defaultTiming() timing {
	return timing{lease: leaseTime, renew: renewEvery, look: lookEvery, sweep: sweepEvery, tables: tablesEvery, retain: retainEvery, part: partEvents}
}

// lockClass is the first key of the advisory lock that latchkey.fence takes.
const lockClass = 1819042912

// applicationName marks every backend of a term, so that a successor can end them.
func applicationName(group string, epoch int64) string {
	return fmt.Sprintf("latchkey/%s/%d", group, epoch)
}

// acquire waits until the group is free, takes it and returns the new epoch. unclean says that the former owner did not
// stop by itself.
func (l *Listener) acquire(ctx context.Context) (epoch int64, unclean bool, err error) {
	ticker := time.NewTicker(l.timing.look)
	defer ticker.Stop()
	abandoned := int64(-1) // an epoch whose owner seemed gone at the last look
	for {
		seen, err := l.look(ctx)
		if err != nil {
			return 0, false, err
		}
		// An owner that has just begun has no connections yet, so "gone" has to be seen twice.
		free := seen.state == lapsed || seen.state == gone && seen.epoch == abandoned
		switch {
		case free && !seen.newerWaits:
			epoch, unclean, err := l.take(ctx, seen.epoch)
			if err != nil || epoch > 0 {
				return epoch, unclean, err
			}
		case l.hookSet > seen.hookSet && !seen.newerWaits:
			if err := l.want(ctx); err != nil {
				return 0, false, err
			}
		}
		abandoned = -1
		if seen.state == gone {
			abandoned = seen.epoch
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return 0, false, context.Cause(ctx)
		}
	}
}

// ownership is how a group's owner looks from outside.
type ownership int

const (
	owned  ownership = iota
	gone             // the lease runs, but no connection of its owner is left
	lapsed           // the lease has run out, or was given up
)

// sight is what a look at a group's owner shows.
type sight struct {
	epoch      int64
	state      ownership
	hookSet    int64 // the owner's
	newerWaits bool  // a process with newer hooks than ours waits to own the group
}

// look reports how the group's owner is.
func (l *Listener) look(ctx context.Context) (s sight, err error) {
	var over bool
	err = l.pool.QueryRow(ctx, `select o.epoch, l.expires_at < clock_timestamp(), l.hook_set, l.wanted_set > $2 and l.wanted_until > clock_timestamp()
		from latchkey.owner o join latchkey.lease l using (group_name) where group_name = $1`, l.cfg.Group, l.hookSet).
		Scan(&s.epoch, &over, &s.hookSet, &s.newerWaits)
	if err != nil {
		return s, fmt.Errorf("read the lease: %w", err)
	}
	if over {
		s.state = lapsed
		return s, nil
	}
	left, err := l.backends(ctx, s.epoch, false)
	if left == 0 {
		s.state = gone
	}
	return s, err
}

// take raises the epoch from old; 0 says that someone else was faster.
func (l *Listener) take(ctx context.Context, old int64) (epoch int64, unclean bool, err error) {
	if _, err := l.backends(ctx, old, true); err != nil {
		return 0, false, err
	}
	l.taken = time.Now()
	err = pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock($1, hashtext($2))`, lockClass, l.cfg.Group); err != nil {
			return err
		}
		var clean bool
		err := tx.QueryRow(ctx, `select clean from latchkey.owner where group_name = $1 and epoch = $2 for update`, l.cfg.Group, old).Scan(&clean)
		if err != nil {
			return err
		}
		unclean = !clean
		if err := tx.QueryRow(ctx, `update latchkey.owner set epoch = epoch + 1, instance = $2, taken_at = now(), clean = false
			where group_name = $1 returning epoch`, l.cfg.Group, l.instance).Scan(&epoch); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `update latchkey.lease set epoch = $2, expires_at = clock_timestamp() + $3, hook_set = $4 where group_name = $1`,
			l.cfg.Group, epoch, l.timing.lease, l.hookSet)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("take the group over: %w", err)
	}
	// Once more: what began between the first time and the new epoch.
	if _, err := l.backends(ctx, old, true); err != nil {
		return 0, false, err
	}
	l.step(stepTaken)
	return epoch, unclean, nil
}

// backends counts the backends of an epoch, and ends them if asked to. Walsenders belong to the replication connection's
// role, so it is done through both.
func (l *Listener) backends(ctx context.Context, epoch int64, end bool) (int, error) {
	// Of this database: others of the cluster have groups, and epochs, of the same name.
	const which = ` from pg_stat_activity where application_name = $1 and datname = current_database() and pid <> pg_backend_pid()`
	const count = `select count(*)` + which
	const terminate = `select count(*) from (select pg_terminate_backend(pid, 2000)` + which + `) ended`
	sql := count
	if end {
		sql = terminate
	}
	total := 0
	for _, pool := range l.pools() {
		var n int
		if err := pool.QueryRow(ctx, sql, applicationName(l.cfg.Group, epoch)).Scan(&n); err != nil {
			return 0, fmt.Errorf("look for the owner's backends: %w", err)
		}
		total = max(total, n)
	}
	return total, nil
}

// fenced begins a batch that commits only while the epoch is the group's. The fence comes first: who lost the group may
// find what it is about to write there already, and is to hear why.
func (t *term) fenced() *pgx.Batch {
	q := &pgx.Batch{}
	if fenceEnabled {
		q.Queue(`select latchkey.fence($1, $2)`, t.cfg.Group, t.epoch)
	}
	return q
}

// renew keeps the lease until the term ends, and ends the term when another epoch has begun, the server can't be reached,
// or a process with newer hooks waits.
func (t *term) renew(ctx context.Context) error {
	ticker := time.NewTicker(t.l.timing.renew)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
		limited, cancel := context.WithTimeout(ctx, t.l.timing.lease)
		var newerWaits, hooksChanged bool
		var controls int64
		asked := time.Now()
		err := t.pool.QueryRow(limited, `update latchkey.lease set expires_at = clock_timestamp() + $3 where group_name = $1 and epoch = $2
			returning wanted_set > hook_set and wanted_until > clock_timestamp(), control, exists (select from latchkey.hook_changes where group_name = $1)`,
			t.cfg.Group, t.epoch, t.l.timing.lease).Scan(&newerWaits, &controls, &hooksChanged)
		cancel()
		if err == nil {
			t.leaseFrom(asked)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, pgx.ErrNoRows):
			return errLost
		case err != nil:
			return fmt.Errorf("renew the lease: %w", err)
		case newerWaits:
			close(t.yield)
			return nil
		case controls != t.controls, hooksChanged && t.cfg.Webhooks != nil:
			t.controls = controls
			signal(t.controlled)
		}
	}
}

// leaseFrom notes that the lease was renewed by a statement that was sent at a time.
func (t *term) leaseFrom(asked time.Time) {
	end := asked.Add(t.l.timing.lease)
	t.lease.Store(&end)
}

// leaseEnd is when nobody knows any more, by this process' clock, that the group is ours. It is earlier than the server's.
func (t *term) leaseEnd() time.Time { return *t.lease.Load() }

// release gives the group up after a clean end, so that a standby need not wait.
func (t *term) release(ctx context.Context) error {
	b := &pgx.Batch{}
	b.Queue(`update latchkey.owner set clean = true where group_name = $1 and epoch = $2`, t.cfg.Group, t.epoch)
	b.Queue(`update latchkey.lease set expires_at = '-infinity' where group_name = $1 and epoch = $2`, t.cfg.Group, t.epoch)
	if err := t.pool.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("release the group: %w", err)
	}
	return nil
}
