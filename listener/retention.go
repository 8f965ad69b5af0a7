package listener

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// The log goes when it is older than Config.Retention and every hook is past it. What a failed delivery still needs of
// it goes into that delivery's row first. Whole parts of the log are dropped, which costs nothing however big they are;
// what is left over in the oldest part is deleted.
const (
	// partEvents is how many events a part of the log holds.
	partEvents  = 1_000_000
	retainEvery = time.Minute
	// retainBatches bounds one look at how old the log is, and one delete.
	retainBatches = 1000
)

// extendLog makes room in the log ahead of what is stored, half a part at least.
func (t *term) extendLog(ctx context.Context) error {
	if t.logEnd == 0 {
		if err := t.pool.QueryRow(ctx, `select greatest(coalesce(max(to_seq), 0), $2) from latchkey.partitions() where group_name = $1`,
			t.cfg.Group, t.nextSeq).Scan(&t.logEnd); err != nil {
			return fmt.Errorf("look for the log's parts: %w", err)
		}
	}
	for t.logEnd-t.nextSeq < t.l.timing.part/2 {
		if err := t.pool.QueryRow(ctx, `select latchkey.make_partition($1, $2, $3)`, t.cfg.Group, t.logEnd, t.l.timing.part).Scan(&t.logEnd); err != nil {
			return fmt.Errorf("make room in the log: %w", err)
		}
	}
	return nil
}

// checkLog stops where the log no longer has what a hook is to get next.
// A webhook is switched off there instead, with the reason: one tenant's gap is not to stop the others.
func (t *term) checkLog(ctx context.Context, sub *subscription, first int64) error {
	if sub.kind == kindBackfill || sub.status != statusActive || sub.cursor+1 >= first {
		return nil
	}
	if q := sub.webhook; q != nil {
		return q.switchOff(ctx, q.hook.Load(), fmt.Sprintf("the log begins at event %d, and it has had events up to %d: those between are never delivered to it", first, sub.cursor))
	}
	return stop(nil, fmt.Sprintf("make sure that what it missed is dealt with, then run `latchkey resume %s/%s --accept-gap`", sub.table, sub.name),
		"hook %s of %s was away for longer than the log is kept: it has had events up to %d, and the log begins at %d", sub.name, sub.table, sub.cursor, first)
}

// retain looks after the log's size until ctx ends.
func (t *term) retain(ctx context.Context) error {
	ticker := time.NewTicker(t.l.timing.retain)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
		t.watchSlot(ctx)
		if err := t.retainOnce(ctx); err != nil && ctx.Err() == nil {
			if !passing(err) && sqlState(err) != stateLockWait {
				return err
			}
			t.log.Warn("the log could not be shortened now; it is tried again", "error", err)
		}
	}
}

// watchSlot warns of a slot that is about to lose the log that it needs; one that has lost it ends the stream, and the
// next term stops.
func (t *term) watchSlot(ctx context.Context) {
	var slot, state string
	var safe *int64
	err := t.pool.QueryRow(ctx, `select r.slot_name, coalesce(r.wal_status, ''), r.safe_wal_size from pg_replication_slots r join latchkey.position p on p.slot = r.slot_name where p.group_name = $1`,
		t.cfg.Group).Scan(&slot, &state, &safe)
	if err == nil && (state == "extended" || state == "unreserved") {
		t.log.Warn("the slot is about to lose the log that it needs: raise max_slot_wal_keep_size, or see why the listener is behind", "slot", slot, "wal_status", state, "safe_wal_size", safe)
	}
}

func (t *term) retainOnce(ctx context.Context) error {
	for more := true; more; {
		var upTo int64
		err := pgx.BeginFunc(ctx, t.pool, func(tx pgx.Tx) (err error) {
			if upTo, more, err = t.horizon(ctx, tx); err != nil || upTo == 0 {
				return err
			}
			return t.keepEvents(ctx, tx, upTo)
		})
		if err != nil {
			return err
		}
		if upTo == 0 {
			break
		}
		if err := t.forget(ctx, upTo); err != nil {
			return err
		}
	}
	return t.forgetSettled(ctx)
}

