package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-dev/latchkey/db"
)

// bench is what the metrics share.
type bench struct {
	options
	url         string
	socket      string // the directory of the server's unix socket; empty if it has none
	recvlogical string
	pool        *pgxpool.Pool // for preparing and looking; what is measured has connections of its own
	progress    io.Writer
	log         *slog.Logger
}

// newBench prepares the database: the product's schema, our own tables, and a group that has run once.
func newBench(ctx context.Context, s *server, o options, progress io.Writer) (*bench, error) {
	b := &bench{options: o, url: s.URL(), recvlogical: s.recvlogical, progress: progress, log: engineLog(progress)}
	if _, err := db.Migrate(ctx, b.url); err != nil {
		return nil, err
	}
	var err error
	if b.pool, err = pgxpool.New(ctx, b.url); err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if err := b.prepare(ctx, s.dataDir()); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bench) prepare(ctx context.Context, dataDir string) error {
	var fsync, commit string
	var hasSocket bool
	if err := b.pool.QueryRow(ctx, `select current_setting('fsync'), current_setting('synchronous_commit'), current_setting('unix_socket_directories') <> ''`).
		Scan(&fsync, &commit, &hasSocket); err != nil {
		return fmt.Errorf("read the settings: %w", err)
	}
	if hasSocket {
		b.socket = dataDir
	}
	if b.overSocket && !hasSocket {
		return errors.New("-socket: the server has no unix socket")
	}
	if fsync != "on" || commit != "on" {
		return fmt.Errorf("fsync is %s and synchronous_commit %s: nothing measured like this would be durable", fsync, commit)
	}
	if err := b.createTables(ctx); err != nil {
		return err
	}
	return b.firstTerm(ctx)
}

func (b *bench) close() { b.pool.Close() }

// say tells how it goes.
func (b *bench) say(format string, args ...any) { fmt.Fprintf(b.progress, format+"\n", args...) }

func (b *bench) exec(ctx context.Context, sql string, args ...any) error {
	if _, err := b.pool.Exec(ctx, sql, args...); err != nil {
		return fmt.Errorf("%.60s: %w", sql, err)
	}
	return nil
}

// walPosition is where the server writes.
func (b *bench) walPosition(ctx context.Context) (pglogrepl.LSN, error) {
	var lsn pglogrepl.LSN
	if err := b.pool.QueryRow(ctx, `select pg_current_wal_insert_lsn()`).Scan(&lsn); err != nil {
		return 0, fmt.Errorf("read the log's position: %w", err)
	}
	return lsn, nil
}

// replicationURL is the database by the transport that the stream is to take.
func (b *bench) replicationURL() (string, error) {
	if !b.overSocket {
		return b.url, nil
	}
	u, err := url.Parse(b.url)
	if err != nil {
		return "", fmt.Errorf("the server's URL: %w", err)
	}
	query := u.Query()
	query.Set("host", b.socket)
	query.Set("port", u.Port())
	u.Host, u.RawQuery = "", query.Encode()
	return u.String(), nil
}

// engineLog shows what the engine warns of: a run with warnings is not a good one.
func engineLog(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn}))
}
