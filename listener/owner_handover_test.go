package listener_test

import (
	"context"
	"testing"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// A rolling deploy: the program with newer hooks, more or fewer, takes the group over from a living older one, which
// finishes what it runs; a restart of the older one takes nothing back, and when the newer is gone the older goes on.
func TestNewestHooksOwn(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	first, _ := hooked("a")
	old := r.start(first)
	r.roles("1")
	old.catchUp()

	second, _ := hooked("a", "b")
	newer := r.standBy(second)
	if epoch := newer.awaitOwning(); epoch != 2 {
		t.Fatalf("the handover began epoch %d, want 2", epoch)
	}
	if clean := value[bool](r.rig, `select clean from latchkey.owner`); clean {
		t.Error("the owner's term is noted as ended")
	}
	r.roles("2")
	newer.catchUp()
	r.requireEffects("a", "1", "2")
	r.requireEffects("b", "2")

	restarted := r.standBy(first)
	third, _ := hooked("b")
	newest := r.standBy(third)
	if epoch := newest.awaitOwning(); epoch != 3 {
		t.Fatalf("the second handover began epoch %d, want 3: the restart of an older program took the group", epoch)
	}
	r.roles("3")
	newest.catchUp()
	r.requireEffects("a", "1", "2")
	r.requireEffects("b", "2", "3")

	restarted.stop()
	old.stop()
	newest.kill()
	newer.awaitOwning()
	newer.catchUp()
	r.requireEffects("a", "1", "2", "3")
	r.requireEffects("b", "2", "3")
}

// The older program's hook that runs at the handover finishes, and is not run again.
func TestHandoverLetsHooksFinish(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	g := newGate(t)
	withGate := func(names ...string) option {
		o, reg := hooked(names...)
		reg.Roles.AfterCreate("slow", func(ctx context.Context, tx hooks.Tx, ev hooks.Event, _ db.Role) error {
			if err := leave(ctx, tx, "slow", ev); err != nil {
				return err
			}
			return g.passOr(ctx)
		})
		return o
	}
	old := r.start(withGate())
	r.roles("1")
	g.awaitArrival()
	newer := r.standBy(withGate("more"))
	r.eventually("the newer program says that it waits", `select wanted_until > clock_timestamp() from latchkey.lease`)
	g.release()
	newer.awaitOwning()
	r.roles("2")
	newer.catchUp()
	r.requireEffects("slow", "1", "2")
	r.requireEffects("more", "2")
	r.requireDeliveries()
	r.seen.require("slow", 2, 0)
	old.stop()
}
