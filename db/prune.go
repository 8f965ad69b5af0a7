package db

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/hooks"
)

// Retention is how long rows are kept that nothing else removes. 0 keeps them for ever.
type Retention struct {
	Logs       time.Duration // since their date
	AuthEvents time.Duration // since they were written
	Jobs       time.Duration // since they were over, with what an export made; what an import was given goes at its end already
	Tickets    time.Duration // since they expired
}

// Pruned is how many rows went, by table.
type Pruned map[string]int

// expired is how long rows are kept that nobody reads after their end: a margin for clocks that differ.
const expired = time.Hour

// pruneBatch is how many rows go in one transaction: their locks are short, and so is what the log's reader has to hold.
const pruneBatch = 1000

// pruneLock is the key of the advisory lock of whoever prunes; listeners take theirs with two keys.
const pruneLock = 1819042913

// Prune removes what is older than its retention, of all tenants, in transactions of 1000 rows at most. Where another process is at it, it ends
// early, without an error: that one removes the same. It returns what it removed, also beside an error.
//
// No hook runs for these rows, but before-hooks in SQL where there are some. auth.auth_events is published: its rows go without an event (see
// hooks.PruneStamp), and none goes unseen, as the write-ahead log has the insert of one that the listener hasn't read yet.
func (s *Store) Prune(ctx context.Context, r Retention) (Pruned, error) {
	pruned := Pruned{}
	for _, p := range []struct {
		table, condition string
		kept             time.Duration
	}{
		{"auth.logs", `date < $1`, r.Logs},
		{"auth.auth_events", `created_at < $1`, r.AuthEvents},
		{"auth.tickets", `expires_at < $1`, r.Tickets},
		// A job's parts go first: there may be very many of them for one.
		{"auth.job_chunks", `(tenant_id, job_id) in (select tenant_id, id from auth.jobs where finished_at < $1)`, r.Jobs},
		{"auth.job_errors", `(tenant_id, job_id) in (select tenant_id, id from auth.jobs where finished_at < $1)`, r.Jobs},
		{"auth.jobs", `finished_at < $1`, r.Jobs},
		// Nobody asks for these once they expired.
		{"auth.login_sessions", `expires_at < $1`, expired},
		{"auth.sessions", `expires_at < $1`, expired},
		{"auth.refresh_tokens", `expires_at < $1`, expired},
		{"auth.login_codes", `expires_at < $1`, expired},
		{"auth.tries", `expires_at < $1`, expired},
		{"auth.revocations", `expires_at < $1`, expired},
	} {
		for more := p.kept > 0; more; {
			n, ours, err := s.pruneSome(ctx, p.table, p.condition, now().Add(-p.kept))
			if err != nil {
				return pruned, fmt.Errorf("db: prune %s: %w", p.table, err)
			}
			if !ours {
				return pruned, nil
			}
			if n > 0 {
				pruned[p.table] += n
			}
			more = n == pruneBatch
		}
	}
	return pruned, nil
}

// pruneSome removes rows in one transaction, unless another process is at it. The lock is the transaction's, so that it works behind a pooler
// too; the stamp is left to the trigger of the one table that is published.
func (s *Store) pruneSome(ctx context.Context, table, condition string, before time.Time) (n int, ours bool, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `select pg_try_advisory_xact_lock($1) from set_config('latchkey.context', $2, true)`, pruneLock, hooks.PruneStamp).Scan(&ours); err != nil || !ours {
			return err
		}
		tag, err := tx.Exec(ctx, `delete from `+table+` where ctid = any (array(select ctid from `+table+` where `+condition+` limit $2 for update skip locked))`, before, pruneBatch)
		n = int(tag.RowsAffected())
		return err
	})
	return n, ours, err
}
