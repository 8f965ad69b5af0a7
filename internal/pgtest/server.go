package pgtest

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/latchkey-dev/latchkey/internal/postgres"
)

// Server is a test's own server, for what would disturb others. Its methods are for one goroutine.
type Server struct {
	host    host
	config  postgres.Config
	current *postgres.Server // the one that runs, or ran last
	killed  bool
}

// NewServer starts a server with settings such as {"wal_level": "replica"} on top of the usual ones. It takes a second
// or more, so ask for one only where New won't do. It is always a local one: without installed programs the test fails.
func NewServer(tb testing.TB, settings map[string]string) *Server {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), startLimit)
	defer cancel()
	current, err := startLocal(ctx, &process.dog, settings)
	if err != nil {
		tb.Fatalf("pgtest: this test needs a server of its own, which is always a local one: %v", err)
	}
	all := serverSettings()
	maps.Copy(all, settings)
	s := &Server{
		host: host{url: current.URL(), source: current.Source(), unsynced: true},
		// The port stays, so that the URLs do.
		config:  postgres.Config{Dir: current.Dir(), Settings: all, NoSync: true, Port: current.Port()},
		current: current,
	}
	tb.Cleanup(func() {
		if s.killed {
			// A killed server leaves shared memory to the next one. There is none, and macOS has room for 32 such.
			s.Start(tb)
		}
		if err := s.current.Destroy(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// URL is the superuser's connection string of the database postgres. Like those of New's databases it stays the same
// when the server starts again.
func (s *Server) URL() string { return s.host.url }

// New gives a database with Latchkey's schema, which ends with the server.
func (s *Server) New(tb testing.TB) *Database {
	tb.Helper()
	return s.host.keptDatabase(tb, (*host).createMigrated)
}

// NewEmpty gives a database with nothing in it, which ends with the server.
func (s *Server) NewEmpty(tb testing.TB) *Database {
	tb.Helper()
	return s.host.keptDatabase(tb, (*host).createEmpty)
}

// Stop shuts the server down: sessions end, and the data is whole.
func (s *Server) Stop(tb testing.TB) {
	tb.Helper()
	ctx, cancel := outliving(tb)
	defer cancel()
	if err := s.current.Stop(ctx); err != nil {
		tb.Fatal(err)
	}
}

// Kill ends the server's first process with SIGKILL, which its other processes follow. The next Start recovers.
func (s *Server) Kill(tb testing.TB) {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join(s.config.Dir, "data", "postmaster.pid"))
	if err != nil {
		tb.Fatalf("pgtest: kill: is the server running? %v", err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		tb.Fatalf("pgtest: kill: %v", err)
	}
	postmaster, err := os.FindProcess(pid)
	if err == nil {
		err = postmaster.Kill()
	}
	if err != nil {
		tb.Fatalf("pgtest: kill: %v", err)
	}
	s.Stop(tb) // waits for its end
	s.killed = true
}

// Start starts a server that was stopped or killed, on the same port and data.
func (s *Server) Start(tb testing.TB) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), startLimit)
	defer cancel()
	started, err := postgres.Start(ctx, s.config)
	if err != nil {
		tb.Fatal(err)
	}
	s.current, s.killed = started, false
}
