package db

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/lazytx"
)

// session is where a repository works: the store's pool, or a transaction that someone began.
type session struct {
	pool *pgxpool.Pool
	conn Conn // nil: every write is a transaction of its own
}

// reader is what reads go to.
func (s *session) reader() dbsqlc.DBTX {
	if s.conn != nil {
		return s.conn
	}
	return s.pool
}

// mayWrite refuses a write that a hook makes beside its own transaction: it would stay when that is rolled back.
func (s *session) mayWrite(ctx context.Context) error {
	running := hooks.Current(ctx)
	if running == nil || running.Tx == nil {
		return nil
	}
	theirs, ok := running.Tx.(*lazytx.Tx)
	if ours, isLazy := s.conn.(*lazytx.Tx); ok && isLazy && ours.Root() == theirs.Root() {
		return nil
	}
	return hooks.ErrOutsideTx
}

// write is one write of a repository: a transaction that begins when a hook or a second statement needs it, a savepoint
// inside a larger one.
type write struct {
	tx    *lazytx.Tx
	stamp lazytx.Statement
	said  bool
}

func (s *session) write(ctx context.Context) (*write, error) {
	if err := s.mayWrite(ctx); err != nil {
		return nil, err
	}
	ahead, inContext, err := stampStatements(ctx)
	if err != nil {
		return nil, err
	}
	if s.conn != nil {
		return &write{tx: lazytx.Nested(s.conn), stamp: ahead}, nil
	}
	return &write{tx: lazytx.New(s.pool, inContext), stamp: ahead}, nil
}

// last gives the queries for the statement that ends the write: stamp, statement and commit are one round trip.
func (w *write) last() *dbsqlc.Queries { return dbsqlc.New(w.tx.Last(w.stamp)) }

// step gives the queries for a statement that others follow.
func (w *write) step(ctx context.Context) (*dbsqlc.Queries, error) {
	if !w.said {
		if _, err := w.tx.Exec(ctx, w.stamp.SQL, w.stamp.Args...); err != nil {
			return nil, err
		}
		w.said = true
	}
	return dbsqlc.New(w.tx), nil
}

// inWrite runs fn, which ends with w.last() or returns an error; whatever it leaves open is rolled back.
func inWrite[T any](ctx context.Context, s *session, fn func(*write) (T, error)) (T, error) {
	w, err := s.write(ctx)
	if err != nil {
		var zero T
		return zero, err
	}
	out, err := fn(w)
	if err != nil {
		var zero T
		_ = w.tx.Rollback(ctx) // err says why
		return zero, err
	}
	return out, w.tx.Commit(ctx) // does nothing after last()
}
