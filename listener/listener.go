package listener

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/trace"

	"github.com/latchkey-dev/latchkey/internal/tracing"
	"github.com/latchkey-dev/latchkey/listener/webhook"
)

// Listener runs the after-hooks of a group, as its owner or standing by.
type Listener struct {
	cfg      Config
	log      *slog.Logger
	instance string
	hookSet  int64 // the number of its set of hooks: see handover.go
	pool     *pgxpool.Pool
	replPool *pgxpool.Pool // through ReplicationURL's role; nil where it is the same
	progress *progress
	tracer   *tracing.Tracer
	term     atomic.Pointer[term] // that streams; nil: none does
	ready    chan struct{}
	killed   chan struct{}
	killOnce sync.Once
	timing   timing

	taken     time.Time         // when it was about to take the group
	endpoints webhook.Endpoints // how the webhooks' receivers do
	onStep    func(string)      // tests only
}

// Open checks the server and the schema, publishes the hooked tables and registers the hooks. What needs a person comes
// back as a *[Stop] that says what to do. Run does the work.
func Open(ctx context.Context, cfg Config) (*Listener, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("listener: open: %w", err)
	}
	l := &Listener{cfg: cfg, log: cfg.Logger.With("group", cfg.Group), instance: instanceName(), progress: newProgress(), tracer: tracing.New(cfg.TracerProvider, "github.com/latchkey-dev/latchkey/listener"), ready: make(chan struct{}), killed: make(chan struct{}), timing: defaultTiming()}
	if l.pool, err = openPool(ctx, cfg.DatabaseURL, "latchkey/"+cfg.Group, 4); err != nil {
		return nil, fmt.Errorf("listener: open: %w", err)
	}
	if cfg.ReplicationURL != cfg.DatabaseURL {
		if l.replPool, err = openPool(ctx, cfg.ReplicationURL, "latchkey/"+cfg.Group, 1); err != nil {
			l.Close()
			return nil, fmt.Errorf("listener: open: %w", err)
		}
	}
	for _, step := range []func(context.Context) error{l.checkServer, l.ensurePublication, l.register, l.registerSet} {
		if err := step(ctx); err != nil {
			l.Close()
			return nil, fmt.Errorf("listener: open: %w", err)
		}
	}
	return l, nil
}

func openPool(ctx context.Context, url, applicationName string, conns int) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.ConnConfig.RuntimeParams["application_name"] = applicationName
	config.MaxConns = int32(conns)
	return pgxpool.NewWithConfig(ctx, config)
}

// Close gives the connections back. Call it when Run has returned, or was never called.
func (l *Listener) Close() {
	for _, pool := range l.pools() {
		pool.Close()
	}
}

func (l *Listener) pools() []*pgxpool.Pool {
	if l.replPool != nil {
		return []*pgxpool.Pool{l.pool, l.replPool}
	}
	return []*pgxpool.Pool{l.pool}
}

func (l *Listener) replicationPool() *pgxpool.Pool {
	if l.replPool != nil {
		return l.replPool
	}
	return l.pool
}

// Ready is closed when this process first owns the group and streams.
func (l *Listener) Ready() <-chan struct{} { return l.ready }

// WaitFor returns when every delivery of what committed at or below lsn is settled: done, failed and set aside for
// another try, or held behind such a one. It doesn't poll. On a standby it waits until this process owns the group.
func (l *Listener) WaitFor(ctx context.Context, lsn pglogrepl.LSN) error {
	if err := l.progress.wait(ctx, lsn, func(p *progress) int64 { return p.settled }); err != nil {
		return fmt.Errorf("listener: wait for %s: %w", lsn, err)
	}
	return nil
}

// WaitForWebhooks is WaitFor for webhooks, which WaitFor doesn't wait for: one whose endpoint is down may keep it waiting for
// as long as that lasts.
func (l *Listener) WaitForWebhooks(ctx context.Context, lsn pglogrepl.LSN) error {
	if err := l.progress.wait(ctx, lsn, func(p *progress) int64 { return p.sent }); err != nil {
		return fmt.Errorf("listener: wait for webhooks up to %s: %w", lsn, err)
	}
	return nil
}

