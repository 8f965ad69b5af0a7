package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/token"
	"github.com/latchkey-dev/latchkey/listener"
	"github.com/latchkey-dev/latchkey/metrics"
)

type serveCommand struct {
	issuing `embed:""`
	sending `embed:""`
	mailing `embed:""`
	keeping `embed:""`

	Addr      string        `env:"LATCHKEY_ADDR" default:"127.0.0.1:8080" help:"Where to listen for HTTP."`
	AdminAddr string        `env:"LATCHKEY_ADMIN_ADDR" placeholder:"ADDR" help:"Where to listen for HTTP with metrics and profiles, such as 127.0.0.1:9464. Without it: nowhere. Keep it private: profiles show memory."`
	Traces    string        `env:"OTEL_TRACES_EXPORTER" default:"none" help:"Where traces go: none, or console (standard error)."`
	Retention time.Duration `env:"LATCHKEY_RETENTION" default:"168h" help:"How long events are kept at least. What a hook has still to get is kept for longer."`
	Hold      time.Duration `name:"paused-retention" env:"LATCHKEY_PAUSED_RETENTION" default:"720h" help:"How long a paused hook holds the log up."`
	RateLimit int           `env:"LATCHKEY_RATE_LIMIT" default:"0" placeholder:"N" help:"How many requests to the management API there may be within a minute of one token's subject. 0: 6000; -1: as many as come."`
	Migrate   bool          `default:"true" negatable:"" help:"Apply missing migrations first."`
}

// Run builds the parts from the bottom up and runs them together until ctx ends or one fails.
func (s *serveCommand) Run(ctx context.Context, stdout io.Writer, stderr standardError, d *database, log *slog.Logger) error {
	out := newConsole(stdout)
	tracer, stopTracing, err := startTracing(s.Traces, stderr)
	if err != nil {
		return err
	}
	defer func() {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if err := stopTracing(limited); err != nil {
			log.Error("send the last spans", "error", err)
		}
	}()
	server, stopPostgres, err := d.start(ctx, log)
	if err != nil {
		return err
	}
	defer stopPostgres()
	if server != nil {
		if err := os.WriteFile(d.urlFile(), []byte(d.DatabaseURL), 0o600); err != nil {
			return err
		}
		defer func() { _ = os.Remove(d.urlFile()) }() // the next start writes it anew
		if err := d.keepSecret(); err != nil {
			return err
		}
	}
	secrets, err := d.secretKeys()
	if err != nil {
		return err
	}
	if s.Migrate {
		if _, err := db.Migrate(ctx, d.DatabaseURL); err != nil {
			return err
		}
	}

	public, err := listen(ctx, s.Addr, "--addr or LATCHKEY_ADDR")
	if err != nil {
		return err
	}
	defer func() { _ = public.addr.Close() }() // what was served has closed it
	keys, err := d.keysPool(ctx)
	if err != nil {
		return err
	}
	defer keys.Close()
	if err := db.CheckSchema(ctx, keys); err != nil {
		return err
	}
	issuer, err := token.Open(ctx, s.config(keys, secrets, public.url()))
	if err != nil {
		return err
	}

	reg := db.NewHooks()
	registerAudit(reg)
	authHooks := auth.NewHooks(reg)
	authHooks.Serve(auth.Services{Tokens: issuer, Opener: secrets})
	mails, err := s.mailing.register(authHooks, keys, issuer.URL(), server != nil, log)
	if err != nil {
		return err
	}
	writes, hooked := metrics.NewStore(), metrics.NewListener(d.Group)
	reg.ObserveBefore(writes.Before)
	guard, err := s.guard(server != nil)
	if err != nil {
		return err
	}
	webhooks, err := newSender(guard, reg, secrets, issuer, keys)
	if err != nil {
		return err
	}
	defer webhooks.Close()
	store, err := db.Open(ctx, db.Config{DatabaseURL: d.DatabaseURL, Hooks: reg, Asker: webhooks, TracerProvider: tracer, Trace: writes.Trace()})
	if err != nil {
		return err
	}
	defer store.Close()
	if err := firstTenant(ctx, store); err != nil {
		return err
	}
	management, err := d.management(store, keys, reg, issuer, secrets, guard, webhooks, s.RateLimit, log) //nolint:contextcheck // each request brings its own
	if err != nil {
		return err
	}
	logins, err := newLogins(store, authHooks, issuer, secrets, log)
	if err != nil {
		return err
	}
	stored := func(events []*hooks.Event) {
		out.stored(events)
		management.Wake()
	}
	l, err := listener.Open(ctx, listener.Config{
		DatabaseURL: d.DatabaseURL, ReplicationURL: d.ReplicationURL, Group: d.Group, Hooks: reg, Logger: log,
		Retention: s.Retention, PausedRetention: s.Hold, Webhooks: webhooks,
		TracerProvider: tracer, Trace: listener.JoinTraces(hooked.Trace(), listener.Trace{Stored: stored, Ran: out.ran, Sent: out.sent}),
	})
	if err != nil {
		return err
	}
	defer l.Close()
	hooked.Watch(l)

	public.server.Handler = routes(l, issuer, management, append(logins, mails)...)
	public.server.RegisterOnShutdown(management.Close) // or those who follow the feed would hold it up
	sites, admin := []*site{public}, ""
	if s.AdminAddr != "" {
		private, err := listen(ctx, s.AdminAddr, "--admin-addr or LATCHKEY_ADMIN_ADDR")
		if err != nil {
			return err
		}
		private.server.Handler = adminRoutes(l, newRegistry(writes, hooked))
		private.server.WriteTimeout = 5 * time.Minute // a profile is as long as one asks for
		sites, admin = append(sites, private), private.url()
	}
	raw := ""
	if server != nil { // whoever reads this output owns the data
		if raw, err = managementToken(ctx, issuer, token.Claims{TenantID: defaultTenant, Audience: []string{issuer.Audience()}, Expires: time.Now().Add(24 * time.Hour)}); err != nil {
			return err
		}
		if err := os.WriteFile(d.issuerFile(), []byte(issuer.URL()), 0o600); err != nil {
			return err
		}
		defer func() { _ = os.Remove(d.issuerFile()) }() // the next start writes it anew
	}
	beside := []func(context.Context){management.RunJobs, s.pruner(store, writes, log).run}
	return runTogether(ctx, l, beside, sites, func() { out.welcome(public.url(), admin, raw, mails != nil, d, server) }, func() { out.standingBy(public.url(), d) })
}

