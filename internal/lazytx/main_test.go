package lazytx_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"github.com/latchkey-dev/latchkey/internal/lazytx"
	"github.com/latchkey-dev/latchkey/internal/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Suite{M: m}) }

// newPool has a table t (n int primary key), counts what is sent, and wants its connections back in the end.
func newPool(t *testing.T) (*pgxpool.Pool, *wire) {
	t.Helper()
	d := pgtest.NewEmpty(t)
	d.Exec(t, `create table t (n int primary key)`)
	cfg, err := pgxpool.ParseConfig(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{}
	cfg.ConnConfig.Tracer = w
	cfg.MaxConns = 4
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// Close waits for all that are out.
		late := time.AfterFunc(20*time.Second, func() { panic(t.Name() + ": connections were not given back") })
		defer late.Stop()
		pool.Close()
	})
	return pool, w
}

// wire counts round trips: a batch is one, so is a query outside of batches, and preparing what is new.
type wire struct {
	mu       sync.Mutex
	sent     []string
	acquires atomic.Bool // are noted too
}

func (w *wire) note(s string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, s)
}

func (w *wire) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	sent := w.sent
	w.sent = nil
	return sent
}

func (w *wire) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	if w.acquires.Load() {
		w.note("acquire")
	}
	return ctx
}

func (w *wire) TraceAcquireEnd(context.Context, *pgxpool.Pool, pgxpool.TraceAcquireEndData) {}

func (w *wire) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	w.note("query " + d.SQL)
	return ctx
}

func (w *wire) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (w *wire) TraceBatchStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceBatchStartData) context.Context {
	s := "batch"
	for _, q := range d.Batch.QueuedQueries {
		s += " | " + q.SQL
	}
	w.note(s)
	return ctx
}

func (w *wire) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (w *wire) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

func wantRows(t *testing.T, pool *pgxpool.Pool, want ...int) {
	t.Helper()
	rows, _ := pool.Query(t.Context(), `select n from t order by n`)
	got, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("t has %v; want %v", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("t has %v; want %v", got, want)
		}
	}
}

func insert(t *testing.T, tx lazytx.Conn, n int) {
	t.Helper()
	if _, err := tx.Exec(t.Context(), `insert into t values ($1)`, n); err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v; want %v", err, want)
	}
}

func wantState(t *testing.T, err error, state string) {
	t.Helper()
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != state {
		t.Fatalf("error %v; want SQLSTATE %s", err, state)
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
