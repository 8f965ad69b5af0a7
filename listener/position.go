package listener

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// position is how far a group's stream is stored.
type position struct {
	done      pglogrepl.LSN // end of the last transaction that is stored whole
	partial   pglogrepl.LSN // commit of the one that is stored in part, 0 if none is
	partialAt int64         // its last stored change
	nextSeq   int64
}

// slotState is a position with what it belongs to.
type slotState struct {
	position
	slot, publication string
	system            string
	timeline          int64
	generation        int64
	live              bool
	firstSeq          int64 // that the log still has
}

func loadPosition(ctx context.Context, pool *pgxpool.Pool, group string) (*slotState, error) {
	s := &slotState{}
	err := pool.QueryRow(ctx, `select slot, publication, system_identifier, timeline, generation, state = 'live', done_lsn, partial_commit_lsn, partial_ordinal, next_seq, first_seq
		from latchkey.position where group_name = $1`, group).
		Scan(&s.slot, &s.publication, &s.system, &s.timeline, &s.generation, &s.live, &s.done, &s.partial, &s.partialAt, &s.nextSeq, &s.firstSeq)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the stored position: %w", err)
	}
	return s, nil
}

// intend stores that a slot is about to be made, so that one left by a crash in between is known to be ours and unused.
func intend(ctx context.Context, pool *pgxpool.Pool, group string, s *slotState) error {
	_, err := pool.Exec(ctx, `insert into latchkey.position (group_name, slot, publication, system_identifier, timeline)
		values ($1, $2, $3, $4, $5)
		on conflict (group_name) do update set slot = excluded.slot, publication = excluded.publication,
			system_identifier = excluded.system_identifier, timeline = excluded.timeline`,
		group, s.slot, s.publication, s.system, s.timeline)
	if err != nil {
		return fmt.Errorf("store the intended slot: %w", err)
	}
	return nil
}

// goLive stores where a new slot begins. No subscription's "now" may lie before it.
func goLive(ctx context.Context, pool *pgxpool.Pool, group string, at pglogrepl.LSN) error {
	b := &pgx.Batch{}
	b.Queue(`update latchkey.position set state = 'live', consistent_lsn = $2, done_lsn = $2, partial_commit_lsn = '0/0', partial_ordinal = 0 where group_name = $1`, group, at)
	b.Queue(`update latchkey.subscriptions set start_lsn = greatest(start_lsn, $2) where group_name = $1`, group, at)
	b.Queue(`delete from latchkey.spool where group_name = $1`, group)
	if err := pool.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("store the new slot's position: %w", err)
	}
	return nil
}
