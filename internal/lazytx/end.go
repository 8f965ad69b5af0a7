package lazytx

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// rollbackTime bounds a rollback: it also runs when the caller's context is done.
const rollbackTime = 3 * time.Second

// Commit ends the transaction in one round trip: last, then COMMIT. It is never committed when one of them fails. Not
// begun, it does nothing and reports so by [Tx.Begun]; nor does a second call do anything. A transaction whose first
// statement failed before it could begin is not committed either, as any other that has failed.
func (t *Tx) Commit(ctx context.Context, last ...Statement) error {
	if t.state.Load() == committed {
		return nil
	}
	if err := t.enter(); err != nil {
		_ = t.Rollback(ctx) // err says why
		return err
	}
	var err error
	if t.Begun() {
		err = t.sendCommit(ctx, last)
	}
	return t.ended(ctx, err)
}

// ended leaves the line, committed or, after an error, rolled back.
func (t *Tx) ended(ctx context.Context, err error) error {
	if err != nil {
		t.leave()
		_ = t.Rollback(ctx) // err says why
		return err
	}
	t.state.Store(committed)
	if t.parent == nil {
		t.line.release()
	}
	t.leave()
	return nil
}

func (t *Tx) sendCommit(ctx context.Context, last []Statement) error {
	conn, err := t.line.conn(ctx)
	if err != nil {
		return err
	}
	b := &pgx.Batch{}
	queue(b, last)
	b.Queue(t.commit)
	results := conn.SendBatch(ctx, b)
	err = skip(results, len(last))
	if err == nil {
		err = readCommit(results)
	}
	if closeErr := results.Close(); err == nil {
		err = closeErr
	}
	return err
}

// readCommit tells a COMMIT from one that the server answered with a rollback, which it does without an error.
func readCommit(results pgx.BatchResults) error {
	tag, err := results.Exec()
	if err == nil && tag.String() == "ROLLBACK" {
		return ErrNotCommit
	}
	return err
}

// Rollback ends the transaction without its effects; for a savepoint, without those since it was set. Where a hook that
// was given up still has a statement running, or rows open, it cuts the connection: then the whole transaction is
// lost, and a savepoint's outer levels answer ErrClosed. It doesn't wait for the hook. Calling it after the end does
// nothing. Of a transaction of someone else's that has no method Conn() *pgx.Conn, it waits for the statement to end.
func (t *Tx) Rollback(ctx context.Context) error {
	if !t.state.CompareAndSwap(running, rolledBack) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTime)
	defer cancel()
	l := t.line
	free := l.call.TryLock()
	if !free || l.reading != nil {
		connected := l.cut()
		if !free {
			if !connected {
				return nil // it waits for a connection, and will give it back
			}
			l.call.Lock()
		}
		l.failed = fmt.Errorf("%w: it was cut, because a hook that was given up still used it", ErrClosed)
	}
	defer l.call.Unlock()
	if l.reading != nil {
		l.reading.abandon()
	}
	return t.takeBack(ctx)
}

// takeBack undoes what reached the server. The line's call is held.
func (t *Tx) takeBack(ctx context.Context) error {
	l := t.line
	var err error
	if t.Begun() && l.failed == nil && !l.idle() {
		conn, _ := l.conn(ctx) // there is one
		if _, err = conn.Exec(ctx, t.undo); err != nil {
			err = fmt.Errorf("%s: %w", t.undo, err)
			l.failed = err // what should be undone may still be there, so nothing may be committed
		}
	}
	if t.parent == nil {
		l.release()
	}
	return err
}
