package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	superuser = "postgres"
	host      = "127.0.0.1"
)

// errForeign is final: what answers at the port is not our server, or no longer takes our password.
var errForeign = errors.New("it is not ours")

// address is how a server is reached.
type address struct {
	port     int
	password string
	data     string // the data directory that it has to have; empty if it can't be compared
}

func (a address) url(database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(superuser, a.password),
		Host:     net.JoinHostPort(host, strconv.Itoa(a.port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

func (a address) connect(ctx context.Context) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(a.url("postgres"))
	if err != nil {
		return nil, err
	}
	config.ConnectTimeout = 5 * time.Second
	return pgx.ConnectConfig(ctx, config)
}

// ping gives the version of the server when it answers and is ours.
func (a address) ping(ctx context.Context) (version string, err error) {
	conn, err := a.connect(ctx)
	if err != nil {
		var refused *pgconn.PgError
		if errors.As(err, &refused) && strings.HasPrefix(refused.Code, "28") { // invalid authorization
			return "", fmt.Errorf("%w: %w", errForeign, err)
		}
		return "", err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var data string
	const query = `select current_setting('server_version'), current_setting('data_directory')`
	if err := conn.QueryRow(ctx, query).Scan(&version, &data); err != nil {
		return "", err
	}
	if a.data != "" && !sameFile(a.data, data) {
		return "", fmt.Errorf("%w: its data lies in %s", errForeign, data)
	}
	version, _, _ = strings.Cut(version, " ") // 17.2 (Debian 17.2-1.pgdg120+1)
	return version, nil
}

// ensure creates the database if it is missing.
func (a address) ensure(ctx context.Context, database string) error {
	if database == "postgres" {
		return nil
	}
	conn, err := a.connect(ctx)
	if err != nil {
		return fmt.Errorf("postgres: create database: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var there bool
	err = conn.QueryRow(ctx, `select exists (select from pg_database where datname = $1)`, database).Scan(&there)
	if err == nil && !there {
		_, err = conn.Exec(ctx, "create database "+pgx.Identifier{database}.Sanitize())
	}
	if err != nil {
		return fmt.Errorf("postgres: create database %s: %w", database, err)
	}
	return nil
}

// poll asks until done says so, and tells the log when that takes long: recovery after a crash may.
func (s *starter) poll(ctx context.Context, what string, done func() (bool, error)) error {
	tick := time.NewTicker(15 * time.Millisecond)
	defer tick.Stop()
	began, told := time.Now(), time.Now()
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		if time.Since(told) > 5*time.Second {
			told = time.Now()
			s.config.Log.InfoContext(ctx, "postgres: still waiting", "for", what, "since", time.Since(began).Round(time.Second))
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}
