package listener_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/lazytx"
	"github.com/latchkey-dev/latchkey/listener"
)

var errNo = errors.New("no")

// rewrite slips SQL past the guard, as no hook should: it is here to see what happens then.
type rewrite string

func (r rewrite) RewriteQuery(context.Context, *pgx.Conn, string, []any) (string, []any, error) {
	return string(r), nil, nil
}

// A hook that ends its transaction might have kept effects without the record that it ran: it is never tried again.
func TestHookThatEndsItsTransactionIsDeadAtOnce(t *testing.T) {
	t.Parallel()
	commit := func(ctx context.Context, tx hooks.Tx) error {
		_, err := tx.Exec(ctx, `x`, rewrite(`commit`))
		return err
	}
	for name, c := range map[string]struct {
		kept int // effects that nobody can take back any more
		end  func(ctx context.Context, tx hooks.Tx) error
	}{
		"the tag is gone": {0, func(ctx context.Context, tx hooks.Tx) error {
			_, err := tx.Exec(ctx, `select set_config('latchkey.delivery', '', true)`)
			return err
		}},
		"commit": {1, commit},
		"commit, then an error": {1, func(ctx context.Context, tx hooks.Tx) error {
			if err := commit(ctx, tx); err != nil {
				return err
			}
			return errNo
		}},
		"commit, then a statement": {1, func(ctx context.Context, tx hooks.Tx) error {
			if err := commit(ctx, tx); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `select 1`)
			return err
		}},
		"commit, then a panic": {1, func(ctx context.Context, tx hooks.Tx) error {
			if err := commit(ctx, tx); err != nil {
				return err
			}
			panic("and now?")
		}},
		"rollback": {0, func(ctx context.Context, tx hooks.Tx) error {
			_, err := tx.Exec(ctx, `x`, rewrite(`rollback`))
			return err
		}},
		"commit, and a new one": {1, func(ctx context.Context, tx hooks.Tx) error {
			b := &pgx.Batch{}
			b.Queue(`x`, rewrite(`commit`))
			b.Queue(`x`, rewrite(`begin`))
			return tx.SendBatch(ctx, b).Close()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newHookRig(t)
			r.afterRoles("h", func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error {
				if err := leave(ctx, tx, "h", ev); err != nil {
					return err
				}
				return c.end(ctx, tx)
			})
			n := r.start()
			r.roles("a")
			n.catchUp()
			r.seen.awaitFailed("h", 1)
			n.stop()
			r.requireDeliveries("h 1 dead 1")
			if text := value[string](r.rig, `select last_error from latchkey.deliveries`); !strings.Contains(text, "ended the transaction that it was given") {
				t.Fatalf("the error that is kept is %q", text)
			}
			if got := value[int](r.rig, `select count(*) from effect`); got != c.kept {
				t.Fatalf("%d effects are there, want %d", got, c.kept)
			}
			r.start() // and not after a restart either
			r.seen.require("h", 0, 1)
		})
	}
}

// What is refused does no harm: the hook may go on.
func TestControlStatementsAreRefused(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	r.exec(`create procedure commits() language plpgsql as $$ begin commit; end $$`)
	r.afterRoles("refused", func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error {
		for _, sql := range []string{`commit`, `/* now */ ROLLBACK`, `begin`, `savepoint s`, `end`, `abort`, `prepare transaction 'x'`} {
			if _, err := tx.Exec(ctx, sql); !errors.Is(err, lazytx.ErrControl) {
				return errors.New(sql + " was not refused")
			}
		}
		return leave(ctx, tx, "refused", ev)
	})
	// Postgres itself refuses these within a transaction; they fail the hook like any error.
	for name, sql := range map[string]string{
		"call": `call commits()`, "do": `do $$ begin commit; end $$`, "many": `select 1; commit; begin`,
	} {
		r.afterRoles(name, func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error {
			if err := leave(ctx, tx, name, ev); err != nil {
				return err
			}
			if ev.Attempt == 1 {
				_, _ = tx.Exec(ctx, sql)
			}
			return nil
		})
	}
	n := r.start()
	r.roles("a")
	n.catchUp()
	for _, name := range []string{"call", "do", "many"} {
		r.seen.awaitDone(name, 1)
		r.seen.require(name, 1, 1)
		r.requireEffects(name, "a")
	}
	r.seen.require("refused", 1, 0)
	r.requireEffects("refused", "a")
}

// However a hook ends, its connection is the next one's.
func TestConnectionsReturn(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	for name, end := range map[string]func(ctx context.Context, tx hooks.Tx) error{
		"error": func(context.Context, hooks.Tx) error { return errNo },
		"panic": func(context.Context, hooks.Tx) error { panic("no") },
		"open": func(ctx context.Context, tx hooks.Tx) error {
			_, err := tx.Query(ctx, `select generate_series(1, 1000000)`) //nolint:sqlclosecheck // left open, as a careless hook might
			return err
		},
		"batch": func(ctx context.Context, tx hooks.Tx) error {
			b := &pgx.Batch{}
			b.Queue(`select 1`)
			tx.SendBatch(ctx, b)
			return nil
		},
		"tag": func(ctx context.Context, tx hooks.Tx) error {
			_, err := tx.Exec(ctx, `select set_config('latchkey.delivery', '', true)`)
			return err
		},
		"commit": func(ctx context.Context, tx hooks.Tx) error {
			_, err := tx.Exec(ctx, `x`, rewrite(`commit`))
			return err
		},
		"deadline": func(ctx context.Context, tx hooks.Tx) error {
			_, err := tx.Exec(ctx, `select pg_sleep(60)`)
			return err
		},
		"state": func(ctx context.Context, tx hooks.Tx) error { _, _ = tx.Exec(ctx, `select 1/0`); return nil },
	} {
		r.afterRoles(name, func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error {
			if err := leave(ctx, tx, name, ev); err != nil {
				return err
			}
			return end(ctx, tx)
		}, hooks.Timeout(300*time.Millisecond))
	}
	r.afterRoles("good", func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error { return leave(ctx, tx, "good", ev) })
	n := r.start(with(func(c *listener.Config) { c.HookConnections, c.Lanes, c.Retry.Attempts = 1, 1, 1 }))
	r.roles("a", "b", "c")
	n.catchUp()
	r.seen.awaitFailed("deadline", 3)
	r.requireEffects("good", "a", "b", "c")
	n.stop()
	if left := value[int](r.rig, `select count(*) from effect where hook not in ('good', 'commit')`); left != 0 {
		t.Fatalf("failed hooks have left %d effects", left)
	}
}