// LastSeq is the number of the last stored event that this process knows of.
func (l *Listener) LastSeq() int64 {
	l.progress.mu.Lock()
	defer l.progress.mu.Unlock()
	return l.progress.stored
}

// Run stands by until the group is free, owns it and runs the hooks, until ctx ends: then it lets running hooks finish
// and returns nil. A lost connection or a server that restarts is waited out. It returns a *[Stop] where going on could
// lose a change, or needs a person; nothing is lost by it.
func (l *Listener) Run(ctx context.Context) error {
	ctx = trace.ContextWithSpanContext(ctx, trace.SpanContext{}) // what happens here belongs to the writers' traces, not to our caller's
	const first, longest = 100 * time.Millisecond, 5 * time.Second
	pause := first
	for {
		began := time.Now()
		err := l.own(ctx)
		if ctx.Err() != nil || l.wasKilled() {
			return nil
		}
		if err != nil && !passing(err) {
			return fmt.Errorf("listener: %w", err)
		}
		level := slog.LevelWarn
		if errors.Is(err, errYielded) {
			level = slog.LevelInfo
		}
		if level == slog.LevelInfo || time.Since(began) > time.Minute {
			pause = first
		}
		l.log.Log(ctx, level, "the term ended; standing by for the next", "error", err, "pause", pause)
		select {
		case <-time.After(pause):
			pause = min(2*pause, longest)
		case <-ctx.Done():
			return nil
		case <-l.killed:
			return nil
		}
	}
}

// own is one term: from waiting for the group to losing it.
func (l *Listener) own(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-l.killed:
			cancel(errKilled)
		case <-ctx.Done():
		}
	}()
	epoch, unclean, err := l.acquire(ctx)
	if err != nil {
		return err
	}
	t := &term{l: l, cfg: l.cfg, log: l.log.With("epoch", epoch), epoch: epoch}
	t.leaseFrom(l.taken)
	name := applicationName(l.cfg.Group, epoch)
	if t.pool, err = openPool(ctx, l.cfg.DatabaseURL, name, 6+retryLanes); err != nil {
		return err
	}
	defer t.pool.Close()
	if t.hookPool, err = openPool(ctx, l.cfg.DatabaseURL, name, l.cfg.HookConnections); err != nil {
		return err
	}
	defer closeSoon(t.hookPool)
	config, err := replicationConfig(l.cfg.ReplicationURL, name)
	if err != nil {
		return err
	}
	if t.replication, err = pgconn.ConnectConfig(ctx, config); err != nil {
		if sqlState(err) == stateNoWalSend {
			return stop(err, "raise max_wal_senders and restart Postgres", "there is no free walsender")
		}
		return fmt.Errorf("connect for replication: %w", err)
	}
	defer func() { _ = t.replication.Conn().Close() }()
	err = t.run(ctx, unclean)
	l.term.Store(nil)
	if err == nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		err = errYielded
	}
	l.cfg.Trace.stopped(epoch, err)
	return err
}

// closeSoon closes the pool of the hooks: one that was left behind may hold a connection for as long as it likes.
func closeSoon(pool *pgxpool.Pool) {
	closed := make(chan struct{})
	go func() { pool.Close(); close(closed) }()
	select {
	case <-closed:
	case <-time.After(grace):
	}
}

// owning tells the world that a term streams.
func (l *Listener) owning(t *term) {
	stream := t.stream
	t.settler.mu.Lock()
	settled, sent := t.settler.settled()
	count := len(t.subscriptions)
	t.settler.mu.Unlock()
	l.term.Store(t)
	l.progress.update(func(p *progress) {
		p.covered, p.stored, p.settled, p.sent = t.start.done, max(p.stored, t.nextSeq-1), settled, sent
		p.ask = func() { signal(stream.ask) }
	})
	l.cfg.Trace.owning(t.epoch)
	l.log.Info("owning the group", "epoch", t.epoch, "slot_from", t.start.done.String(), "hooks", count)
	select {
	case <-l.ready:
	default:
		close(l.ready)
	}
}
