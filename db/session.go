package db

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/lazytx"
)

// session is where a repository works: the store's pool, or a transaction that someone began.
type session struct {
	pool  *pgxpool.Pool
	conn  Conn // nil: every write is a transaction of its own
	watch *watcher
	asks  *asks

	unlinked bool // Config.NoLinking; asked once, when the store opens
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
	if ours, isLazy := s.conn.(*lazytx.Tx); ok && isLazy && ours.Shares(theirs) {
		return nil
	}
	return hooks.ErrOutsideTx
}

// running is the hook that makes a write: the context's, or the one whose transaction it is, should the hook write with a
// context of its own. Otherwise hooks that cause each other's events would not be counted, and never be stopped.
func (s *session) running(ctx context.Context) *hooks.Running {
	if r := hooks.Current(ctx); r != nil {
		return r
	}
	if tx, ok := s.conn.(*lazytx.Tx); ok {
		return tx.Hook()
	}
	return nil
}

// write is one write of a repository: a transaction that begins when a hook or a second statement needs it, a savepoint
// inside a larger one.
type write struct {
	tx    *lazytx.Tx
	stamp lazytx.Statement
}

func (s *session) write(ctx context.Context) (*write, error) {
	if err := s.mayWrite(ctx); err != nil {
		return nil, err
	}
	ahead, inContext, err := stampStatements(ctx, s.running(ctx))
	if err != nil {
		return nil, err
	}
	if s.conn != nil {
		return &write{tx: lazytx.Nested(s.conn), stamp: ahead}, nil
	}
	return &write{tx: lazytx.New(s.pool, inContext), stamp: ahead}, nil
}

// step gives the queries for a statement that others follow.
func (w *write) step() *dbsqlc.Queries { return dbsqlc.New(w.tx) }

// last gives the queries for the statement that ends the write: what has to hold for it, stamp, statement and commit are one
// round trip.
func (w *write) last(checks ...lazytx.Statement) *dbsqlc.Queries {
	return dbsqlc.New(w.tx.Last(append(checks, w.stamp)...))
}

// lastUnstamped is last for tables that are not published.
func (w *write) lastUnstamped() *dbsqlc.Queries { return dbsqlc.New(w.tx.Last()) }

// inWrite runs fn, which ends with w.last(), or without where there is nothing to write; after an error all of it is
// rolled back. fn's context carries the write's span.
func inWrite[T any](ctx context.Context, s *session, a action, fn func(context.Context, *write) (T, error)) (T, error) {
	return watched(ctx, s, a, func(ctx context.Context) (T, error) { return doWrite(ctx, s, fn) })
}

// watched makes all that fn does, which may be several attempts, one write for those who watch and for the error's text.
func watched[T any](ctx context.Context, s *session, a action, fn func(context.Context) (T, error)) (T, error) {
	began := time.Now()
	ctx, span := s.watch.begin(ctx, a)
	out, err := fn(ctx)
	err = failed(err, a.verb, a.entity)
	s.watch.end(span, a, began, err)
	return out, err
}

// doWrite is inWrite without anyone who watches.
func doWrite[T any](ctx context.Context, s *session, fn func(context.Context, *write) (T, error)) (T, error) {
	var out, zero T
	w, err := s.write(ctx)
	if err != nil {
		return zero, err
	}
	err = w.tx.Do(ctx, func() (err error) {
		out, err = fn(ctx, w)
		return err
	})
	if err != nil {
		return zero, err
	}
	return out, nil
}
