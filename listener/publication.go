package listener

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

func publicationName(group string) string { return "latchkey_" + group }

// ensurePublication makes the hooked tables ready and publishes them: before the slot, and each table in a transaction
// that waits for its writers, or changes of theirs would never be decoded.
func (l *Listener) ensurePublication(ctx context.Context) error {
	tables, err := l.readTables(ctx)
	if err != nil {
		return err
	}
	var problems []error
	for _, t := range tables {
		problems = append(problems, t.problem(l.cfg.Group))
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	for _, t := range tables {
		for _, part := range t.unready {
			if err := l.watch(ctx, t, part, lockTries); err != nil {
				return err
			}
		}
	}
	publication := publicationName(l.cfg.Group)
	if err := l.createPublication(ctx, publication); err != nil {
		return err
	}
	for _, t := range tables {
		if !t.published {
			if err := l.publish(ctx, publication, t); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *Listener) createPublication(ctx context.Context, publication string) error {
	var exists bool
	var version int
	if err := l.pool.QueryRow(ctx, `select exists (select from pg_publication where pubname = $1), current_setting('server_version_num')::int`, publication).
		Scan(&exists, &version); err != nil {
		return fmt.Errorf("look for publication %s: %w", publication, err)
	}
	if exists {
		return nil
	}
	create := `create publication ` + pgx.Identifier{publication}.Sanitize() + ` with (publish_via_partition_root = true`
	if version >= 180000 { // before, generated columns never reach the log
		create += `, publish_generated_columns = stored`
	}
	create += `)`
	_, err := l.pool.Exec(ctx, create)
	switch state := sqlState(err); {
	case err == nil, state == stateExists, state == stateUnique: // another instance was faster
		return nil
	case state == stateNoRights:
		return stop(err, "grant create on the database to the role, or create it as a superuser: "+create, "the role may not create publication %s", publication)
	}
	return fmt.Errorf("create publication %s: %w", publication, err)
}

func (l *Listener) publish(ctx context.Context, publication string, t *tableState) error {
	// The lock waits for every transaction that has written the table, so that none is half published.
	err := l.underLock(ctx, t.name, "to publish it", lockTries, `lock table `+t.only(quoted(t.name))+` in share row exclusive mode`,
		`alter publication `+pgx.Identifier{publication}.Sanitize()+` add table `+t.only(quoted(t.name)))
	switch state := sqlState(err); {
	case state == stateExists: // another instance was faster
		return nil
	case state == stateNoRights:
		return stop(err, fmt.Sprintf("as the owner of both: alter publication %s add table %s", publication, t.only(t.name)), "the role may not publish %s", t.name)
	}
	return err
}

// watch has latchkey.watch make the table, or one of its partitions, ready; it waits for whoever reads or writes it.
func (l *Listener) watch(ctx context.Context, t *tableState, part string, tries int) error {
	err := l.underLock(ctx, part, "to make it ready for hooks", tries, watchSQL(part))
	if sqlState(err) == stateNoRights {
		return stop(err, fmt.Sprintf("run `%s` as its owner (it briefly locks the table)", watchSQL(t.name)), "the role may not make table %s ready for hooks", part)
	}
	return err
}

func watchSQL(table string) string { return `select latchkey.watch(` + literal(table) + `)` }

// lockTries and lockWait bound how often, and how long each time, the writers of a table are made to wait.
const (
	lockTries = 20
	lockWait  = "500ms"
)

// underLock runs statements in one transaction that gives up waiting for a lock soon, so that what queues behind it isn't
// held up for long, and tries again. The last try's failure is a stop.
func (l *Listener) underLock(ctx context.Context, table, purpose string, tries int, statements ...string) error {
	for try := 1; ; try++ {
		err := pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
			for _, sql := range append([]string{`set local lock_timeout = '` + lockWait + `'`}, statements...) {
				if _, err := tx.Exec(ctx, sql); err != nil {
					return err
				}
			}
			return nil
		})
		switch state := sqlState(err); {
		case err == nil, state == stateNoRights, state == stateExists && len(statements) > 1:
			return err
		case state != stateLockWait && state != stateDeadlock && state != stateExists && state != stateInternal:
			return fmt.Errorf("lock table %s, %s: %w", table, purpose, err)
		case try >= tries:
			return stop(err, "end the transactions that use it (select * from pg_locks where relation = "+literal(table)+"::regclass), and start again",
				"table %s could not be locked, %s", table, purpose)
		}
		l.log.Info("waiting for a lock on a table", "table", table, "purpose", purpose, "try", try)
	}
}
