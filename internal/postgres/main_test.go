package postgres

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// directory is one that Postgres' user can reach even if root runs the test, which t.TempDir is not: its mode is 0700.
func directory(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "latchkey-postgres-") //nolint:usetesting // see above
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	return dir
}

func deadline(tb testing.TB) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	tb.Cleanup(cancel)
	return ctx
}

// start gives a server that the end of the test destroys.
func start(tb testing.TB, config Config) *Server {
	tb.Helper()
	config.NoSync = true
	server, err := Start(deadline(tb), config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := server.Destroy(); err != nil {
			tb.Error(err)
		}
	})
	return server
}

func connect(tb testing.TB, url string) *pgx.Conn {
	tb.Helper()
	conn, err := pgx.Connect(deadline(tb), url)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close(context.WithoutCancel(tb.Context())) })
	return conn
}

func execute(tb testing.TB, url, sql string) {
	tb.Helper()
	if _, err := connect(tb, url).Exec(deadline(tb), sql); err != nil {
		tb.Fatal(err)
	}
}

func query(tb testing.TB, url, sql string) string {
	tb.Helper()
	var text string
	if err := connect(tb, url).QueryRow(deadline(tb), sql).Scan(&text); err != nil {
		tb.Fatal(err)
	}
	return text
}

func write(tb testing.TB, path, text string, mode os.FileMode) {
	tb.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		tb.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		tb.Fatal(err)
	}
}
