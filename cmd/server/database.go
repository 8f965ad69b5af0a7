package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/latchkey-dev/latchkey/internal/postgres"
)

// database is the flags that say where the data is.
type database struct {
	DatabaseURL    string `name:"database-url" env:"LATCHKEY_DATABASE_URL" placeholder:"URL" help:"The database. Without it: the private Postgres."`
	ReplicationURL string `name:"replication-url" env:"LATCHKEY_REPLICATION_URL" placeholder:"URL" help:"The same database without a pooler, by a role with REPLICATION. Default: the database URL."`
	Group          string `env:"LATCHKEY_GROUP" default:"default" help:"The listeners that share one slot."`
	Dir            string `env:"LATCHKEY_DIR" default:".latchkey" help:"Where the private Postgres keeps its data." type:"path"`

	private bool // DatabaseURL is the private Postgres'; known after start or need
}

const privateDatabase = "latchkey"

// start returns the database's URL, after starting the private Postgres if there is no other. stop ends what it started.
func (d *database) start(ctx context.Context, log *slog.Logger) (server *postgres.Server, stop func(), err error) {
	if d.DatabaseURL != "" {
		return nil, func() {}, nil
	}
	server, err = postgres.Start(ctx, postgres.Config{Dir: d.Dir, Database: privateDatabase, Log: log})
	if err != nil {
		return nil, nil, err
	}
	d.DatabaseURL, d.private = server.URL(), true
	return server, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 4*time.Second)
		defer cancel()
		if err := server.Stop(ctx); err != nil {
			log.Error("stop the private Postgres", "error", err)
		}
	}, nil
}

// need returns the URL of a database that runs: the one that is given, or the private one while a server has it running.
func (d *database) need() error {
	if d.DatabaseURL != "" {
		return nil
	}
	url, err := os.ReadFile(d.urlFile())
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("no database: give --database-url (or LATCHKEY_DATABASE_URL), or start `latchkey serve` here, whose private Postgres is then used")
	}
	d.DatabaseURL, d.private = string(url), true
	return err
}

// urlFile is where a server leaves the URL of its private Postgres for the other commands, while it runs.
func (d *database) urlFile() string { return filepath.Join(d.Dir, "url") }
