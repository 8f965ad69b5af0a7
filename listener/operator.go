package listener

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/latchkey-dev/latchkey/internal/nearest"
)

// Operator acts on a group's hooks from outside, in any process: it looks at deliveries, retries and discards dead ones,
// pauses and resumes hooks, replays and backfills. It writes what is wanted to Postgres; the group's owner, wherever it
// is, sees that within a second (at its next renewal of the lease), or when it starts.
type Operator struct {
	db    Conn
	group string
}

// Conn is what an operator works through; a pgx pool and a connection fit.
type Conn interface {
	Querier
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Begin(ctx context.Context) (pgx.Tx, error)
}

// NewOperator acts on a group; an empty name is the default group.
func NewOperator(db Conn, group string) *Operator {
	setDefault(&group, "default")
	return &Operator{db: db, group: group}
}

// HookRef names a hook as people do: "table/name", or the name alone where one table has it.
type HookRef string

// Hook is a hook that the group knows, with its ordinary subscription.
type Hook struct {
	Table, Name string
	id          int64
}

func (h Hook) String() string { return h.Table + "/" + h.Name }

// Find finds a hook by its name. The error for one that there isn't names those that are like it.
func (o *Operator) Find(ctx context.Context, ref HookRef) (Hook, error) {
	rows, err := o.db.Query(ctx, `select table_name, hook, id from latchkey.subscriptions where group_name = $1 and run = 0 order by table_name, hook`, o.group)
	if err != nil {
		return Hook{}, fmt.Errorf("listener: find hook %s: %w", ref, err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (h Hook, err error) {
		err = row.Scan(&h.Table, &h.Name, &h.id)
		return h, err
	})
	if err != nil {
		return Hook{}, fmt.Errorf("listener: find hook %s: %w", ref, err)
	}
	var found []Hook
	var names []string
	for _, h := range all {
		if h.String() == string(ref) || h.Name == string(ref) {
			found = append(found, h)
		}
		names = append(names, h.String(), h.Name)
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		if len(all) == 0 {
			return Hook{}, fmt.Errorf("listener: group %q has no hooks: no listener of it has run on this database", o.group)
		}
		return Hook{}, fmt.Errorf("listener: there is no hook %q in group %q%s", ref, o.group, nearest.Hint(string(ref), names))
	}
	var which []string
	for _, h := range found {
		which = append(which, h.String())
	}
	return Hook{}, fmt.Errorf("listener: %q is the name of several hooks: say which, %s", ref, strings.Join(which, " or "))
}

// DeliveryFilter chooses deliveries that have a row: those that failed at least once, or wait behind one that did.
type DeliveryFilter struct {
	Hook   HookRef // "": of every hook
	Status []string
	Seqs   []int64
	After  int64 // of those with a higher seq
	Limit  int   // default 100
}

// DeliveryStatuses are the states of a delivery that has a row.
func DeliveryStatuses() []string {
	return []string{"retry", "running", "held", "dead", "done", "discarded"}
}

// Delivery is one event for one hook, where that failed or had to wait.
type Delivery struct {
	Seq       int64      `json:"seq"`
	Table     string     `json:"table"`
	Hook      string     `json:"hook"`
	Run       int64      `json:"run"` // 0, or the number of the replay or backfill
	Status    string     `json:"status"`
	Attempt   int        `json:"attempt"`
	Next      *time.Time `json:"next_attempt_at,omitempty"`
	LastError string     `json:"last_error,omitempty"`
	Entities  []string   `json:"entities"`
	Created   time.Time  `json:"created_at"`
	Updated   time.Time  `json:"updated_at"`
}

const selectDeliveries = `select d.seq, s.table_name, s.hook, s.run, d.status, d.attempt, d.next_attempt_at, coalesce(d.last_error, ''), d.entities, d.created_at, d.updated_at
	from latchkey.deliveries d join latchkey.subscriptions s on s.id = d.subscription_id where s.group_name = $1`

// Deliveries lists deliveries in the order of seq.
func (o *Operator) Deliveries(ctx context.Context, f DeliveryFilter) ([]Delivery, error) {
	where, args, err := o.where(ctx, f)
	if err != nil {
		return nil, err
	}
	setDefault(&f.Limit, 100)
	rows, err := o.db.Query(ctx, selectDeliveries+where+fmt.Sprintf(` and d.seq > $%d order by d.seq, s.id limit $%d`, len(args)+1, len(args)+2), append(args, f.After, f.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("listener: list deliveries: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanDelivery)
	if err != nil {
		return nil, fmt.Errorf("listener: list deliveries: %w", err)
	}
	return list, nil
}

func scanDelivery(row pgx.CollectableRow) (d Delivery, err error) {
	err = row.Scan(&d.Seq, &d.Table, &d.Hook, &d.Run, &d.Status, &d.Attempt, &d.Next, &d.LastError, &d.Entities, &d.Created, &d.Updated)
	return d, err
}

// where is a filter as SQL; $1 is the group.
func (o *Operator) where(ctx context.Context, f DeliveryFilter) (sql string, args []any, err error) {
	args = []any{o.group}
	for _, status := range f.Status {
		if !slices.Contains(DeliveryStatuses(), status) {
			return "", nil, fmt.Errorf("listener: there is no status %q%s", status, nearest.Hint(status, DeliveryStatuses()))
		}
	}
	if f.Hook != "" {
		h, err := o.Find(ctx, f.Hook)
		if err != nil {
			return "", nil, err
		}
		args = append(args, h.Table, h.Name)
		sql += ` and s.table_name = $2 and s.hook = $3`
	}
	for _, part := range []struct {
		column string
		value  any
		given  bool
	}{{"d.status", f.Status, len(f.Status) > 0}, {"d.seq", f.Seqs, len(f.Seqs) > 0}} {
		if part.given {
			args = append(args, part.value)
			sql += fmt.Sprintf(` and %s = any ($%d)`, part.column, len(args))
		}
	}
	return sql, args, nil
}

// ErrNoDelivery is returned where a hook has no delivery of that number with a row: it is unknown, still to come, or was done at once.
var ErrNoDelivery = errors.New("there is no such delivery: it was done at its first attempt, or is still to come")

// Delivery shows one delivery, of the hook's ordinary run or of another, with its event as latchkey.events has it (null
// where the log has dropped it).
func (o *Operator) Delivery(ctx context.Context, hook HookRef, run, seq int64) (Delivery, json.RawMessage, error) {
	h, err := o.Find(ctx, hook)
	if err != nil {
		return Delivery{}, nil, err
	}
	fail := func(err error) (Delivery, json.RawMessage, error) {
		return Delivery{}, nil, fmt.Errorf("listener: delivery %d of hook %s: %w", seq, h, err)
	}
	rows, err := o.db.Query(ctx, selectDeliveries+` and s.table_name = $2 and s.hook = $3 and s.run = $4 and d.seq = $5`, o.group, h.Table, h.Name, run, seq)
	if err != nil {
		return fail(err)
	}
	d, err := pgx.CollectExactlyOneRow(rows, scanDelivery)
	if errors.Is(err, pgx.ErrNoRows) {
		return fail(ErrNoDelivery)
	}
	if err != nil {
		return fail(err)
	}
	var event []byte
	err = o.db.QueryRow(ctx, `select to_jsonb(e) from latchkey.events_after($1, $2) e where e.seq = $3 limit 1`, o.group, seq-1, seq).Scan(&event)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fail(err)
	}
	return d, event, nil
}

// Retry has dead deliveries tried again, one attempt each, and returns how many. The owner sees it within a second.
func (o *Operator) Retry(ctx context.Context, f DeliveryFilter) (int64, error) {
	return o.change(ctx, f, `status = 'retry', next_attempt_at = now()`)
}

// Discard gives dead deliveries up, so that what waits behind them goes on, and returns how many.
func (o *Operator) Discard(ctx context.Context, f DeliveryFilter) (int64, error) {
	return o.change(ctx, f, `status = 'discarded', next_attempt_at = null`)
}

func (o *Operator) change(ctx context.Context, f DeliveryFilter, set string) (int64, error) {
	f.Status = []string{"dead"}
	where, args, err := o.where(ctx, f)
	if err != nil {
		return 0, err
	}
	var n int64
	err = o.controlled(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `update latchkey.deliveries d set `+set+`, asked_at = now(), updated_at = now()
			from latchkey.subscriptions s where s.id = d.subscription_id and s.group_name = $1`+where, args...)
		n = tag.RowsAffected()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("listener: change deliveries: %w", err)
	}
	return n, nil
}

// Pause stops a hook's ordinary run until it is resumed: what is under way ends, the rest waits in the log, which is kept
// for it for as long as listener.Config.PausedRetention.
func (o *Operator) Pause(ctx context.Context, hook HookRef) error {
	h, err := o.Find(ctx, hook)
	if err != nil {
		return err
	}
	err = o.controlled(ctx, func(tx pgx.Tx) error {
		if h.isWebhook() {
			return setWebhookStatus(ctx, tx, h, statusPaused, "paused by an operator")
		}
		_, err := tx.Exec(ctx, `update latchkey.subscriptions set status = 'paused', paused_at = now() where id = $1 and status = 'active'`, h.id)
		return err
	})
	if err != nil {
		return fmt.Errorf("listener: pause hook %s: %w", h, err)
	}
	return nil
}

// GapError says that the log no longer has what a hook is to get next.
type GapError struct {
	Hook          string
	Cursor, First int64 // the last event that it is past, and the first that the log has
}

func (e *GapError) Error() string {
	return fmt.Sprintf("hook %s has had events up to %d, and the log begins at %d: those between are never delivered to it. Accept the gap (--accept-gap) once that is dealt with",
		e.Hook, e.Cursor, e.First)
}

// Resume lets a paused hook go on where it was. Where the log no longer has what comes next, it returns a *[GapError], or
// passes over the gap if that is accepted.
func (o *Operator) Resume(ctx context.Context, hook HookRef, acceptGap bool) error {
	h, err := o.Find(ctx, hook)
	if err != nil {
		return err
	}
	err = o.controlled(ctx, func(tx pgx.Tx) error {
		var cursor, first int64
		// Locked, so that retention takes nothing away meanwhile.
		err := tx.QueryRow(ctx, `select first_seq from latchkey.position where group_name = $1 for update`, o.group).Scan(&first)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if err := tx.QueryRow(ctx, `select cursor_seq from latchkey.subscriptions where id = $1 for no key update`, h.id).Scan(&cursor); err != nil {
			return err
		}
		if cursor+1 < first && !acceptGap {
			return &GapError{Hook: h.String(), Cursor: cursor, First: first}
		}
		if h.isWebhook() {
			return setWebhookStatus(ctx, tx, h, statusActive, "")
		}
		_, err = tx.Exec(ctx, `update latchkey.subscriptions set status = 'active', paused_at = null, cursor_seq = greatest(cursor_seq, $2) where id = $1`, h.id, first-1)
		return err
	})
	if err != nil {
		return fmt.Errorf("listener: resume hook %s: %w", h, err)
	}
	return nil
}

// controlled runs fn in a transaction and has the owner read again.
func (o *Operator) controlled(ctx context.Context, fn func(pgx.Tx) error) error {
	tx, err := o.db.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // after a commit it does nothing
	if err := fn(tx); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `update latchkey.lease set control = control + 1 where group_name = $1`, o.group); err != nil {
		return err
	}
	return tx.Commit(ctx)
}
