package listener

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/hooks"
)

// batchEvents and batchBytes bound the events that share a row of the log, and so what one read of it brings.
const (
	batchEvents = 500
	batchBytes  = 1 << 20
)

// An idle position is stored when it is both this much further and this long after the last one: it only serves to let
// the server drop log that holds nothing for us.
const (
	idleBytes = 16 << 20
	idleEvery = 10 * time.Second
)

// ingest stores what the reader brings: events, position and fence in one transaction; then it is acknowledged.
func (t *term) ingest(ctx context.Context) error {
	storedAt := time.Now()
	stored := t.start.done
	for {
		b, err := t.inbox.take(ctx)
		if err != nil {
			return err
		}
		idle := len(b.events) == 0 && len(b.spool) == 0 && len(b.unspool) == 0 && b.at.partial == 0
		if idle && (b.at.done < stored+idleBytes || time.Since(storedAt) < idleEvery) {
			t.l.progress.cover(b.at.done, t.nextSeq-1)
		} else {
			if err := t.store(ctx, b); err != nil {
				return err
			}
			if err := t.extendLog(ctx); err != nil {
				return err
			}
			stored, storedAt = b.at.done, time.Now()
		}
		if b.stored != nil {
			close(b.stored)
		}
	}
}

// store stores a batch and lets the dispatcher have it.
func (t *term) store(ctx context.Context, b batch) error {
	began := time.Now()
	ctx, span := t.ingestSpan(ctx, b)
	snapshot, err := t.write(ctx, b)
	endSpan(span, err)
	if err != nil {
		return err
	}
	if len(b.events) > 0 {
		t.cfg.Trace.ingested(Batch{Events: len(b.events), Took: time.Since(began)})
		t.cfg.Trace.stored(b.events)
		t.dispatch.offer(b.events, snapshot, b.size)
	}
	return nil
}

// write makes a batch durable and acknowledges it. It returns the snapshot in which that was done.
func (t *term) write(ctx context.Context, b batch) (snapshot string, err error) {
	q := t.fenced()
	if t.asyncCommit { // what is acknowledged must be on disk, whatever the server's default is
		q.Queue(`select set_config('synchronous_commit', 'on', true)`)
	}
	first := t.nextSeq
	for i, ev := range b.events {
		ev.Seq = first + int64(i)
	}
	for events := b.events; len(events) > 0; {
		events = events[t.queueEvents(q, events):]
	}
	if len(b.spool) > 0 {
		queueSpool(q, t.cfg.Group, b.spool)
	}
	for _, lsn := range b.unspool {
		q.Queue(`delete from latchkey.spool where group_name = $1 and commit_lsn = $2`, t.cfg.Group, lsn)
	}
	next := first + int64(len(b.events))
	q.Queue(`update latchkey.position set done_lsn = $2, partial_commit_lsn = $3, partial_ordinal = $4, next_seq = $5 where group_name = $1`,
		t.cfg.Group, b.at.done, b.at.partial, b.at.partialAt, next)
	q.Queue(`select pg_current_snapshot()::text`).QueryRow(func(row pgx.Row) error { return row.Scan(&snapshot) })

	t.step(stepIngest)
	// Without BEGIN the batch is one implicit transaction: all of it, or nothing.
	if err := t.pool.SendBatch(ctx, q).Close(); err != nil {
		return "", fmt.Errorf("store events: %w", lostOr(err))
	}
	if b.at.partial != 0 {
		t.step(stepChunk)
	}
	if len(b.events) > 0 {
		t.step(stepIngested)
	}
	t.nextSeq = next
	t.stream.acknowledge(b.at.done)
	t.step(stepAcknowledged)
	t.l.progress.cover(b.at.done, next-1)
	return snapshot, nil
}

// queueEvents makes a row of the log of the first events, and returns of how many.
func (t *term) queueEvents(q *pgx.Batch, events []*hooks.Event) int {
	data := make([]byte, 0, 512*min(len(events), batchEvents))
	data = append(data, '[')
	n := 0
	for n < len(events) && n < batchEvents && len(data) < batchBytes {
		if n > 0 {
			data = append(data, ",\n"...)
		}
		data = appendEvent(data, events[n])
		n++
	}
	data = append(data, ']')
	last := events[n-1]
	q.Queue(`insert into latchkey.event_batches (group_name, first_seq, last_seq, commit_lsn, committed_at, events, bytes) values ($1, $2, $3, $4, $5, $6::text, $7)`,
		t.cfg.Group, events[0].Seq, last.Seq, last.CommitLSN, last.CommittedAt, data, len(data))
	return n
}

func queueSpool(q *pgx.Batch, group string, rows []spoolRow) {
	lsns, ordinals, changes := make([]string, len(rows)), make([]int64, len(rows)), make([]string, len(rows))
	for i, r := range rows {
		lsns[i], ordinals[i], changes[i] = r.commitLSN.String(), r.ordinal, string(r.change)
	}
	q.Queue(`insert into latchkey.spool (group_name, commit_lsn, ordinal, change)
		select $1, l::pg_lsn, o, c from unnest($2::text[], $3::bigint[], $4::text[]) as s (l, o, c)`, group, lsns, ordinals, changes)
}

// readSpool reads back the set changes of a transaction that was stored in chunks.
func (t *term) readSpool(ctx context.Context, lsn pglogrepl.LSN) ([]spooled, error) {
	rows, err := t.pool.Query(ctx, `select ordinal, change from latchkey.spool where group_name = $1 and commit_lsn = $2 order by ordinal`, t.cfg.Group, lsn)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (s spooled, err error) {
		err = row.Scan(&s.ordinal, &s.change)
		return s, err
	})
}

// lostOr gives the fence's refusal its name.
func lostOr(err error) error {
	if sqlState(err) == stateLost {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	return err
}