// horizon is the last event that may go: old enough, and settled by every hook of this program and every run. A paused
// hook holds the log until it has been paused for Config.PausedRetention. The position is locked, as by who resumes a
// hook, so that none comes to need what is just going.
func (t *term) horizon(ctx context.Context, tx pgx.Tx) (upTo int64, more bool, err error) {
	var looked int
	err = tx.QueryRow(ctx, `select coalesce(max(last_seq) filter (where committed_at < now() - $2::interval), 0), count(*)
		from (select last_seq, committed_at from latchkey.event_batches where group_name = $1 order by first_seq limit $3) oldest`,
		t.cfg.Group, t.cfg.Retention, retainBatches).Scan(&upTo, &looked)
	if err != nil || upTo == 0 {
		return 0, false, explain(err, "look how old the log is")
	}
	if _, err := tx.Exec(ctx, `select from latchkey.position where group_name = $1 for update`, t.cfg.Group); err != nil {
		return 0, false, explain(err, "lock the position")
	}
	var ours []int64
	t.settler.mu.Lock()
	for _, sub := range t.subscriptions {
		ours = append(ours, sub.id)
	}
	t.settler.mu.Unlock()
	var needed int64
	err = tx.QueryRow(ctx, `select coalesce(min(cursor_seq), $4) from latchkey.subscriptions
		where group_name = $1 and (id = any ($2) or run > 0) and kind <> 'backfill' and status <> 'done' and not (status = 'paused' and paused_at < now() - $3::interval)`,
		t.cfg.Group, ours, t.cfg.PausedRetention, upTo).Scan(&needed)
	if err != nil {
		return 0, false, explain(err, "look what hooks still need")
	}
	return min(upTo, needed), needed >= upTo && looked == retainBatches, nil
}

// keepEvents puts the events up to one into the rows of the failed deliveries that still need them.
func (t *term) keepEvents(ctx context.Context, tx pgx.Tx, upTo int64) error {
	q := t.fenced()
	q.Queue(`update latchkey.deliveries d set event = (b.events::json -> (d.seq - b.first_seq)::int)::text
		from latchkey.subscriptions s, latchkey.event_batches b
		where s.group_name = $1 and s.kind <> 'backfill' and d.subscription_id = s.id and d.event is null and d.seq <= $2 and d.status in ('running', 'retry', 'held', 'dead')
		  and b.group_name = $1 and b.first_seq <= $2 and d.seq between b.first_seq and b.last_seq`, t.cfg.Group, upTo)
	q.Queue(`update latchkey.position set first_seq = greatest(first_seq, $2 + 1) where group_name = $1`, t.cfg.Group, upTo)
	return explain(lostOr(tx.SendBatch(ctx, q).Close()), "keep the events of failed deliveries")
}

// forget removes the log up to an event.
func (t *term) forget(ctx context.Context, upTo int64) error {
	rows, err := t.pool.Query(ctx, `select part::oid, part::text from latchkey.partitions() where group_name = $1 and to_seq <= $2 + 1`, t.cfg.Group, upTo)
	if err != nil {
		return fmt.Errorf("look for parts of the log that may go: %w", err)
	}
	type part struct {
		ID   uint32
		Name string
	}
	parts, err := pgx.CollectRows(rows, pgx.RowToStructByPos[part])
	if err != nil {
		return fmt.Errorf("look for parts of the log that may go: %w", err)
	}
	for _, p := range parts {
		// A dump or a long query may be reading it: who waits for that lock makes ingest wait too, so not for long.
		var dropped bool
		if err := pgx.BeginFunc(ctx, t.pool, func(tx pgx.Tx) error {
			q := t.fenced()
			q.Queue(`set local lock_timeout = '100ms'`)
			q.Queue(`select latchkey.drop_partition($1::oid::regclass, $2)`, p.ID, upTo+1).QueryRow(func(row pgx.Row) error { return row.Scan(&dropped) })
			return tx.SendBatch(ctx, q).Close()
		}); err != nil {
			return fmt.Errorf("drop %s: %w", p.Name, lostOr(err))
		}
		if dropped {
			t.log.Info("a part of the log is old and settled, and was dropped", "part", p.Name)
		}
	}
	q := t.fenced()
	q.Queue(`delete from latchkey.event_batches where group_name = $1 and last_seq <= $2`, t.cfg.Group, upTo)
	if err := t.pool.SendBatch(ctx, q).Close(); err != nil {
		return fmt.Errorf("shorten the log: %w", lostOr(err))
	}
	return nil
}

// forgetSettled removes records of deliveries and runs that ended before the retention began. Those of events that the log still
// has are not looked at: all of a webhook's have a row, and few are to go at a time.
func (t *term) forgetSettled(ctx context.Context) error {
	q := t.fenced()
	q.Queue(`delete from latchkey.deliveries d using latchkey.subscriptions s, latchkey.position p where s.group_name = $1 and p.group_name = $1 and d.subscription_id = s.id
		and d.seq <= case s.kind when 'backfill' then s.cursor_seq else least(s.cursor_seq, p.first_seq - 1) end
		and d.status in ('done', 'discarded') and d.updated_at < now() - $2::interval`, t.cfg.Group, t.cfg.Retention)
	q.Queue(`delete from latchkey.subscriptions s where s.group_name = $1 and s.status = 'done' and s.finished_at < now() - $2::interval
		and not exists (select from latchkey.deliveries d where d.subscription_id = s.id and d.status in ('running', 'retry', 'held', 'dead'))`, t.cfg.Group, t.cfg.Retention)
	if err := t.pool.SendBatch(ctx, q).Close(); err != nil {
		return fmt.Errorf("forget old deliveries: %w", lostOr(err))
	}
	return nil
}

func explain(err error, doing string) error {
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}
