package listener

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
)

// The ways back from a [Stop]. Both need the group to themselves: they fail while an owner lives.

// RepairConfig says where, as in [Config].
type RepairConfig struct {
	DatabaseURL string
	Group       string
	Logger      *slog.Logger
}

// Reset makes the group forget its slot; the next start makes a new one, from then on. What was committed between the
// stored position and the new slot is never seen: the caller has accepted that. The log, the cursors and the failed
// deliveries stay. It returns the position that was stored.
func Reset(ctx context.Context, cfg RepairConfig) (pglogrepl.LSN, error) {
	var old pglogrepl.LSN
	err := repair(ctx, cfg, func(tx pgx.Tx, group string) error {
		var slot string
		if err := tx.QueryRow(ctx, `update latchkey.position set state = 'creating', generation = generation + 1, partial_commit_lsn = '0/0', partial_ordinal = 0
			where group_name = $1 returning slot, done_lsn`, group).Scan(&slot, &old); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1 and database = current_database()`, slot)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("listener: reset: %w", err)
	}
	cfg.log().Warn("the slot was reset; changes since the stored position are not seen", "group", cfg.Group, "from", old.String())
	return old, nil
}

// Skip passes over one transaction that can't be read, by the LSN of its commit, which the stop has named. What it
// changed is never seen.
func Skip(ctx context.Context, cfg RepairConfig, commit pglogrepl.LSN) error {
	err := repair(ctx, cfg, func(tx pgx.Tx, group string) error {
		var unreadable, done pglogrepl.LSN
		if err := tx.QueryRow(ctx, `select unreadable_lsn, done_lsn from latchkey.position where group_name = $1`, group).Scan(&unreadable, &done); err != nil {
			return err
		}
		switch { // another LSN is a slip of the pen, and would pass over all that lies between
		case unreadable == 0 || done > unreadable:
			return errors.New("no transaction has stopped this group that it is not past already")
		case commit != unreadable:
			return fmt.Errorf("that is not the transaction which stopped the group: it commits at %s", unreadable)
		}
		if _, err := tx.Exec(ctx, `update latchkey.position set done_lsn = $2::pg_lsn + 1, partial_commit_lsn = '0/0', partial_ordinal = 0, unreadable_lsn = '0/0'
			where group_name = $1`, group, commit); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `delete from latchkey.spool where group_name = $1`, group)
		return err
	})
	if err != nil {
		return fmt.Errorf("listener: skip the transaction that commits at %s: %w", commit, err)
	}
	cfg.log().Warn("a transaction was skipped", "group", cfg.Group, "commit_lsn", commit.String())
	return nil
}

func (cfg *RepairConfig) log() *slog.Logger {
	if cfg.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return cfg.Logger
}

// repair runs fn with the group taken, so that no owner can commit beside it.
func repair(ctx context.Context, cfg RepairConfig, fn func(tx pgx.Tx, group string) error) error {
	setDefault(&cfg.Group, "default")
	pool, err := openPool(ctx, cfg.DatabaseURL, "latchkey/"+cfg.Group+"/repair", 2)
	if err != nil {
		return err
	}
	defer pool.Close()
	l := &Listener{cfg: Config{Group: cfg.Group}, log: cfg.log(), instance: instanceName(), pool: pool}
	seen, err := l.lookAgain(ctx)
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("group %s is unknown here: it has never run on this database", cfg.Group)
	}
	if err != nil {
		return err
	}
	if seen.state == owned {
		return fmt.Errorf("group %s is owned by a running process: stop it first (epoch %d)", cfg.Group, seen.epoch)
	}
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock($1, hashtext($2))`, lockClass, cfg.Group); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `update latchkey.owner set epoch = epoch + 1, instance = $3 where group_name = $1 and epoch = $2`, cfg.Group, seen.epoch, l.instance)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return errors.New("another process has just taken the group: stop it first")
		}
		return fn(tx, cfg.Group)
	})
}

// repairPatience is how long a repair waits for an owner that has just ended, whose connections end a moment after it.
const repairPatience = 2 * time.Second

// lookAgain is look, but gives an owner that seems to live the time to end.
func (l *Listener) lookAgain(ctx context.Context) (sight, error) {
	for end := time.Now().Add(repairPatience); ; {
		seen, err := l.look(ctx)
		if err != nil || seen.state != owned || time.Now().After(end) {
			return seen, err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return seen, ctx.Err()
		}
	}
}
