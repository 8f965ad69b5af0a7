package pgtest

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// statementLimit bounds what a test asks of the server outside of its own code. It is generous: a loaded machine is
// slow, and a test that hangs is worse than one that fails.
const statementLimit = time.Minute

// Database is a test's own. It is dropped when the test ends, whoever is still connected.
type Database struct {
	// URL is the connection string, of a role that may do everything here, replication too.
	URL string
	// Name is the database's; the views of all databases, such as pg_replication_slots, have it in a column.
	Name string
}

// New gives a database with Latchkey's schema: PreferLocal.New.
func New(tb testing.TB) *Database {
	tb.Helper()
	return PreferLocal.New(tb)
}

// NewEmpty gives a database with nothing in it: PreferLocal.NewEmpty.
func NewEmpty(tb testing.TB) *Database {
	tb.Helper()
	return PreferLocal.NewEmpty(tb)
}

// New gives a database with Latchkey's schema.
func (p Preference) New(tb testing.TB) *Database {
	tb.Helper()
	return p.host(tb).database(tb, (*host).createMigrated)
}

// NewEmpty gives a database with nothing in it.
func (p Preference) NewEmpty(tb testing.TB) *Database {
	tb.Helper()
	return p.host(tb).database(tb, (*host).createEmpty)
}

// database makes one that is dropped when the test ends.
func (h *host) database(tb testing.TB, create func(*host, context.Context) (string, error)) *Database {
	tb.Helper()
	d := h.keptDatabase(tb, create)
	tb.Cleanup(func() {
		ctx, cancel := outliving(tb)
		defer cancel()
		if err := h.drop(ctx, d.Name); err != nil {
			tb.Error(err)
		}
	})
	return d
}

// keptDatabase makes one that stays as long as its server.
func (h *host) keptDatabase(tb testing.TB, create func(*host, context.Context) (string, error)) *Database {
	tb.Helper()
	ctx, cancel := outliving(tb)
	defer cancel()
	name, err := create(h, ctx)
	if err != nil {
		tb.Fatal(err)
	}
	return &Database{URL: h.urlFor(name), Name: name}
}

// Exec runs SQL on a connection of its own; without arguments it may be many statements. An error ends the test.
func (d *Database) Exec(tb testing.TB, sql string, args ...any) {
	tb.Helper()
	ctx, cancel := outliving(tb)
	defer cancel()
	conn, err := pgx.Connect(ctx, d.URL)
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, sql, args...); err != nil {
		tb.Fatalf("pgtest: %v\nin: %s", err, sql)
	}
}

// Pool gives connections, which are closed before the database is dropped.
func (d *Database) Pool(tb testing.TB) *pgxpool.Pool {
	tb.Helper()
	pool, err := pgxpool.New(tb.Context(), d.URL)
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	tb.Cleanup(pool.Close)
	return pool
}

// outliving is a context that holds during a test's cleanup too, when the test's own has ended.
func outliving(tb testing.TB) (context.Context, context.CancelFunc) {
	tb.Helper()
	return context.WithTimeout(context.WithoutCancel(tb.Context()), statementLimit)
}
