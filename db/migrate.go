package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/latchkey-dev/latchkey/sql/schema"
)

const migrationsTable = "public.latchkey_migrations"

// Migrations is the state of a database's schema.
type Migrations struct {
	Applied []string // files applied by this call, in order
	Version int64    // where the schema stands now
}

// Migrate brings the schemas auth and latchkey to this code's version. Several processes may call it at once: one works,
// the others poll for the lock (a session that waits in pg_advisory_lock would deadlock with CREATE INDEX CONCURRENTLY).
func Migrate(ctx context.Context, databaseURL string) (Migrations, error) {
	return migrate(ctx, databaseURL, func(p *goose.Provider) ([]*goose.MigrationResult, error) { return p.Up(ctx) })
}

// MigrateDown undoes migrations until version is the last one applied; 0 undoes all, data included.
func MigrateDown(ctx context.Context, databaseURL string, version int64) (Migrations, error) {
	return migrate(ctx, databaseURL, func(p *goose.Provider) ([]*goose.MigrationResult, error) { return p.DownTo(ctx, version) })
}

func migrate(ctx context.Context, databaseURL string, run func(*goose.Provider) ([]*goose.MigrationResult, error)) (m Migrations, err error) {
	provider, closeDB, err := migrations(databaseURL)
	if err != nil {
		return m, fmt.Errorf("db: migrate: %w", err)
	}
	defer closeDB()
	current, err := provider.GetDBVersion(ctx)
	if err != nil {
		return m, fmt.Errorf("db: migrate: %w", err)
	}
	if err := notNewer(current); err != nil {
		return m, fmt.Errorf("db: migrate: %w", err)
	}
	results, err := run(provider)
	for _, r := range results {
		if r.Error == nil {
			m.Applied = append(m.Applied, r.Source.Path)
		}
	}
	if err != nil {
		return m, fmt.Errorf("db: migrate: %w", err)
	}
	if m.Version, err = provider.GetDBVersion(ctx); err != nil {
		return m, fmt.Errorf("db: migrate: %w", err)
	}
	return m, nil
}

func migrations(databaseURL string) (*goose.Provider, func(), error) {
	config, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		return nil, nil, err
	}
	pool := stdlib.OpenDB(*config)
	closeDB := func() { _ = pool.Close() }                                     // nothing was buffered
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 600)) // polls every second, for ten minutes
	if err != nil {
		closeDB()
		return nil, nil, err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, pool, schema.Files, goose.WithTableName(migrationsTable), goose.WithSessionLocker(locker))
	if err != nil {
		closeDB()
		return nil, nil, err
	}
	return provider, closeDB, nil
}

// known is the version of the newest migration that this code has.
func known() (int64, error) {
	provider, err := goose.NewProvider(goose.DialectPostgres, &sql.DB{}, schema.Files)
	if err != nil {
		return 0, err
	}
	sources := provider.ListSources()
	return sources[len(sources)-1].Version, nil
}

func notNewer(version int64) error {
	newest, err := known()
	if err == nil && version > newest {
		err = fmt.Errorf("the database's schema is at version %d and this program knows %d: run a newer latchkey, or undo the newer migrations with the program that made them", version, newest)
	}
	return err
}

// CheckSchema tells whether the schema is the one that this code works with.
func CheckSchema(ctx context.Context, conn interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
},
) error {
	var version int64
	err := conn.QueryRow(ctx, "select coalesce(max(version_id), 0) from "+migrationsTable+" where is_applied").Scan(&version)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42P01" || err == nil && version == 0 {
		return errors.New("the database has no Latchkey schema: run `latchkey migrate`, or call db.Migrate")
	}
	if err != nil {
		return err
	}
	if err := notNewer(version); err != nil {
		return err
	}
	if newest, err := known(); err != nil || version < newest {
		return errors.Join(err, fmt.Errorf("the database's schema is at version %d and this program needs %d: run `latchkey migrate`, or call db.Migrate", version, newest))
	}
	return nil
}
