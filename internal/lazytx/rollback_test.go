package lazytx_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/lazytx"
)

// sleeper starts a statement in a goroutine, as a hook that ignores its deadline would, and returns when it runs.
func sleeper(t *testing.T, pool *pgxpool.Pool, tx hooks.Tx) <-chan error {
	t.Helper()
	var before int
	ok(t, tx.QueryRow(t.Context(), `select pg_backend_pid()`).Scan(&before))
	done := make(chan error, 1)
	go func() {
		_, err := tx.Exec(context.Background(), `select pg_sleep(60)`) //nolint:usetesting // it ignores its context
		done <- err
	}()
	eventually(t, func() bool {
		return count(t, pool, `state = 'active' and query like '%pg_sleep%' and pid = `+strconv.Itoa(before)) == 1
	})
	return done
}

func count(t *testing.T, pool *pgxpool.Pool, where string) (n int) {
	t.Helper()
	ok(t, pool.QueryRow(t.Context(), `select count(*) from pg_stat_activity where pid <> pg_backend_pid() and `+where).Scan(&n))
	return n
}

func eventually(t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	late := time.After(10 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("it never came to be")
		}
	}
}

func TestRollbackWhileAStatementRuns(t *testing.T) {
	t.Parallel()
	pool, _ := newPool(t)
	tx := lazytx.New(pool)
	insert(t, tx, 1)
	done := sleeper(t, pool, tx)
	began := time.Now()
	ok(t, tx.Rollback(t.Context()))
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the rollback took %v", took)
	}
	if err := <-done; err == nil {
		t.Error("the statement went through")
	}
	_, err := tx.Exec(t.Context(), `insert into t values (2)`)
	wantError(t, err, lazytx.ErrClosed)
	// Its locks go too: the server was asked to stop.
	eventually(t, func() bool { return count(t, pool, `query like '%pg_sleep%'`) == 0 })
	insert(t, pool, 1)
	wantRows(t, pool, 1)
}

// The savepoint can't be taken back under a running statement, so the whole transaction goes.
func TestRollbackOfASavepointWhileAStatementRuns(t *testing.T) {
	t.Parallel()
	pool, _ := newPool(t)
	tx := lazytx.New(pool)
	insert(t, tx, 1)
	child := lazytx.Nested(tx)
	insert(t, child, 2)
	done := sleeper(t, pool, child)
	ok(t, child.Rollback(t.Context()))
	if err := <-done; err == nil {
		t.Error("the statement went through")
	}
	_, err := tx.Exec(t.Context(), `insert into t values (3)`)
	wantError(t, err, lazytx.ErrClosed)
	if tx.Commit(t.Context()) == nil {
		t.Error("the transaction committed without knowing what a lost hook did")
	}
	wantRows(t, pool)
}

func TestRollbackInSomeoneElsesTransactionWhileAStatementRuns(t *testing.T) {
	t.Parallel()
	pool, _ := newPool(t)
	theirs, err := pool.Begin(t.Context())
	ok(t, err)
	insert(t, theirs, 1)
	tx := lazytx.Nested(theirs)
	done := sleeper(t, pool, tx)
	ok(t, tx.Rollback(t.Context()))
	if err := <-done; err == nil {
		t.Error("the statement went through")
	}
	if theirs.Commit(t.Context()) == nil {
		t.Error("their transaction committed without knowing what a lost hook did")
	}
	_ = theirs.Rollback(t.Context())
	wantRows(t, pool)
}

