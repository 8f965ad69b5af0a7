package db

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/lazytx"
)

// Config is what [Open] needs.
type Config struct {
	DatabaseURL string       // a postgres:// URL; pool settings as pgxpool's (pool_max_conns and so on)
	Hooks       *Hooks       // nil: no hooks
	Logger      *slog.Logger // nil: none
}

// Store is the repositories on a pool of connections: each write is a transaction of its own.
type Store struct {
	repositories
	pool  *pgxpool.Pool
	hooks *Hooks
}

// Tx is the repositories inside one transaction, and the transaction itself for SQL of one's own. It isn't safe for
// concurrent use.
type Tx struct {
	repositories
	Conn
	session *session
	hooks   *Hooks
}

// repositories has a field for each entity.
type repositories struct {
	Roles           *Roles
	RolePermissions *RolePermissions
}

func newRepositories(s *session, h *Hooks) repositories {
	return repositories{
		Roles:           newRoles(s, h),
		RolePermissions: &RolePermissions{s: s, hooks: h.RolePermissions},
	}
}

// Open connects, checks that the schema is there and not newer than this code, and returns what was registered wrongly.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.Hooks == nil {
		cfg.Hooks = NewHooks()
	}
	if err := cfg.Hooks.Err(); err != nil {
		return nil, fmt.Errorf("db: open: %w", err)
	}
	if cfg.DatabaseURL == "" {
		return nil, errors.New("db: open: Config.DatabaseURL is empty: give it a postgres:// URL")
	}
	pool, err := pgxpool.New(ctx, cfg.DatabaseURL)
	if err != nil {
		return nil, fmt.Errorf("db: open: %w", err)
	}
	if err := CheckSchema(ctx, pool); err != nil {
		pool.Close()
		return nil, fmt.Errorf("db: open: %w", err)
	}
	s := &session{pool: pool}
	return &Store{repositories: newRepositories(s, cfg.Hooks), pool: pool, hooks: cfg.Hooks}, nil
}

// Close gives the connections back. Writes that still run fail.
func (s *Store) Close() { s.pool.Close() }

// InTx runs fn in one transaction and commits it if fn returns nil. Every write in fn, and every hook of it, is part of it.
func (s *Store) InTx(ctx context.Context, fn func(tx *Tx) error) error {
	if err := (&session{}).mayWrite(ctx); err != nil {
		return fmt.Errorf("db: transaction: %w", err)
	}
	_, inContext, err := stampStatements(ctx)
	if err != nil {
		return fmt.Errorf("db: transaction: %w", err)
	}
	return run(ctx, lazytx.New(s.pool, inContext), s.hooks, fn)
}

// InTx runs fn in a savepoint and rolls back to it if fn returns an error.
func (t *Tx) InTx(ctx context.Context, fn func(tx *Tx) error) error {
	return run(ctx, lazytx.Nested(t.session.conn), t.hooks, fn)
}

func run(ctx context.Context, tx *lazytx.Tx, h *Hooks, fn func(tx *Tx) error) (err error) {
	defer func() { _ = tx.Rollback(ctx) }() // does nothing after the commit; fn may panic
	if err := fn(with(tx, h)); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("db: commit: %w", err)
	}
	return nil
}

// With gives the repositories inside a transaction that the caller began and will end: a pgx.Tx, or the hooks.Tx of a hook.
func (s *Store) With(conn Conn) *Tx { return with(conn, s.hooks) }

func with(conn Conn, h *Hooks) *Tx {
	if tx, ok := conn.(*Tx); ok {
		conn = tx.Conn
	}
	s := &session{conn: conn}
	return &Tx{repositories: newRepositories(s, h), Conn: conn, session: s, hooks: h}
}

// LSN is a point in the log at or after the commit of every write that returned before the call; a listener's WaitFor takes it.
func (s *Store) LSN(ctx context.Context) (pglogrepl.LSN, error) {
	var lsn pglogrepl.LSN
	if err := s.pool.QueryRow(ctx, "select pg_current_wal_flush_lsn()").Scan(&lsn); err != nil {
		return 0, fmt.Errorf("db: position of the log: %w", err)
	}
	return lsn, nil
}

var _ Conn = hooks.Tx(nil)
