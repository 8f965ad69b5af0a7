package main

import (
	"context"
	"fmt"
	"time"
)

func (b *bench) createSlot(ctx context.Context, slot string) error {
	if err := b.dropSlot(ctx, slot); err != nil {
		return err
	}
	return b.exec(ctx, `select pg_create_logical_replication_slot($1, 'pgoutput')`, slot)
}

// copySlot lets one backlog serve several readers.
func (b *bench) copySlot(ctx context.Context, from, to string) error {
	if err := b.dropSlot(ctx, to); err != nil {
		return err
	}
	return b.exec(ctx, `select pg_copy_logical_replication_slot($1, $2)`, from, to)
}

// dropSlot waits for a walsender that has not yet noticed that its reader is gone.
func (b *bench) dropSlot(ctx context.Context, slot string) error {
	limited, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		var active, exists bool
		err := b.pool.QueryRow(limited, `select coalesce(bool_or(active), false), count(*) > 0 from pg_replication_slots where slot_name = $1`, slot).Scan(&active, &exists)
		switch {
		case err != nil:
			return fmt.Errorf("wait for slot %s to be free: %w", slot, err)
		case !exists:
			return nil
		case !active:
			return b.exec(limited, `select pg_drop_replication_slot($1)`, slot)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