// A hook that returned and left something open must not hang its writer.
func TestRollbackWithSomethingLeftOpen(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T, *lazytx.Tx){
		"rows": func(t *testing.T, tx *lazytx.Tx) {
			t.Helper()
			_, err := tx.Query(t.Context(), `select 1`) //nolint:sqlclosecheck // that it isn't is the point
			ok(t, err)
		},
		"a row": func(t *testing.T, tx *lazytx.Tx) { t.Helper(); tx.QueryRow(t.Context(), `select 1`) },
		"a batch": func(t *testing.T, tx *lazytx.Tx) {
			t.Helper()
			b := &pgx.Batch{}
			b.Queue(`select 1`)
			tx.SendBatch(t.Context(), b)
		},
		"its rows": func(t *testing.T, tx *lazytx.Tx) {
			t.Helper()
			tx.QueryRow(t.Context(), `select generate_series(1, 1e7)`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool, _ := newPool(t)
			for _, end := range []func(*lazytx.Tx) error{
				func(tx *lazytx.Tx) error { return tx.Rollback(t.Context()) },
				func(tx *lazytx.Tx) error {
					if err := tx.Commit(t.Context()); !errors.Is(err, lazytx.ErrBusy) {
						t.Errorf("commit: %v", err)
					}
					return nil
				},
			} {
				tx := lazytx.New(pool)
				insert(t, tx, 1)
				open(t, tx)
				began := time.Now()
				ok(t, end(tx))
				if took := time.Since(began); took > 3*time.Second {
					t.Errorf("the end took %v", took)
				}
				wantRows(t, pool)
			}
		})
	}
}

// A hook that was given up goes on reading: it gets an error, and doesn't touch the connection, which may be another's.
func TestRowsAreTakenAway(t *testing.T) {
	t.Parallel()
	pool, _ := newPool(t)
	tx := lazytx.New(pool)
	rows, err := tx.Query(t.Context(), `select generate_series(1, 1000000)`)
	ok(t, err)
	started, done := make(chan struct{}), make(chan error)
	go func() {
		defer rows.Close()
		for n := 0; rows.Next(); n++ {
			var v int
			_ = rows.Scan(&v)
			if n == 10 {
				close(started)
			}
		}
		done <- rows.Err()
	}()
	<-started
	ok(t, tx.Rollback(t.Context()))
	if <-done == nil {
		t.Error("the rows ended as if all had been read")
	}
	if rows.Next() || rows.Err() == nil {
		t.Error("the rows can still be read")
	}
}

func TestRollbackWhileWaitingForAConnection(t *testing.T) {
	t.Parallel()
	pool, w := newPool(t)
	var all []*pgxpool.Conn
	for range pool.Config().MaxConns {
		c, err := pool.Acquire(t.Context())
		ok(t, err)
		all = append(all, c)
	}
	w.acquires.Store(true)
	tx := lazytx.New(pool)
	done := make(chan error, 1)
	go func() {
		_, err := tx.Exec(context.Background(), `insert into t values (1)`) //nolint:usetesting // it ignores its context
		done <- err
	}()
	eventually(t, func() bool { return len(w.take()) > 0 })
	ok(t, tx.Rollback(t.Context()))
	for _, c := range all {
		c.Release()
	}
	wantError(t, <-done, lazytx.ErrClosed)
	wantRows(t, pool)
}

func TestContextIsDone(t *testing.T) {
	t.Parallel()
	pool, _ := newPool(t)
	ctx, cancel := context.WithCancel(t.Context())
	tx := lazytx.New(pool)
	insert(t, tx, 1)
	cancel()
	if _, err := tx.Exec(ctx, `select 1`); err == nil {
		t.Error("no error")
	}
	if err := tx.Commit(ctx); err == nil {
		t.Error("committed")
	}
	wantRows(t, pool)

	// Before BEGIN is sent: a parent must not take the connection for a transaction.
	tx = lazytx.New(pool)
	ok(t, func() error { _, err := pool.Exec(t.Context(), `select 1`); return err }())
	if err := tx.InTx(ctx, func(child hooks.Tx) error { _, err := child.Exec(ctx, `insert into t values (2)`); return err }); err == nil {
		t.Error("no error")
	}
	_, _ = tx.Exec(t.Context(), `insert into t values (3)`)
	ok(t, tx.Rollback(t.Context()))
	wantRows(t, pool)
}
