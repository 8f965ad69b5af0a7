package listener_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/hooks"
)

// A hook that ends its process every time is counted, and ends as a dead letter: not as a loop. Nobody else suffers.
func TestHookThatKillsItsProcess(t *testing.T) {
	t.Parallel()
	for name, touch := range map[string]bool{"with a transaction": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newHookRig(t)
			killed := make(chan struct{}, 100)
			r.afterRoles("killer", func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error {
				if touch {
					if err := leave(ctx, tx, "killer", ev); err != nil {
						return err
					}
				}
				if ev.Key != "bad" {
					return nil
				}
				killed <- struct{}{}
				<-ctx.Done()
				return ctx.Err()
			})
			r.afterRoles("other", func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error { return leave(ctx, tx, "other", ev) })
			deaths := 0
			var n *node
			for begun := false; ; begun = true {
				n = r.start()
				if !begun {
					r.roles("bad", "good")
					r.describe("bad", "2")
				}
				dead := false
				select {
				case <-killed:
					deaths++
				case <-r.dead():
					dead = true
				case <-time.After(patience):
					t.Fatal("the hook neither runs nor is dead")
				}
				if dead {
					break
				}
				if deaths > 10 {
					t.Fatal("it goes on for ever")
				}
				n.kill()
			}
			// Once before anyone was warned, then as often as the schedule has attempts.
			if deaths > 1+3 {
				t.Errorf("the process died %d times of a hook with 3 attempts", deaths)
			}
			n.catchUp()
			r.describe("good", "2")
			n.catchUp()
			// Some were under way when the process died: they are tried again, which catching up doesn't wait for.
			r.eventually("the others are done", `select not exists (select from latchkey.deliveries d join latchkey.events e using (seq) join latchkey.subscriptions s on s.id = d.subscription_id
				where d.status <> 'done' and (e.key = 'good' or s.hook = 'other'))`)
			if got := value[string](r.rig, `select string_agg(format('%s %s', key, seq), ', ' order by seq) from effect where hook = 'other'`); got != "bad 1, good 2, bad 3, good 4" {
				t.Errorf("the other hook has left %s", got)
			}
			if got := value[string](r.rig, `select string_agg(format('%s %s %s', d.seq, d.status, d.last_error), ', ' order by d.seq)
				from latchkey.deliveries d join latchkey.subscriptions s on s.id = d.subscription_id where s.hook = 'killer' and d.status <> 'done'`); !strings.HasPrefix(got, "1 dead the process ended while the hook ran") || !strings.HasSuffix(got, "3 held ") {
				t.Errorf("the killer's deliveries are %s", got)
			}
			if touch {
				r.requireEffects("killer", "good", "good")
			}
		})
	}
}

// dead is closed when a delivery is dead.
func (r *hookRig) dead() <-chan struct{} {
	done := make(chan struct{})
	if value[bool](r.rig, `select exists (select from latchkey.deliveries where status = 'dead')`) {
		close(done)
	}
	return done
}
