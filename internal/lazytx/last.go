package lazytx

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Last sends one statement that ends the transaction, with first ahead of it, all in one round trip. If the transaction
// has not begun by then it never does: the batch is one implicit transaction, atomic by itself. A savepoint is set all the
// same, in the same round trip, because a statement that fails must not take the transaction around it along. It is a
// DBTX for sqlc's queries, good for one call; its SQL isn't checked for control statements.
type Last struct {
	tx    *Tx
	first []Statement
}

// Last makes the ending of t.
func (t *Tx) Last(first ...Statement) *Last { return &Last{tx: t, first: first} }

// Exec implements DBTX.
func (l *Last) Exec(ctx context.Context, sql string, args ...any) (tag pgconn.CommandTag, err error) {
	err = l.run(ctx, sql, args, func(r pgx.BatchResults) error {
		tag, err = r.Exec()
		return err
	})
	return tag, err
}

// Query implements DBTX; ending a transaction with rows still to be read would hide the outcome, so it is refused.
func (l *Last) Query(context.Context, string, ...any) (pgx.Rows, error) {
	err := errors.New("lazytx: the last statement gives one row or none: use QueryRow or Exec")
	return failedRows(err), err
}

// QueryRow implements DBTX. The transaction ends in Scan.
func (l *Last) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return rowFunc(func(dest ...any) error {
		return l.run(ctx, sql, args, func(r pgx.BatchResults) error { return r.QueryRow().Scan(dest...) })
	})
}

func (l *Last) run(ctx context.Context, sql string, args []any, read func(pgx.BatchResults) error) error {
	t := l.tx
	if err := t.enter(); err != nil {
		_ = t.Rollback(ctx) // err says why
		return err
	}
	said, err := l.send(ctx, sql, args, read)
	if err := t.ended(ctx, err); err != nil {
		return err
	}
	return said
}

// send returns what the statement said and what became of the transaction: they differ where a statement that gave no
// row was committed.
func (l *Last) send(ctx context.Context, sql string, args []any, read func(pgx.BatchResults) error) (said, err error) {
	t, b := l.tx, &pgx.Batch{}
	if implicit := t.parent == nil && t.line.pool != nil && !t.Begun(); implicit {
		queue(b, l.first)
		b.Queue(sql, args...)
		results := t.line.pool.SendBatch(ctx, b)
		if err = skip(results, len(l.first)); err == nil {
			said = read(results)
		}
		return said, results.Close()
	}
	conn, err := t.line.conn(ctx)
	if err != nil {
		return nil, err
	}
	levels := t.unopened()
	opening := queueOpen(b, levels)
	queue(b, l.first)
	b.Queue(sql, args...)
	b.Queue(t.commit)
	results := conn.SendBatch(ctx, b)
	if err = skip(results, opening); err != nil {
		_ = results.Close() // err is the first one
	}
	if err = t.line.opened(levels, err); err == nil {
		err = skip(results, len(l.first))
	}
	if err == nil {
		said = read(results)
		err = readCommit(results)
	}
	if closeErr := results.Close(); err == nil {
		err = closeErr
	}
	return said, err
}

type rowFunc func(dest ...any) error

func (f rowFunc) Scan(dest ...any) error { return f(dest...) }
