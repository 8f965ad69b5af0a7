package lazytx

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// rollbackTime bounds a rollback: it also runs when the caller's context is done.
const rollbackTime = 3 * time.Second

// Commit ends the transaction in one round trip: last, then COMMIT. It is never committed when one of them fails. Not
// begun, it does nothing and reports so by [Tx.Begun].
func (t *Tx) Commit(ctx context.Context, last ...Statement) error {
	if !t.Begun() {
		t.close()
		return nil
	}
	if err := t.lock(); err != nil {
		return err
	}
	err := t.commit(ctx, last)
	t.unlock()
	if err != nil {
		_ = t.Rollback(ctx) // err says why
		return err
	}
	t.close()
	return nil
}

func (t *Tx) commit(ctx context.Context, last []Statement) error {
	conn, _, err := t.ready(ctx)
	if err != nil {
		return err
	}
	b := &pgx.Batch{}
	queue(b, last)
	b.Queue(t.endStatement())
	results := conn.SendBatch(ctx, b)
	if err := skip(results, len(last)); err != nil {
		return err
	}
	tag, err := results.Exec()
	if closeErr := results.Close(); err == nil {
		err = closeErr
	}
	return committed(tag, err)
}

// committed tells a COMMIT from one that the server answered with a rollback, which it does without an error.
func committed(tag pgconn.CommandTag, err error) error {
	if err == nil && tag.String() == "ROLLBACK" {
		return ErrNotCommit
	}
	return err
}

func (t *Tx) endStatement() string {
	if t.parent != nil {
		return "release savepoint latchkey"
	}
	return "commit"
}

// Rollback ends the transaction without its effects, also when a statement of a hook that was given up still runs: then
// by cutting the connection. Calling it after the end does nothing.
func (t *Tx) Rollback(ctx context.Context) error {
	t.mu.Lock()
	closed, begun, own := t.closed, t.begun, t.own
	t.closed = true
	t.mu.Unlock()
	if closed || !begun {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTime)
	defer cancel()
	root := t.Root()
	if !root.use.TryLock() {
		if own == nil {
			return nil // the statement that runs belongs to an outer transaction's end
		}
		_ = own.Conn().PgConn().Conn().Close() // whatever runs there ends now, and so does the transaction
		root.use.Lock()
	}
	defer root.use.Unlock()
	if t.parent != nil {
		return t.rollbackTo(ctx)
	}
	_, err := own.Exec(ctx, "rollback")
	own.Release() // a connection that is not idle again is closed by the pool
	if err != nil {
		return fmt.Errorf("rollback: %w", err)
	}
	return nil
}

func (t *Tx) rollbackTo(ctx context.Context) error {
	conn := t.parent
	if nested, ok := t.parent.(*Tx); ok {
		var err error
		if conn, _, err = nested.ready(ctx); err != nil {
			return err
		}
	}
	for _, sql := range []string{"rollback to savepoint latchkey", "release savepoint latchkey"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// close marks the transaction as ended and gives its connection back.
func (t *Tx) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.own != nil && !t.closed {
		t.own.Release()
	}
	t.closed = true
}
