package listener

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Point is a place in the log: an event's number, or a time. The zero value is the log's beginning or its end.
type Point struct {
	Seq  int64
	Time time.Time
}

// ReplayRequest says what to give to a hook once more. Both ends are part of it.
type ReplayRequest struct {
	Hook HookRef
	From Point // zero: the first event that the log still has
	To   Point // zero: the last event that is stored now
}

// HookRun is a replay or backfill, and how far it is. It is a run of its own: its own cursor, beside the ordinary run and through
// the same lanes, and each of its deliveries happens once.
type HookRun struct {
	Table    string     `json:"table"`
	Hook     string     `json:"hook"`
	Run      int64      `json:"run"`
	Kind     string     `json:"kind"`   // replay or backfill
	Status   string     `json:"status"` // active, paused or done
	From     int64      `json:"from"`
	To       int64      `json:"to"` // 0: not known yet
	Cursor   int64      `json:"cursor"`
	Failed   int64      `json:"failed"` // deliveries that are set aside: retry, held or dead
	Created  time.Time  `json:"created_at"`
	Finished *time.Time `json:"finished_at,omitempty"`

	id int64
}

// Done is how many events are settled, Total of how many; a total of 0 is not known yet.
func (r HookRun) Done() int64 { return max(0, r.Cursor-r.From+1) }

// Total is how many events the run is given.
func (r HookRun) Total() int64 { return max(0, r.To-r.From+1) }

// Replay gives a stretch of the log to a hook once more, in a run of its own. It returns at once; see Run for how far it is.
// Errors: [ForgottenError], [RefusedError].
func (o *Operator) Replay(ctx context.Context, req ReplayRequest) (HookRun, error) {
	h, err := o.Find(ctx, req.Hook)
	if err != nil {
		return HookRun{}, err
	}
	var run HookRun
	err = o.controlled(ctx, func(tx pgx.Tx) error {
		from, to, err := o.stretch(ctx, tx, req)
		if err != nil {
			return err
		}
		run, err = o.addRun(ctx, tx, h, kindReplay, from, &to)
		return err
	})
	if err != nil {
		return HookRun{}, fmt.Errorf("listener: replay hook %s: %w", h, err)
	}
	return run, nil
}

// addRun makes a subscription for a run. The hook's ordinary one is locked, so that two get different numbers.
func (o *Operator) addRun(ctx context.Context, tx pgx.Tx, h Hook, kind string, from int64, to *int64) (HookRun, error) {
	if _, err := tx.Exec(ctx, `select from latchkey.subscriptions where id = $1 for no key update`, h.id); err != nil {
		return HookRun{}, err
	}
	var id int64
	err := tx.QueryRow(ctx, `insert into latchkey.subscriptions (group_name, table_name, hook, run, kind, start_lsn, first_seq, cursor_seq, until_seq)
		select $1, $2, $3, max(run) + 1, $4, '0/0', $5::bigint, $5::bigint - 1, $6 from latchkey.subscriptions where group_name = $1 and table_name = $2 and hook = $3
		returning id`, o.group, h.Table, h.Name, kind, from, to).Scan(&id)
	if err != nil {
		return HookRun{}, err
	}
	return readRun(ctx, tx, id)
}

// seqAtTime is the first event of group $1 that was committed at $2 or later.
const seqAtTime = `select min(e.seq) from latchkey.events e where e.group_name = $1 and e.committed_at >= $2 and e.batch_first_seq =
	(select min(first_seq) from latchkey.event_batches where group_name = $1 and committed_at >= $2)`

