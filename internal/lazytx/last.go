package lazytx

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Last sends one statement that ends the transaction, with first ahead of it, all in one round trip. If the transaction
// has not begun by then it never does: the batch is one implicit transaction, atomic by itself. It is a DBTX for sqlc's
// queries, good for one call.
type Last struct {
	tx    *Tx
	first []Statement
}

// Last makes the ending of t.
func (t *Tx) Last(first ...Statement) *Last { return &Last{tx: t, first: first} }

// Exec implements DBTX.
func (l *Last) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	var tag pgconn.CommandTag
	err := l.run(ctx, sql, args, func(r pgx.BatchResults) (err error) {
		tag, err = r.Exec()
		return err
	})
	return tag, err
}

// Query implements DBTX; ending a transaction with rows still to be read would hide the outcome, so it is refused.
func (l *Last) Query(context.Context, string, ...any) (pgx.Rows, error) {
	return nil, errors.New("lazytx: the last statement gives one row or none: use QueryRow or Exec")
}

// QueryRow implements DBTX. The transaction ends in Scan.
func (l *Last) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return rowFunc(func(dest ...any) error {
		return l.run(ctx, sql, args, func(r pgx.BatchResults) error { return r.QueryRow().Scan(dest...) })
	})
}

func (l *Last) run(ctx context.Context, sql string, args []any, read func(pgx.BatchResults) error) error {
	t := l.tx
	if err := t.lock(); err != nil {
		return err
	}
	err := l.send(ctx, sql, args, read)
	t.unlock()
	if err != nil {
		_ = t.Rollback(ctx) // err says why
		return err
	}
	t.close()
	return nil
}

func (l *Last) send(ctx context.Context, sql string, args []any, read func(pgx.BatchResults) error) error {
	t := l.tx
	b := &pgx.Batch{}
	queue(b, l.first)
	b.Queue(sql, args...)
	begun := t.Begun()
	if begun {
		b.Queue(t.endStatement())
	}
	var results pgx.BatchResults
	switch {
	case begun || t.parent != nil && !begun:
		conn, err := l.conn(ctx, begun)
		if err != nil {
			return err
		}
		results = conn.SendBatch(ctx, b)
	default:
		results = t.pool.SendBatch(ctx, b)
	}
	if err := skip(results, len(l.first)); err != nil {
		return err
	}
	err := read(results)
	if err == nil && begun {
		var tag pgconn.CommandTag
		tag, err = results.Exec()
		err = committed(tag, err)
	}
	if closeErr := results.Close(); err == nil {
		err = closeErr
	}
	return err
}

// conn is where the batch goes: the transaction's connection, or, for a savepoint that nothing used, its parent's.
func (l *Last) conn(ctx context.Context, begun bool) (Conn, error) {
	if begun {
		conn, _, err := l.tx.ready(ctx)
		return conn, err
	}
	if nested, ok := l.tx.parent.(*Tx); ok {
		return nested.start(ctx)
	}
	return l.tx.parent, nil
}

type rowFunc func(dest ...any) error

func (f rowFunc) Scan(dest ...any) error { return f(dest...) }
