package hookstest

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/pgtest"
	"github.com/latchkey-dev/latchkey/listener"
	"github.com/latchkey-dev/latchkey/listener/webhook"
)

// Tenant exists in every environment from the start; its creation was no event.
const Tenant = "test"

// patience bounds every wait: past it the test fails, with what was waited for.
const patience = 60 * time.Second

// Env is a database with a store and a running listener.
type Env struct {
	Store *db.Store
	// URL reaches the database, for a writer of the test's own.
	URL string

	tb      testing.TB
	pool    *pgxpool.Pool
	config  listener.Config
	runs    *runs
	running *running
}

// running is a listener and its Run.
type running struct {
	l    *listener.Listener
	stop context.CancelFunc
	done chan struct{}
	err  error // once done is closed
}

// Option adjusts the environment.
type Option func(*settings)

type settings struct {
	listener listener.Config
	prepare  []func(ctx context.Context, pool *pgxpool.Pool) error
}

// Schema runs SQL, one or several statements, before the store and the listener open: it makes the service's own tables.
func Schema(sql string) Option {
	return Prepare(func(ctx context.Context, pool *pgxpool.Pool) error {
		_, err := pool.Exec(ctx, sql)
		return err
	})
}

// Prepare runs fn before the store and the listener open, as a service's own migrations. What it writes is no event.
func Prepare(fn func(ctx context.Context, pool *pgxpool.Pool) error) Option {
	return func(s *settings) { s.prepare = append(s.prepare, fn) }
}

// Retry sets the schedule of failed after-hooks. Without it a failed one is tried again after at most 10 ms, three times in all;
// so is a webhook.
func Retry(r listener.Retry) Option { return func(s *settings) { s.listener.Retry = r } }

// Logger gets what the listener logs. Without it, the test's log does.
func Logger(l *slog.Logger) Option { return func(s *settings) { s.listener.Logger = l } }

// New makes an environment whose hooks are reg's. All of it goes at the end of the test.
func New(tb testing.TB, reg *db.Hooks, options ...Option) *Env {
	tb.Helper()
	e := &Env{tb: tb, URL: pgtest.PreferContainer.New(tb).URL, runs: newRuns()}
	ctx := tb.Context()
	var err error
	if e.pool, err = pgxpool.New(ctx, e.URL); err != nil {
		tb.Fatalf("hookstest: connect: %v", err)
	}
	tb.Cleanup(e.pool.Close)
	webhooks := newSender(tb, reg.Tables(), e.pool)
	reg.ObserveBefore(e.runs.before)
	s := settings{listener: listener.Config{
		DatabaseURL: e.URL, Hooks: reg, Logger: slog.New(slog.NewTextHandler(tb.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
		Retry:    listener.Retry{Attempts: 3, Base: 5 * time.Millisecond, Max: 10 * time.Millisecond},
		Webhooks: webhooks, WebhookSchedule: webhook.Schedule{5 * time.Millisecond, 10 * time.Millisecond},
		Trace: listener.Trace{Ran: e.runs.after},
	}}
	for _, option := range options {
		option(&s)
	}
	e.config = s.listener
	e.SQL(`insert into auth.tenants (id, friendly_name) values ($1, 'Test')`, Tenant)
	for _, prepare := range s.prepare {
		if err := prepare(ctx, e.pool); err != nil {
			tb.Fatalf("hookstest: prepare the database: %v", err)
		}
	}
	if e.Store, err = db.Open(ctx, db.Config{DatabaseURL: e.URL, Hooks: reg, Asker: webhooks}); err != nil {
		tb.Fatalf("hookstest: open the store: %v", err)
	}
	tb.Cleanup(e.Store.Close)
	e.start()
	tb.Cleanup(e.end)
	return e
}

// starting makes listeners start one at a time: see the package comment.
var starting sync.Mutex //nolint:gochecknoglobals // slots are the server's, which is the process's

func (e *Env) start() {
	e.tb.Helper()
	starting.Lock()
	defer starting.Unlock()
	ctx, cancel := context.WithTimeout(e.tb.Context(), patience)
	defer cancel()
	l, err := listener.Open(ctx, e.config)
	if err != nil {
		e.tb.Fatalf("hookstest: open the listener: %v", err)
	}
	runCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	r := &running{l: l, stop: stop, done: make(chan struct{})}
	go func() {
		r.err = l.Run(runCtx)
		close(r.done)
	}()
	e.running = r
	select {
	case <-l.Ready():
	case <-r.done:
		l.Close()
		e.tb.Fatalf("hookstest: the listener ended at once: %v", r.err)
	case <-ctx.Done():
		stop()
		e.tb.Fatalf("hookstest: the listener did not start within %v", patience)
	}
}

// end stops the listener cleanly.
func (e *Env) end() {
	e.tb.Helper()
	e.running.stop()
	<-e.running.done
	e.running.l.Close()
	if e.running.err != nil {
		e.tb.Errorf("hookstest: the listener ended with: %v", e.running.err)
	}
}

// Restart stops the listener, which lets running hooks finish, and starts another.
func (e *Env) Restart() {
	e.tb.Helper()
	e.end()
	e.start()
}

// Crash kills the listener where it stands, as kill -9 of its process would, and starts another. Hooks that run are cut
// off: what they wrote through their transaction is gone, and they run again.
func (e *Env) Crash() {
	e.tb.Helper()
	e.running.l.Kill()
	e.end()
	e.start()
}

// SQL runs a statement as a writer that knows nothing of Latchkey would, on a connection of its own pool.
func (e *Env) SQL(sql string, args ...any) {
	e.tb.Helper()
	if _, err := e.pool.Exec(e.tb.Context(), sql, args...); err != nil {
		e.tb.Fatalf("hookstest: %s: %v", sql, err)
	}
}

// Pool is a pool of plain connections, for reading what hooks wrote and for writers of one's own.
func (e *Env) Pool() *pgxpool.Pool { return e.pool }

// CatchUp returns when every delivery of what was committed before the call is settled: done, failed and set aside, or
// held behind such a one, webhooks included; and so is what the hooks themselves wrote meanwhile.
func (e *Env) CatchUp() {
	e.tb.Helper()
	ctx, cancel := context.WithTimeout(e.tb.Context(), patience)
	defer cancel()
	for last := int64(-1); ; {
		lsn, err := e.Store.LSN(ctx)
		if err == nil {
			err = errors.Join(e.running.l.WaitFor(ctx, lsn), e.running.l.WaitForWebhooks(ctx, lsn))
		}
		if err != nil {
			e.tb.Fatalf("hookstest: catch up: %v\n%s", err, e.runs)
		}
		seq := e.running.l.LastSeq()
		if seq == last {
			return
		}
		last = seq
	}
}

// Status is how the listener's group stands.
func (e *Env) Status() listener.Status {
	e.tb.Helper()
	s, err := listener.ReadStatus(e.tb.Context(), e.pool, "default")
	if err != nil {
		e.tb.Fatalf("hookstest: %v", err)
	}
	return s
}
