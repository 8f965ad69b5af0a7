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

	"golang.org/x/sync/errgroup"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/listener"
)

type serveCommand struct {
	Addr    string `env:"LATCHKEY_ADDR" default:"127.0.0.1:8080" help:"Where to listen for HTTP."`
	Migrate bool   `default:"true" negatable:"" help:"Apply missing migrations first."`
}

// Run builds the parts from the bottom up and runs them together until ctx ends or one fails.
func (s *serveCommand) Run(ctx context.Context, stdout io.Writer, d *database, log *slog.Logger) error {
	out := newConsole(stdout)
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
	}
	if s.Migrate {
		if _, err := db.Migrate(ctx, d.DatabaseURL); err != nil {
			return err
		}
	}

	reg := db.NewHooks()
	registerAudit(reg)
	store, err := db.Open(ctx, db.Config{DatabaseURL: d.DatabaseURL, Hooks: reg})
	if err != nil {
		return err
	}
	defer store.Close()
	if err := firstTenant(ctx, store); err != nil {
		return err
	}
	l, err := listener.Open(ctx, listener.Config{
		DatabaseURL: d.DatabaseURL, ReplicationURL: d.ReplicationURL, Group: d.Group, Hooks: reg, Logger: log,
		Trace: listener.Trace{Stored: out.stored, Ran: out.ran},
	})
	if err != nil {
		return err
	}
	defer l.Close()

	var config net.ListenConfig
	web, err := config.Listen(ctx, "tcp", s.Addr)
	if err != nil {
		return fmt.Errorf("%w: choose another address with --addr or LATCHKEY_ADDR", err)
	}
	return runTogether(ctx, l, web, func() { out.welcome("http://"+web.Addr().String(), d, server) })
}

// runTogether runs the listener and the HTTP server; when one ends, so does the other.
func runTogether(ctx context.Context, l *listener.Listener, web net.Listener, welcome func()) error {
	g, ctx := errgroup.WithContext(ctx)
	srv := &http.Server{Handler: routes(l), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 60 * time.Second, IdleTimeout: 2 * time.Minute}
	g.Go(func() error {
		if err := l.Run(ctx); err != nil {
			return err
		}
		return ctx.Err()
	})
	g.Go(func() error {
		if err := srv.Serve(web); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		return srv.Shutdown(limited)
	})
	g.Go(func() error {
		select {
		case <-l.Ready():
			welcome()
		case <-ctx.Done():
		}
		return nil
	})
	return g.Wait()
}
