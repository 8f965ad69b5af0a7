// Package lazytx is the transaction behind hooks.Tx: it begins at its first use, in the same round trip as the first
// statement, speaks only the extended protocol (the simple one would let "...; commit; begin" through) and refuses
// statements that control the transaction. pgx.Tx can't begin lazily, because it can hand out its connection.
package lazytx

import (
	"context"
	"errors"
	"fmt"
	"sync"

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
)

// Statement is SQL with its arguments.
type Statement struct {
	SQL  string
	Args []any
}

// Tx implements [hooks.Tx].
type Tx struct {
	pool   *pgxpool.Pool      // a transaction of its own, or
	parent Conn               // a savepoint in this one
	begin  func() []Statement // what follows BEGIN, in the same round trip

	use sync.Mutex // of the root: held while a statement runs

	mu     sync.Mutex // guards the fields below, briefly
	own    *pgxpool.Conn
	begun  bool
	closed bool
	broken error // its first statement failed before it could begin
}

var _ hooks.Tx = (*Tx)(nil)

// New makes a transaction that will take a connection from the pool; begin follows its BEGIN.
func New(pool *pgxpool.Pool, begin ...Statement) *Tx {
	return NewFunc(pool, func() []Statement { return begin })
}

// NewFunc is New for callers that would rather not make the statements of a transaction that may never begin.
func NewFunc(pool *pgxpool.Pool, begin func() []Statement) *Tx { return &Tx{pool: pool, begin: begin} }

// Nested makes a savepoint in a running transaction, set at first use.
func Nested(parent Conn) *Tx { return &Tx{parent: parent} }

// Root is the outermost Tx that t is nested in.
func (t *Tx) Root() *Tx {
	for {
		parent, ok := t.parent.(*Tx)
		if !ok {
			return t
		}
		t = parent
	}
}

// Begun reports whether the transaction was used.
func (t *Tx) Begun() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.begun
}

// lock reserves the connection for one statement.
func (t *Tx) lock() error {
	if !t.Root().use.TryLock() {
		return errBusy
	}
	return nil
}

func (t *Tx) unlock() { t.Root().use.Unlock() }

// ready returns the connection, and what must be sent before the next statement for the transaction to be there.
func (t *Tx) ready(ctx context.Context) (Conn, []Statement, error) {
	t.mu.Lock()
	closed, begun, broken := t.closed, t.begun, t.broken
	t.mu.Unlock()
	switch {
	case closed:
		return nil, nil, ErrClosed
	case broken != nil:
		return nil, nil, fmt.Errorf("the transaction failed at its first statement: %w", broken)
	}
	if t.parent == nil {
		return t.readyOwn(ctx, begun)
	}
	conn, first := t.parent, []Statement(nil)
	if nested, ok := t.parent.(*Tx); ok {
		var err error
		if conn, first, err = nested.ready(ctx); err != nil {
			return nil, nil, err
		}
	}
	if !begun {
		first = append(first, Statement{SQL: "savepoint latchkey"})
		t.set(func() { t.begun = true })
	}
	return conn, first, nil
}

func (t *Tx) readyOwn(ctx context.Context, begun bool) (Conn, []Statement, error) {
	if begun {
		return t.own, nil, nil
	}
	own, err := t.pool.Acquire(ctx)
	if err != nil {
		return nil, nil, err
	}
	ended := false
	t.set(func() {
		if ended = t.closed; !ended {
			t.own, t.begun = own, true
		}
	})
	if ended { // while we waited for the connection
		own.Release()
		return nil, nil, ErrClosed
	}
	return own, append([]Statement{{SQL: "begin isolation level read committed"}}, t.begin()...), nil
}

func (t *Tx) set(change func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change()
}

// Exec implements [hooks.Tx].
func (t *Tx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	rows, err := t.Query(ctx, sql, args...) // pgx's own Exec without arguments would take the simple protocol
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	rows.Close()
	return rows.CommandTag(), rows.Err()
}

