package listener_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/latchkey-dev/latchkey/hooks"
)

// When a hook runs, the row that it is told of is there to be read.
func TestRowsAreVisibleToHooks(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	var missing atomic.Int32
	r.afterRoles("h", func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error {
		var there bool
		if err := tx.QueryRow(ctx, `select exists (select from auth.roles where tenant_id = 't' and id = $1)`, ev.Key).Scan(&there); err != nil {
			return err
		}
		if !there {
			missing.Add(1)
		}
		return nil
	})
	n := r.start()
	const writers, each = 8, 250
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				id := fmt.Sprint(w, "-", i)
				if _, err := r.pool.Exec(t.Context(), `insert into auth.roles (tenant_id, id, name) values ('t', $1, $1)`, id); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	n.catchUp()
	r.seen.require("h", writers*each, 0)
	if n := missing.Load(); n > 0 {
		t.Errorf("%d of %d rows were not there yet when their hook ran", n, writers*each)
	}
	r.requireSound()
}
