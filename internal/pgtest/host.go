package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// host is a server that databases are made on. It holds no connection between calls, so that it leaks no goroutine
// into a test that counts them.
type host struct {
	url      string // of the database from which the others are made
	source   string // where the server came from, in words
	unsynced bool   // it doesn't wait for the disk (fsync=off)
	end      func(ctx context.Context) error

	making sync.Mutex // of the template, by one goroutine
}

func (h *host) urlFor(database string) string {
	u, err := url.Parse(h.url)
	if err != nil {
		return h.url // it was parsed before
	}
	u.Path = "/" + database
	query := u.Query()
	query.Del("dbname") // would win over the path
	u.RawQuery = query.Encode()
	return u.String()
}

func (h *host) connect(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgx.Connect(ctx, h.url)
	if err != nil {
		return nil, fmt.Errorf("pgtest: the server (%s) does not answer: %w", h.source, err)
	}
	return conn, nil
}

// do runs statements on one connection, each in a transaction of its own, as creating a database needs it.
func (h *host) do(ctx context.Context, statements ...string) error {
	conn, err := h.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("pgtest: %s: %w", statement, err)
		}
	}
	return nil
}

// createEmpty copies template0, to which nobody ever connects: an open session on a template is in a copy's way.
func (h *host) createEmpty(ctx context.Context) (string, error) { return h.create(ctx, "template0") }

func (h *host) create(ctx context.Context, template string) (string, error) {
	name := newName()
	statement := "create database " + quoted(name) + " template " + quoted(template)
	if h.unsynced {
		// It copies files, where the default writes each of their pages to the WAL: 8 MB, which every other test's
		// walsender has to read. Its price is two checkpoints, which cost something only where they wait for the disk.
		statement += " strategy file_copy"
	}
	return name, h.do(ctx, statement)
}

// namePattern is of the databases that are ours to drop. The number is the second in which one was made.
const namePattern = `^latchkey_test_(\d+)_`

func newName() string {
	return fmt.Sprintf("latchkey_test_%d_%s", time.Now().Unix(), strings.ToLower(rand.Text()[:12]))
}

func quoted(name string) string { return pgx.Identifier{name}.Sanitize() }

// drop removes a database with all that uses it. Postgres disconnects sessions and drops idle slots by itself, but
// refuses while a slot is in use: then its users are ended, and no new ones let in.
func (h *host) drop(ctx context.Context, name string) error {
	drop := "drop database if exists " + quoted(name) + " with (force)"
	err := h.do(ctx, drop)
	for tick := time.NewTicker(20 * time.Millisecond); is(err, objectInUse) && ctx.Err() == nil; <-tick.C {
		err = h.do(
			ctx,
			"alter database "+quoted(name)+" allow_connections false",
			// Waiting for them to end is what the limit is for, in milliseconds.
			"select pg_terminate_backend(active_pid, 5000) from pg_replication_slots "+
				"where database = '"+name+"' and active_pid is not null",
			drop,
		)
	}
	return err
}

// dropOld removes what processes that were killed have left on a server that outlives them. Another's database may
// be in the middle of a test, but not of one that has run for a day.
func (h *host) dropOld(ctx context.Context) error {
	conn, err := h.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, `select datname from pg_database where datname ~ $1`, namePattern)
	if err != nil {
		return fmt.Errorf("pgtest: look for old databases: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("pgtest: look for old databases: %w", err)
	}
	for _, name := range names {
		match := regexp.MustCompile(namePattern).FindStringSubmatch(name)
		seconds, err := strconv.ParseInt(match[1], 10, 64)
		if err != nil || time.Since(time.Unix(seconds, 0)) < 24*time.Hour {
			continue
		}
		if err := h.drop(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// SQLSTATE codes, Postgres manual, appendix A.
const (
	noSuchDatabase    = "3D000"
	duplicateDatabase = "42P04"
	objectInUse       = "55006"
)

func is(err error, code string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == code
}