// keysPool is for reading the keys that sign tokens, once a minute, and tenants' audiences and senders, for the management API's reads, and for
// what webhooks that are asked before a write need.
func (d *database) keysPool(ctx context.Context) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(d.DatabaseURL)
	if err != nil {
		return nil, err
	}
	config.MaxConns, config.MinConns = 4, 0
	return pgxpool.NewWithConfig(ctx, config)
}

// site is an address and what is served there.
type site struct {
	addr   net.Listener
	server *http.Server
}

// listen takes an address; what it serves is for the caller to add.
func listen(ctx context.Context, addr, setting string) (*site, error) {
	var config net.ListenConfig
	bound, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%w: choose another address with %s", err, setting)
	}
	return &site{bound, &http.Server{ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 60 * time.Second, IdleTimeout: 2 * time.Minute}}, nil
}

func (s *site) url() string { return "http://" + s.addr.Addr().String() }

// runTogether runs the listener, the HTTP servers and what is done beside them; when one fails, all end.
func runTogether(ctx context.Context, l *listener.Listener, beside []func(context.Context), sites []*site, welcome, standingBy func()) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := l.Run(ctx); err != nil {
			return err
		}
		return ctx.Err()
	})
	for _, run := range beside {
		g.Go(func() error {
			run(ctx)
			return nil
		})
	}
	for _, s := range sites {
		g.Go(func() error {
			if err := s.server.Serve(s.addr); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
		g.Go(func() error {
			<-ctx.Done()
			limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			return s.server.Shutdown(limited)
		})
	}
	g.Go(func() error {
		late := time.After(time.Second)
		for {
			select {
			case <-l.Ready():
				welcome()
				return nil
			case <-late:
				standingBy()
			case <-ctx.Done():
				return nil
			}
		}
	})
	return g.Wait()
}
