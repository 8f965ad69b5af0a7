// Package lazytx is the transaction behind hooks.Tx: it begins at its first use, in the same round trip as the first
// statement, speaks only the extended protocol (the simple one would let "...; commit; begin" through) and refuses
// statements that control the transaction. pgx.Tx can't begin lazily, because it can hand out its connection.
//
// A [Tx] is one level: a transaction, or a savepoint in another. The levels of one transaction share a line, the
// connection with its rules of use. A statement first opens the levels above it that aren't open yet.
package lazytx

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-dev/latchkey/hooks"
)

// Conn is a transaction of someone else's that a [Tx] can nest in.
type Conn interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
	CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (int64, error)
}

// Errors of a Tx.
var (
	ErrClosed    = errors.New("the transaction is over: a hook's transaction ends when the hook returns")
	ErrControl   = errors.New("a hook's transaction is committed or rolled back by what the hook returns: use tx.InTx for a savepoint, and no BEGIN, COMMIT, ROLLBACK or SAVEPOINT of your own")
	ErrNotCommit = errors.New("the transaction had failed, so COMMIT rolled it back")
	// ErrBusy would be a data race on the connection otherwise.
	ErrBusy = errors.New("the transaction is in use: close the rows or the batch before the next statement, and don't share it between goroutines")
)

// Statement is SQL with its arguments.
type Statement struct {
	SQL  string
	Args []any
}

// Tx implements [hooks.Tx].
type Tx struct {
	line   *line
	parent *Tx                // nil: the outermost of ours
	open   string             // begins it
	then   func() []Statement // what follows, in the same round trip; nil: nothing
	commit string             // ends it
	undo   string             // takes it back

	begun atomic.Bool
	state atomic.Int32
}

var _ hooks.Tx = (*Tx)(nil)

// The states of a Tx.
const (
	running int32 = iota
	committed
	rolledBack
)

// New makes a transaction that will take a connection from the pool; begin follows its BEGIN, in the same round trip.
func New(pool *pgxpool.Pool, begin ...Statement) *Tx {
	return NewFunc(pool, func() []Statement { return begin })
}

// NewFunc is New for callers that would rather not make the statements of a transaction that may never begin.
func NewFunc(pool *pgxpool.Pool, begin func() []Statement) *Tx {
	return &Tx{line: &line{pool: pool}, open: "begin isolation level read committed", then: begin, commit: "commit", undo: "rollback"}
}

// Nested makes a savepoint in a running transaction, set at first use. One inside another hides it until it ends, so all
// have one name.
func Nested(in Conn) *Tx {
	t := &Tx{
		line: &line{foreign: in}, open: "savepoint latchkey", commit: "release savepoint latchkey",
		undo: "rollback to savepoint latchkey; release savepoint latchkey",
	}
	if parent, ok := in.(*Tx); ok {
		t.line, t.parent = parent.line, parent
	}
	return t
}

// Give says whose transaction it is, before anyone uses it.
func (t *Tx) Give(r *hooks.Running) { t.line.hook = r }

// Hook is whose transaction it is, nil if it is no after-hook's. It knows what a context that was lost on the way doesn't.
func (t *Tx) Hook() *hooks.Running { return t.line.hook }

// Shares reports whether both are levels of one transaction.
func (t *Tx) Shares(other *Tx) bool { return t.line == other.line }

// Begun reports whether the transaction has begun, so whether it was used.
func (t *Tx) Begun() bool { return t.begun.Load() }

// Open reports whether a transaction may be open on the connection, begun by whichever level.
func (t *Tx) Open() bool {
	l := t.line
	if !l.call.TryLock() {
		return true // a statement runs
	}
	defer l.call.Unlock()
	return l.begun || l.foreign != nil
}

// Escaped reports whether a statement has ended the transaction, although none may: what preceded it may be committed. Ask
// before Rollback, which gives the connection back.
func (t *Tx) Escaped() bool {
	l := t.line
	if !l.call.TryLock() {
		return false // a statement runs
	}
	defer l.call.Unlock()
	return errors.Is(l.failed, ErrControl) || l.begun && l.reading == nil && l.idle()
}

// Do runs fn and then commits; where fn returns an error or panics it rolls back. What fn has committed stays so.
func (t *Tx) Do(ctx context.Context, fn func() error) error {
	defer func() { _ = t.Rollback(ctx) }() // does nothing after the commit; where it fails, the connection is closed
	if err := fn(); err != nil {
		return err
	}
	return t.Commit(ctx)
}

// InTx implements [hooks.Tx].
func (t *Tx) InTx(ctx context.Context, fn func(hooks.Tx) error) error {
	child := Nested(t)
	return child.Do(ctx, func() error { return fn(child) })
}

// enter reserves the connection for one call, or says why there can be none. leave follows.
func (t *Tx) enter() error {
	if !t.line.call.TryLock() {
		if t.over() {
			return ErrClosed
		}
		return ErrBusy
	}
	err := t.line.usable()
	if t.over() {
		err = ErrClosed
	}
	if err != nil {
		t.leave()
	}
	return err
}

func (t *Tx) leave() { t.line.call.Unlock() }

// over reports whether t, or what it is nested in, has ended.
func (t *Tx) over() bool {
	for ; t != nil; t = t.parent {
		if t.state.Load() != running {
			return true
		}
	}
	return false
}

// unopened lists the levels that a statement in t must open first, the outermost first.
func (t *Tx) unopened() []*Tx {
	var levels []*Tx
	for ; t != nil; t = t.parent {
		if !t.begun.Load() {
			levels = append(levels, t)
		}
	}
	slices.Reverse(levels)
	return levels
}

// start opens t in a round trip of its own, if it isn't open yet.
func (t *Tx) start(ctx context.Context) (Conn, error) {
	conn, err := t.line.conn(ctx)
	if err != nil {
		return nil, err
	}
	levels := t.unopened()
	if len(levels) == 0 {
		return conn, nil
	}
	b := &pgx.Batch{}
	n := queueOpen(b, levels)
	results := conn.SendBatch(ctx, b)
	err = skip(results, n)
	if closeErr := results.Close(); err == nil {
		err = closeErr
	}
	return conn, t.line.opened(levels, err)
}

// queueOpen queues what opens the levels, and returns how many statements that are.
func queueOpen(b *pgx.Batch, levels []*Tx) int {
	for _, t := range levels {
		b.Queue(t.open)
		if t.then != nil {
			queue(b, t.then())
		}
	}
	return b.Len()
}

func queue(b *pgx.Batch, statements []Statement) {
	for _, s := range statements {
		b.Queue(s.SQL, s.Args...)
	}
}

// skip reads results that nobody looks at, up to the first error.
func skip(results pgx.BatchResults, n int) error {
	for range n {
		if _, err := results.Exec(); err != nil {
			return err
		}
	}
	return nil
}