// QueryRow implements [hooks.Tx].
func (t *Tx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	rows, err := t.Query(ctx, sql, args...)
	return &row{rows: rows, err: err}
}

// Query implements [hooks.Tx].
func (t *Tx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := allowed(sql, args); err != nil {
		return nil, err
	}
	if err := t.lock(); err != nil {
		return nil, err
	}
	r, results, err := t.query(ctx, sql, args)
	if err != nil {
		t.unlock()
		return nil, err
	}
	return &rows{Rows: r, results: results, done: t.unlock}, nil
}

// query sends BEGIN in one round trip with the first statement. A savepoint has one of its own: a statement that can't
// be parsed fails before the batch is sent, and would fail the transaction around the savepoint.
func (t *Tx) query(ctx context.Context, sql string, args []any) (pgx.Rows, pgx.BatchResults, error) {
	if t.parent != nil || t.Begun() {
		conn, err := t.start(ctx)
		if err != nil {
			return nil, nil, err
		}
		r, err := conn.Query(ctx, sql, args...)
		return r, nil, err
	}
	conn, first, err := t.ready(ctx)
	if err != nil {
		return nil, nil, err
	}
	b := &pgx.Batch{}
	queue(b, first)
	b.Queue(sql, args...)
	results := conn.SendBatch(ctx, b)
	if err := skip(results, len(first)); err != nil {
		t.unbegin(err)
		return nil, nil, err
	}
	r, err := results.Query()
	if err != nil {
		_ = results.Close() // err is the first one
		return nil, nil, err
	}
	return r, results, nil
}

// unbegin undoes a begin that never reached the server, so that nothing later runs outside a transaction.
func (t *Tx) unbegin(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.broken = err
	if t.own != nil && t.own.Conn().PgConn().TxStatus() == 'I' {
		t.own.Release()
		t.own, t.begun = nil, false
	}
}

// SendBatch implements [hooks.Tx].
func (t *Tx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	for _, q := range b.QueuedQueries {
		if err := allowed(q.SQL, q.Arguments); err != nil {
			return failedBatch{err}
		}
	}
	if err := t.lock(); err != nil {
		return failedBatch{err}
	}
	conn, err := t.start(ctx)
	if err != nil {
		t.unlock()
		return failedBatch{err}
	}
	return &batch{BatchResults: conn.SendBatch(ctx, b), done: t.unlock}
}

// CopyFrom implements [hooks.Tx].
func (t *Tx) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, src pgx.CopyFromSource) (int64, error) {
	if err := t.lock(); err != nil {
		return 0, err
	}
	defer t.unlock()
	conn, err := t.start(ctx)
	if err != nil {
		return 0, err
	}
	return conn.CopyFrom(ctx, table, columns, src)
}

// InTx implements [hooks.Tx].
func (t *Tx) InTx(ctx context.Context, fn func(hooks.Tx) error) error {
	child := Nested(t)
	if err := fn(child); err != nil {
		return errors.Join(err, child.Rollback(ctx))
	}
	return child.Commit(ctx)
}

// start makes the transaction be there, in a round trip of its own if it isn't yet.
func (t *Tx) start(ctx context.Context) (Conn, error) {
	conn, first, err := t.ready(ctx)
	if err != nil || len(first) == 0 {
		return conn, err
	}
	b := &pgx.Batch{}
	queue(b, first)
	if err := conn.SendBatch(ctx, b).Close(); err != nil {
		t.unbegin(err)
		return nil, err
	}
	return conn, nil
}

func queue(b *pgx.Batch, statements []Statement) {
	for _, s := range statements {
		b.Queue(s.SQL, s.Args...)
	}
}

// skip reads results that nobody looks at, and closes the batch on the first error.
func skip(results pgx.BatchResults, n int) error {
	for range n {
		if _, err := results.Exec(); err != nil {
			_ = results.Close() // err is the first one
			return err
		}
	}
	return nil
}

// errBusy would be a data race on the connection otherwise.
var errBusy = errors.New("the transaction is in use: close the rows or the batch before the next statement, and don't share it between goroutines")