// stretch finds the events that a replay begins and ends with.
func (o *Operator) stretch(ctx context.Context, tx pgx.Tx, req ReplayRequest) (from, to int64, err error) {
	var first, last int64
	err = tx.QueryRow(ctx, `select first_seq, next_seq - 1 from latchkey.position where group_name = $1 for update`, o.group).Scan(&first, &last)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, 0, refuse("the group has no log yet")
	}
	if err != nil {
		return 0, 0, err
	}
	from, to = max(req.From.Seq, 0), req.To.Seq
	if !req.From.Time.IsZero() {
		from, err = o.atTime(ctx, tx, `select coalesce((`+seqAtTime+`), 0)`, req.From.Time)
		if err == nil && from == 0 {
			err = refuse("no event was committed at or after %s", req.From.Time.Format(time.RFC3339))
		}
	}
	if err == nil && !req.To.Time.IsZero() {
		to, err = o.atTime(ctx, tx, `select coalesce(max(e.seq), 0) from latchkey.events e where e.group_name = $1 and e.committed_at <= $2 and e.batch_first_seq >=
			(select coalesce(max(first_seq), 0) from latchkey.event_batches where group_name = $1 and committed_at <= $2)
			and e.batch_first_seq <= (select coalesce(min(first_seq), 9223372036854775807) from latchkey.event_batches where group_name = $1 and committed_at > $2)`, req.To.Time)
		if err == nil && to == 0 {
			err = refuse("no event that the log has was committed at or before %s", req.To.Time.Format(time.RFC3339))
		}
	}
	if err != nil {
		return 0, 0, err
	}
	setDefault(&from, first)
	setDefault(&to, last)
	switch {
	case last < first:
		return 0, 0, refuse("the log holds no event")
	case from < first:
		return 0, 0, &ForgottenError{First: first}
	case to > last:
		return 0, 0, refuse("event %d is not stored yet: the last one is %d", to, last)
	case from > to:
		return 0, 0, refuse("there is nothing between events %d and %d", from, to)
	}
	return from, to, nil
}

func (o *Operator) atTime(ctx context.Context, tx pgx.Tx, sql string, at time.Time) (seq int64, err error) {
	return seq, tx.QueryRow(ctx, sql, o.group, at).Scan(&seq)
}

const selectRuns = `select s.id, s.table_name, s.hook, s.run, s.kind, s.status, s.first_seq, coalesce(s.until_seq, 0), s.cursor_seq,
		(select count(*) from latchkey.deliveries d where d.subscription_id = s.id and d.status in ('retry', 'running', 'held', 'dead')), s.created_at, s.finished_at
	from latchkey.subscriptions s where s.run > 0`

func scanRun(row pgx.CollectableRow) (r HookRun, err error) {
	err = row.Scan(&r.id, &r.Table, &r.Hook, &r.Run, &r.Kind, &r.Status, &r.From, &r.To, &r.Cursor, &r.Failed, &r.Created, &r.Finished)
	return r, err
}

func readRun(ctx context.Context, q Querier, id int64) (HookRun, error) {
	rows, err := q.Query(ctx, selectRuns+` and s.id = $1`, id)
	if err != nil {
		return HookRun{}, err
	}
	return pgx.CollectExactlyOneRow(rows, scanRun)
}

// Runs lists the replays and backfills of the group, the last ones first: those that go on, and those that ended within
// the retention.
func (o *Operator) Runs(ctx context.Context) ([]HookRun, error) {
	rows, err := o.db.Query(ctx, selectRuns+` and s.group_name = $1 order by s.id desc`, o.group)
	if err != nil {
		return nil, fmt.Errorf("listener: list runs: %w", err)
	}
	runs, err := pgx.CollectRows(rows, scanRun)
	if err != nil {
		return nil, fmt.Errorf("listener: list runs: %w", err)
	}
	return runs, nil
}

// Again reads a run anew: how far it is now.
func (o *Operator) Again(ctx context.Context, run HookRun) (HookRun, error) {
	now, err := readRun(ctx, o.db, run.id)
	if err != nil {
		return run, fmt.Errorf("listener: read run %d of hook %s/%s: %w", run.Run, run.Table, run.Hook, err)
	}
	return now, nil
}
