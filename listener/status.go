package listener

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
)

// Status is how a group stands, as Postgres has it; any process may ask.
type Status struct {
	Group    string `json:"group"`
	Owner    string `json:"owner"` // empty if nobody owns the group
	Epoch    int64  `json:"epoch"`
	Slot     string `json:"slot"`
	WALState string `json:"wal_status"` // empty if the slot does not exist
	Active   bool   `json:"active"`
	LagBytes int64  `json:"lag_bytes"`      // from the stored position to where the server writes
	Retained int64  `json:"retained_bytes"` // of the log, for the slot: what fills the server's disk
	// LagSeconds is how long ago what is being stored was written; null while nobody reads the slot.
	LagSeconds *float64     `json:"lag_seconds"`
	Done       string       `json:"done_lsn"`
	Stored     int64        `json:"stored_events"`
	First      int64        `json:"first_event"` // that the log still has
	Hooks      []HookStatus `json:"hooks"`
}

// HookStatus is where one hook stands.
type HookStatus struct {
	Table  string    `json:"table"`
	Hook   string    `json:"hook"`
	Cursor int64     `json:"cursor"`      // every event up to it is settled
	Lag    int64     `json:"lag"`         // stored events above it
	Status string    `json:"status"`      // active or paused
	Orphan bool      `json:"orphan"`      // the newest program does not have it
	Behind float64   `json:"lag_seconds"` // about how long ago the first of them was committed; 0 if there is none
	Rate   float64   `json:"rate"`        // events a second that it got past, where two looks were compared: see RatesSince
	Retry  int64     `json:"retry"`
	Held   int64     `json:"held"`
	Dead   int64     `json:"dead"`
	Since  time.Time `json:"since"`
}

// IsWebhook reports whether the hook is a tenant's webhook: Table is then webhook/<tenant>, and Hook its id.
func (h HookStatus) IsWebhook() bool { return strings.HasPrefix(h.Table, webhookPrefix) }

// RatesSince fills in the hooks' rates from an earlier look.
func (s *Status) RatesSince(before Status, passed time.Duration) {
	for i := range s.Hooks {
		for _, was := range before.Hooks {
			if was.Table == s.Hooks[i].Table && was.Hook == s.Hooks[i].Hook {
				s.Hooks[i].Rate = float64(s.Hooks[i].Cursor-was.Cursor) / passed.Seconds()
			}
		}
	}
}

// Querier is what ReadStatus reads through; a pgx pool and a connection fit.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Status reads how the listener's group stands.
func (l *Listener) Status(ctx context.Context) (Status, error) {
	return ReadStatus(ctx, l.pool, l.cfg.Group)
}

// ReadStatus reads how a group stands.
func ReadStatus(ctx context.Context, q Querier, group string) (Status, error) {
	s := Status{Group: group}
	var done pglogrepl.LSN
	err := q.QueryRow(ctx, `select case when l.expires_at > clock_timestamp() then o.instance else '' end, o.epoch, coalesce(p.slot, ''), coalesce(r.wal_status, ''),
			coalesce(r.active, false), coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), p.done_lsn), 0)::bigint,
			coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), r.restart_lsn), 0)::bigint, coalesce(p.done_lsn, '0/0'), coalesce(p.next_seq - 1, 0), coalesce(p.first_seq, 1),
			case when r.active then coalesce((select extract(epoch from w.flush_lag) from pg_stat_replication w where w.pid = r.active_pid), 0)::float8 end
		from latchkey.owner o join latchkey.lease l using (group_name) left join latchkey.position p using (group_name) left join pg_replication_slots r on r.slot_name = p.slot
		where o.group_name = $1`, group).Scan(&s.Owner, &s.Epoch, &s.Slot, &s.WALState, &s.Active, &s.LagBytes, &s.Retained, &done, &s.Stored, &s.First, &s.LagSeconds)
	if errors.Is(err, pgx.ErrNoRows) {
		return s, fmt.Errorf("listener: group %q is unknown: no listener of it has run on this database", group)
	}
	if err != nil {
		return s, fmt.Errorf("listener: status: %w", err)
	}
	s.Done = done.String()
	rows, err := q.Query(ctx, `select s.table_name, s.hook, s.cursor_seq, greatest($2 - s.cursor_seq, 0), s.status,
			s.table_name not like 'webhook/%' and not exists (select from latchkey.hook_sets h, unnest(h.hooks) as n (name) where h.number = (select hook_set from latchkey.lease where group_name = $1)
				and h.group_name = $1 and n.name like replace(replace(s.table_name || ' ' || s.hook, '\', '\\'), '_', '\_') || ' %'),
			case when $2 > s.cursor_seq then coalesce((select greatest(extract(epoch from clock_timestamp() - b.committed_at), 0) from latchkey.event_batches b
				where b.group_name = s.group_name and b.first_seq <= s.cursor_seq + 1 order by b.first_seq desc limit 1), 0) else 0 end::float8,
			count(d.seq) filter (where d.status in ('retry', 'running')), count(d.seq) filter (where d.status = 'held'), count(d.seq) filter (where d.status = 'dead'), s.created_at
		from latchkey.subscriptions s left join latchkey.deliveries d on d.subscription_id = s.id and d.status in ('retry', 'running', 'held', 'dead')
		where s.group_name = $1 and s.run = 0 group by s.id order by s.table_name, s.hook`, group, s.Stored)
	if err != nil {
		return s, fmt.Errorf("listener: status: %w", err)
	}
	s.Hooks, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (h HookStatus, err error) {
		err = row.Scan(&h.Table, &h.Hook, &h.Cursor, &h.Lag, &h.Status, &h.Orphan, &h.Behind, &h.Retry, &h.Held, &h.Dead, &h.Since)
		return h, err
	})
	if err != nil {
		return s, fmt.Errorf("listener: status: %w", err)
	}
	return s, nil
}
