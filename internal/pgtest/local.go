package pgtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"

	"github.com/latchkey-dev/latchkey/internal/postgres"
)

// serverSettings leave room for many tests at once, each with some slots and a pool. What is kept of the WAL for a
// crash is little, as it may lie in memory; what slots need is kept anyway.
func serverSettings() map[string]string {
	return map[string]string{
		"wal_level":             "logical",
		"max_replication_slots": "100",
		"max_wal_senders":       "100",
		"max_connections":       "300",
		"max_wal_size":          "128MB",
		"min_wal_size":          "32MB",
		// In the data directory, so that a server that is killed leaves nothing elsewhere.
		"dynamic_shared_memory_type": "mmap",
	}
}

func localWay() way {
	return way{name: "local", start: func(ctx context.Context, dog *watchdog) (*host, error) {
		// Slots are made and dropped here all the time, and Postgres may forget for a moment what one of them needs while it reckons
		// with another: some of the log is kept whatever it reckons.
		server, err := startLocal(ctx, dog, map[string]string{"wal_keep_size": "512MB"})
		if err != nil {
			return nil, err
		}
		return &host{
			url:      server.URL(),
			source:   "Postgres " + server.Version() + " of " + server.Source(),
			unsynced: true,
			end:      func(context.Context) error { return server.Destroy() },
		}, nil
	}}
}

// startLocal starts a server in a new directory, which its Destroy removes, or else the watchdog.
func startLocal(ctx context.Context, dog *watchdog, settings map[string]string) (*postgres.Server, error) {
	found, err := postgres.Find(ctx)
	if err != nil {
		return nil, err
	}
	if found.Image != "" {
		return nil, errors.New("no Postgres is installed, only Docker is")
	}
	dir, err := os.MkdirTemp(parentDir(), "latchkey-test-")
	if err != nil {
		return nil, fmt.Errorf("pgtest: %w", err)
	}
	server, err := startIn(ctx, dog, dir, settings)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return server, nil
}

func startIn(ctx context.Context, dog *watchdog, dir string, settings map[string]string) (*postgres.Server, error) {
	// Root's server runs as another user.
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, fmt.Errorf("pgtest: %w", err)
	}
	// Before the start, so that nothing is left if we are killed during it.
	if err := dog.guard("directory", dir); err != nil {
		return nil, err
	}
	all := serverSettings()
	maps.Copy(all, settings)
	server, err := postgres.Start(ctx, postgres.Config{Dir: dir, Settings: all, NoSync: true})
	if err != nil {
		return nil, err
	}
	// It lies elsewhere where its user can't reach the directory.
	if server.Dir() != dir {
		if err := dog.guard("directory", server.Dir()); err != nil {
			return nil, errors.Join(err, server.Destroy())
		}
	}
	return server, nil
}
