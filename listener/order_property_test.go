package listener_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/listener"
)

// However hooks fail, and whenever the process dies, each event takes effect once per hook, and those of an entity in
// commit order.
func TestOrderUnderRandomFailures(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	const entities, events = 10, 200
	var calls atomic.Int64
	for _, name := range []string{"tx", "late", "plain-first"} {
		r.afterRoles(name, func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error {
			calls.Add(1)
			if name == "plain-first" && rand.N(4) == 0 {
				return errNo
			}
			if err := leave(ctx, tx, name, ev); err != nil {
				return err
			}
			switch rand.N(8) {
			case 0, 1:
				return errNo
			case 2:
				panic("no")
			case 3:
				_, _ = tx.Exec(ctx, `select 1/0`)
			}
			return nil
		})
	}
	endless := with(func(c *listener.Config) {
		c.Lanes, c.Retry = 4, listener.Retry{Attempts: 10000, Base: time.Millisecond, Max: 3 * time.Millisecond}
	})
	n := r.start(endless)
	for i := range entities {
		r.roles(fmt.Sprint(i))
	}
	for i := entities; i < events; i++ {
		switch i {
		case 60, 140:
			n.kill()
			n = r.start(endless)
		case 100:
			n.stop()
			n = r.start(endless)
		}
		r.describe(fmt.Sprint(rand.N(entities)), fmt.Sprint(i))
	}
	n.catchUp()
	r.eventually("nothing is left to be tried", `select not exists (select from latchkey.deliveries where status <> 'done')`)
	r.requireSound()
	for _, name := range []string{"tx", "late", "plain-first"} {
		var count, distinct, disordered int
		err := r.pool.QueryRow(t.Context(), `select count(*), count(distinct seq), count(*) filter (where seq < before)
			from (select seq, lag(seq) over (partition by key order by id) as before from effect where hook = $1) e`, name).Scan(&count, &distinct, &disordered)
		if err != nil {
			t.Fatal(err)
		}
		if count != events || distinct != events || disordered != 0 {
			t.Errorf("hook %s has left %d effects of %d events, %d of them before one that came earlier; want %d", name, count, distinct, disordered, events)
		}
	}
	if calls.Load() < 4*events {
		t.Errorf("the hooks were called %d times: they have hardly failed", calls.Load())
	}
}
