package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/latchkey-dev/latchkey/internal/postgres"
)

const database = "bench"

// server is a private Postgres in a temporary directory.
type server struct {
	*postgres.Server
	dir         string
	recvlogical string // the program
}

func startServer(ctx context.Context) (*server, error) {
	dir, err := os.MkdirTemp("", "latchkey-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a directory: %w", err)
	}
	s := &server{dir: dir}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.destroy())
	}
	return s, nil
}

func (s *server) start(ctx context.Context) error {
	if err := os.Chmod(s.dir, 0o755); err != nil { // Postgres' user must be able to enter it
		return fmt.Errorf("make a directory: %w", err)
	}
	var err error
	if s.recvlogical, err = findRecvlogical(ctx); err != nil {
		return err
	}
	s.Server, err = postgres.Start(ctx, postgres.Config{Dir: filepath.Join(s.dir, "postgres"), Database: database, Settings: settings()})
	return err
}

// settings keep what is durable durable, and keep what nobody asked for from writing while we measure: no checkpoint but
// our own, no autovacuum.
func settings() map[string]string {
	return map[string]string{
		"fsync":              "on",
		"synchronous_commit": "on",
		"full_page_writes":   "on",
		"shared_buffers":     "512MB",
		"max_wal_size":       "16GB",
		"checkpoint_timeout": "1h",
		"autovacuum":         "off",
		// In the data directory: the private Postgres may leave it out, and then everything goes by TCP.
		"unix_socket_directories": ".",
	}
}

// findRecvlogical finds the program that is the limit of the stream.
func findRecvlogical(ctx context.Context) (string, error) {
	const name = "pg_recvlogical"
	found, err := postgres.Find(ctx)
	if err != nil {
		return "", err
	}
	if found.Dir != "" {
		path := filepath.Join(found.Dir, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s is neither beside the server (%s) nor in PATH: install Postgres' client programs: %w", name, found, err)
	}
	return path, nil
}

// dataDir is where the socket lies, if there is one.
func (s *server) dataDir() string { return filepath.Join(s.Dir(), "data") }

func (s *server) describe() string {
	return fmt.Sprintf("Postgres %s (%s), fsync and synchronous_commit on, autovacuum off, no checkpoint within a run; %d CPUs, %s",
		s.Version(), s.Source(), runtime.NumCPU(), runtime.Version())
}

// destroy ends the server and removes all that it left.
func (s *server) destroy() error {
	var err error
	if s.Server != nil {
		err = s.Destroy()
	}
	if err == nil {
		err = os.RemoveAll(s.dir)
	}
	if err != nil {
		return fmt.Errorf("clean up %s: %w", s.dir, err)
	}
	return nil
}
