package listener

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/hooks"
)

// readAhead and readBytes are how much one read from the log brings: about, because rows of the log are read whole.
const (
	readAhead = 1000
	readBytes = 2 << 20
)

// readLog reads events from seq on: the row that holds it, and the rows that follow until there are about limit.
func (t *term) readLog(ctx context.Context, seq int64, limit int) ([]*hooks.Event, error) {
	return t.readBatches(ctx, seq, `select first_seq, events from (
			select first_seq, events, sum(bytes) over (order by first_seq) - bytes as before from latchkey.event_batches
			where group_name = $1 and last_seq >= $2 and first_seq < $2 + $3
			  and first_seq >= coalesce((select max(first_seq) from latchkey.event_batches where group_name = $1 and first_seq <= $2), 0)) b
		where before < $4 order by first_seq`, t.cfg.Group, seq, limit, readBytes)
}

// readBackfill is readLog for the rows that were read for a backfill.
func (t *term) readBackfill(ctx context.Context, subscription, seq int64, limit int) ([]*hooks.Event, error) {
	return t.readBatches(ctx, seq, `select first_seq, events from (
			select first_seq, events, sum(bytes) over (order by first_seq) - bytes as before from latchkey.backfill_batches
			where subscription_id = $1 and last_seq >= $2 and first_seq < $2 + $3) b
		where before < $4 order by first_seq`, subscription, seq, limit, readBytes)
}

func (t *term) readBatches(ctx context.Context, seq int64, sql string, args ...any) ([]*hooks.Event, error) {
	rows, err := t.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	var events []*hooks.Event
	var first int64
	var data []byte
	_, err = pgx.ForEachRow(rows, []any{&first, &data}, func() error {
		part, err := t.parse(ctx, data, first)
		events = append(events, part...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	for len(events) > 0 && events[0].Seq < seq {
		events = events[1:]
	}
	return events, nil
}

func (t *term) parse(ctx context.Context, data []byte, first int64) ([]*hooks.Event, error) {
	return parseEvents(data, first, func(id int64) (*hooks.Shape, error) { return t.shapes.get(ctx, id) })
}

// readEvent reads the event of a delivery: from its row, where retention has put it, or from the log.
func (t *term) readEvent(ctx context.Context, sub *subscription, seq int64) (*hooks.Event, error) {
	var kept *string
	err := t.pool.QueryRow(ctx, `select event from latchkey.deliveries where subscription_id = $1 and seq = $2`, sub.id, seq).Scan(&kept)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("read event %d: %w", seq, err)
	}
	var events []*hooks.Event
	switch {
	case kept != nil:
		events, err = t.parse(ctx, []byte("["+*kept+"]"), seq)
	case sub.kind == kindBackfill:
		events, err = t.readBackfill(ctx, sub.id, seq, 1)
	default:
		events, err = t.readLog(ctx, seq, 1)
	}
	if err != nil {
		return nil, err
	}
	if len(events) == 0 || events[0].Seq != seq {
		return nil, stop(nil, "restore latchkey.event_batches, or run `latchkey deliveries discard`", "event %d is not in the log", seq)
	}
	events[0].Run = sub.run
	return events[0], nil
}
