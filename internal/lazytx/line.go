package lazytx

import (
	"context"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-dev/latchkey/hooks"
)

// line is the connection that the levels of one transaction share.
type line struct {
	pool    *pgxpool.Pool // nil: the transaction is someone else's
	foreign Conn
	hook    *hooks.Running // whose transaction it is; nil: no after-hook's

	call    sync.Mutex // held during every call into pgx, and for as short
	reading abandoner  // rows or results that aren't closed yet; guarded by call
	begun   bool       // BEGIN reached the server; guarded by call
	failed  error      // why nothing more is sent; guarded by call

	mu   sync.Mutex    // guards the two below, and is never held during a call
	own  *pgxpool.Conn // changes only with call held as well
	over bool          // no connection is taken any more
}

// abandoner is what a hook that was given up may have left open.
type abandoner interface{ abandon() }

// usable says what stands in the way of a statement. call is held.
func (l *line) usable() error {
	switch {
	case l.failed != nil:
		return l.failed
	case l.reading != nil:
		return ErrBusy
	case l.begun && l.idle():
		l.failed = ErrControl // a statement ended the transaction: what follows would be outside of one
		return l.failed
	}
	return nil
}

// idle reports whether the server says that the connection of our own is in no transaction. call is held.
func (l *line) idle() bool { return l.own != nil && l.own.Conn().PgConn().TxStatus() == 'I' }

// conn is where statements go. call is held.
func (l *line) conn(ctx context.Context) (Conn, error) {
	switch {
	case l.pool == nil:
		return l.foreign, nil
	case l.own != nil:
		return l.own, nil
	}
	own, err := l.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over { // while we waited for the connection
		own.Release()
		return nil, ErrClosed
	}
	l.own = own
	return own, nil
}

// opened records how opening the levels went; after an error, their batch is closed. A statement that can't be prepared
// fails before anything of its batch is sent: then the transaction hasn't begun, and behaves like any that has failed.
// call is held.
func (l *line) opened(levels []*Tx, err error) error {
	if l.pool != nil {
		l.begun = err == nil || !l.idle()
		if !l.begun {
			l.failed = fmt.Errorf("the transaction failed at its first statement: %w", err)
			return err
		}
	}
	for _, t := range levels {
		if err == nil || l.pool != nil && t.parent == nil {
			t.begun.Store(true)
		}
	}
	return err
}

// cut ends whatever runs on the connection, and the transaction with it: what waits for the server gets an error, at
// which pgx asks the server to stop, so that the locks go too. It reports whether there was a connection.
func (l *line) cut() bool {
	l.mu.Lock()
	l.over = true
	own := l.own
	l.mu.Unlock()
	var conn *pgx.Conn
	if own != nil {
		conn = own.Conn()
	} else if tx, ok := l.foreign.(interface{ Conn() *pgx.Conn }); ok {
		conn = tx.Conn()
	}
	if conn != nil {
		_ = conn.PgConn().Conn().Close() // an error says that it is closed
	}
	return conn != nil || l.foreign != nil
}

// release gives the connection back; one that isn't idle again is closed by the pool. call is held.
func (l *line) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	if l.own != nil {
		l.own.Release()
		l.own, l.begun = nil, false
	}
}
