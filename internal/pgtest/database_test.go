package pgtest_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/pgtest"
)

func TestNew(t *testing.T) {
	t.Parallel()
	for i := range 20 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			d := pgtest.New(t)
			pool := d.Pool(t)
			if err := db.CheckSchema(t.Context(), pool); err != nil {
				t.Fatal(err)
			}
			var name string
			if err := pool.QueryRow(t.Context(), `select current_database()`).Scan(&name); err != nil || name != d.Name {
				t.Fatalf("current_database() = %q, %v; want %q", name, err, d.Name)
			}
			// The others make the same table.
			d.Exec(t, `create table own (n int); insert into own values (`+strconv.Itoa(i)+`)`)
			var rows, n int
			if err := pool.QueryRow(t.Context(), `select count(*), max(n) from own`).Scan(&rows, &n); err != nil {
				t.Fatal(err)
			}
			if rows != 1 || n != i {
				t.Errorf("%d rows, the greatest %d; want 1 and %d", rows, n, i)
			}
		})
	}
}

func TestNewEmpty(t *testing.T) {
	t.Parallel()
	pool := pgtest.NewEmpty(t).Pool(t)
	var schemas int
	err := pool.QueryRow(t.Context(),
		`select count(*) from pg_namespace where nspname in ('auth', 'latchkey')`).Scan(&schemas)
	if err != nil || schemas != 0 {
		t.Errorf("%d schemas of ours, %v; want none", schemas, err)
	}
}

func TestCleanup(t *testing.T) {
	t.Parallel()
	admin := connect(t, pgtest.AdminURL(t))
	for name, use := range map[string]func(*testing.T, *pgtest.Database){
		"session": func(t *testing.T, d *pgtest.Database) {
			t.Helper()
			connect(t, d.URL)
		},
		"idle slot": func(t *testing.T, d *pgtest.Database) {
			t.Helper()
			d.Exec(t, `select pg_create_logical_replication_slot($1, 'pgoutput')`, d.Name)
		},
		"walsender": func(t *testing.T, d *pgtest.Database) {
			t.Helper()
			d.Exec(t, `create publication everything for all tables`)
			replicate(t, d)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var d *pgtest.Database
			t.Run("test", func(t *testing.T) {
				d = pgtest.New(t)
				use(t, d)
			})
			var databases, slots int
			err := admin.QueryRow(t.Context(), `select
				(select count(*) from pg_database where datname = $1),
				(select count(*) from pg_replication_slots where database = $1)`, d.Name).Scan(&databases, &slots)
			if err != nil || databases != 0 || slots != 0 {
				t.Errorf("%d databases, %d slots, %v; want none", databases, slots, err)
			}
		})
	}
}

// connect leaves a connection open until long after the test's database is to be dropped.
func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// replicate leaves a walsender at work.
func replicate(t *testing.T, d *pgtest.Database) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	config, err := pgconn.ParseConfig(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	config.RuntimeParams["replication"] = "database"
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	_, err = pglogrepl.CreateReplicationSlot(ctx, conn, d.Name, "pgoutput", pglogrepl.CreateReplicationSlotOptions{})
	if err != nil {
		t.Fatal(err)
	}
	err = pglogrepl.StartReplication(ctx, conn, d.Name, 0, pglogrepl.StartReplicationOptions{
		PluginArgs: []string{"proto_version '1'", "publication_names 'everything'"},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func BenchmarkNew(b *testing.B) {
	pgtest.New(b) // starts the server
	for b.Loop() {
		pgtest.New(b)
	}
}
