package listener_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/latchkey-dev/latchkey/hooks"
)

// A hook that blocks holds up nothing that the server would have to keep: all is stored, acknowledged, and other hooks run.
func TestBlockedHookHoldsNoLog(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	g := newGate(t)
	r.afterRoles("blocked", func(ctx context.Context, _ hooks.Tx, ev hooks.Event) error {
		if ev.Key == "0" {
			return g.passOr(ctx)
		}
		return nil
	})
	n := r.start()
	r.roles("0")
	g.awaitArrival()
	for i := 1; i <= 20; i++ {
		r.exec(`insert into auth.roles (tenant_id, id, name) select 't', i::text, i::text from generate_series($1::int, $2) i`, 1000*i, 1000*i+999)
	}
	end := value[string](r.rig, `select pg_current_wal_insert_lsn()::text`)
	r.roles("last") // so that something commits past it
	r.eventually("all of it is stored", `select done_lsn >= $1::pg_lsn and next_seq = 20003 from latchkey.position`, end)
	r.eventually("all of it is acknowledged", `select s.confirmed_flush_lsn >= $1::pg_lsn from latchkey.position p join pg_replication_slots s on s.slot_name = p.slot`, end)
	if cursor := value[int64](r.rig, `select cursor_seq from latchkey.subscriptions`); cursor != 0 {
		t.Fatalf("the cursor has passed the blocked delivery: %d", cursor)
	}
	r.seen.awaitDone("blocked", 10000) // others go on
	g.release()
	n.catchUp()
	r.seen.require("blocked", 20002, 0)
}

// More than fits in memory waits in the log: nothing is lost, and the order is kept.
func TestMoreThanFitsInMemory(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	g := newGate(t)
	var mu sync.Mutex
	var seqs []int64
	r.afterRoles("h", func(ctx context.Context, _ hooks.Tx, ev hooks.Event) error {
		if ev.Seq == 1 {
			if err := g.passOr(ctx); err != nil {
				return err
			}
		}
		mu.Lock()
		defer mu.Unlock()
		seqs = append(seqs, ev.Seq)
		return nil
	})
	n := r.start(oneLane())
	r.roles("first")
	g.awaitArrival()
	const batches, size = 40, 1000 // well above queueEvents and windowDeliveries together
	for i := range batches {
		r.exec(`insert into auth.roles (tenant_id, id, name, description) select 't', $1 || i::text, $1 || i::text, repeat('x', 300) from generate_series(1, $2::int) i`, fmt.Sprint(i, "-"), size)
	}
	r.eventually("all is stored", `select next_seq = $1 from latchkey.position`, batches*size+2)
	g.release()
	const later = 30 // stored while the log is read, some with room in memory again
	for i := range later {
		r.exec(`insert into auth.roles (tenant_id, id, name) select 't', $1 || i::text, $1 || i::text from generate_series(1, 100) i`, fmt.Sprint("later", i, "-"))
	}
	n.catchUp()
	for i, seq := range seqs {
		if seq != int64(i)+1 {
			t.Fatalf("the hook's call %d was for event %d", i+1, seq)
		}
	}
	r.seen.require("h", batches*size+1+later*100, 0)
	r.eventually("the cursor is at the end", `select cursor_seq = $1 from latchkey.subscriptions`, batches*size+1+later*100)
}
