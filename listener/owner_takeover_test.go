package listener_test

import (
	"context"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/listener"
)

// A standby takes over from an owner that died, and nothing is lost or done twice.
func TestTakeoverRunsEachHookOnce(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	r.afterRoles("h", func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error { return leave(ctx, tx, "h", ev) })
	a := r.start()
	b := r.standBy()
	r.roles("1")
	a.catchUp()
	select {
	case epoch := <-b.owning:
		t.Fatalf("the standby began epoch %d beside a living owner", epoch)
	default:
	}
	died := time.Now()
	a.kill()
	r.roles("2")
	if epoch := b.awaitOwning(); epoch != 2 {
		t.Fatalf("the takeover began epoch %d, want 2", epoch)
	}
	if took := time.Since(died); took > 3*time.Second {
		t.Errorf("the takeover took %v", took)
	}
	b.catchUp()
	r.requireEffects("h", "1", "2")
	r.seen.require("h", 2, 0)
	if left := value[int](r.rig, `select count(*) from pg_stat_activity where application_name = 'latchkey/default/1' and datname = current_database()`); left != 0 {
		t.Fatalf("%d backends of the dead owner are left", left)
	}
}

// A process that was taken for dead, and wasn't, changes nothing any more: what its hook did is the successor's to do.
func TestZombie(t *testing.T) {
	t.Parallel()
	for name, touch := range map[string]bool{"inside its transaction": true, "before its transaction": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newHookRig(t)
			g := newGate(t)
			first := make(chan struct{}, 1)
			first <- struct{}{}
			result := make(chan error, 1)
			r.afterRoles("h", func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error {
				select {
				case <-first:
				default:
					return leave(ctx, tx, "h", ev)
				}
				if touch {
					if err := leave(ctx, tx, "h", ev); err != nil {
						return err
					}
				}
				g.pass()
				result <- leave(ctx, tx, "h", ev)
				return nil // whatever has become of its transaction
			})
			// The zombie looks seldom, so that it doesn't take the group back.
			a := r.start(onOpen(func(l *listener.Listener) { l.SetTiming(time.Hour, time.Hour, time.Hour, time.Hour) }))
			r.roles("1")
			g.awaitArrival()
			b := r.standBy()
			r.exec(`update latchkey.lease set expires_at = '-infinity'`)
			b.awaitOwning()
			b.catchUp()
			r.requireEffects("h", "1")
			g.release()
			if err := <-result; err == nil {
				t.Error("a write of the zombie's hook did not fail")
			}
			a.cancel()
			a.await()
			r.roles("2")
			b.catchUp()
			r.requireEffects("h", "1", "2")
			r.requireDeliveries("h 1 done 1")
		})
	}
}
