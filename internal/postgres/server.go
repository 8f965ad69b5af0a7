package postgres

import (
	"context"
	"fmt"
	"sync"
)

// Server is a running Postgres. Its methods may be called from many goroutines.
type Server struct {
	address  address
	layout   layout
	database string
	version  string
	source   string
	adopted  bool

	mu      sync.Mutex
	runner  runner
	stopped bool
}

// runner is what runs the server: a process or a container.
type runner interface {
	// stop ends it cleanly if that goes quickly, and in any case.
	stop(ctx context.Context) error
	// discard ends it at once, with the data that it keeps outside of the directory.
	discard(ctx context.Context) error
}

func (s *starter) server(at address, version, source string, by runner, adopted bool) *Server {
	return &Server{
		address: at, layout: s.layout, database: s.config.Database,
		version: version, source: source, adopted: adopted, runner: by,
	}
}

// URL is the connection string of Config.Database, as the superuser. It holds the password: don't log it.
func (s *Server) URL() string { return s.address.url(s.database) }

// URLFor is the connection string of another database of this server.
func (s *Server) URLFor(database string) string { return s.address.url(database) }

// Port is the one of 127.0.0.1 that the server listens on.
func (s *Server) Port() int { return s.address.port }

// Version is the server's, such as "15.18".
func (s *Server) Version() string { return s.version }

// Source says in words where the server's binaries came from, such as "/usr/lib/postgresql/15/bin".
func (s *Server) Source() string { return s.source }

// Dir is where the server's files lie: Config.Dir, or what stands in for it where Postgres' user can't reach that.
func (s *Server) Dir() string { return string(s.layout) }

// Adopted tells that the server ran already: Start has taken it over from a process that was killed, or shares it.
func (s *Server) Adopted() bool { return s.adopted }

// Stop ends the server, adopted or not, and keeps its data. It takes 3 seconds for a clean end, less if ctx ends
// before; then the server ends without one, and the next Start recovers. A second Stop does nothing.
func (s *Server) Stop(ctx context.Context) error {
	return s.end(func(by runner) error { return by.stop(ctx) })
}

// Destroy ends the server at once and removes its data: for tests.
func (s *Server) Destroy() error {
	err := s.end(func(by runner) error { return by.discard(context.Background()) })
	if err != nil {
		return err // removing files under a running server helps nobody
	}
	if err := s.layout.remove(); err != nil {
		return fmt.Errorf("postgres: destroy: %w", err)
	}
	return nil
}

func (s *Server) end(with func(runner) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil
	}
	if err := with(s.runner); err != nil {
		return err
	}
	s.stopped = true
	return nil
}
