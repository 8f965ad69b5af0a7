package listener_test

import (
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/listener"
)

// Of two listeners of a group, one works. The other follows at once when it stops, and soon when it dies.
func TestStandby(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		end    func(*node)
		within time.Duration
	}{
		"stop": {(*node).stop, time.Second},
		"kill": {(*node).kill, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			first := r.start()
			second := r.standBy()
			r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'a', 'a')`)
			first.catchUp()
			select {
			case <-second.l.Ready():
				t.Fatal("both own the group")
			default:
			}
			test.end(first)
			ended := time.Now()
			r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'b', 'b')`)
			second.awaitOwning()
			if took := time.Since(ended); took > test.within {
				t.Errorf("the standby took over after %v", took)
			}
			second.catchUp()
			r.requireEvents("roles insert a", "roles insert b")
			r.requireSound()
		})
	}
}

// An owner that can't reach the server loses the group when its lease lapses. Whatever it still has on the way comes to
// nothing, and it becomes a standby.
func TestFrozenOwnerLosesTheGroup(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p, url := newProxy(t, r.url)
	first := r.start(with(func(c *listener.Config) { c.DatabaseURL = url }))
	second := r.standBy()
	r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'a', 'a')`)
	first.catchUp()

	p.freeze()
	frozen := time.Now()
	r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'b', 'b')`)
	second.awaitOwning()
	if took := time.Since(frozen); took > 9*time.Second {
		t.Errorf("the standby took over after %v", took)
	}
	second.catchUp()
	p.thaw()
	r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'c', 'c')`)
	second.catchUp()
	second.stop()
	first.awaitOwning() // again
	first.catchUp()
	r.requireEvents("roles insert a", "roles insert b", "roles insert c")
	r.requireSound()
}

// A batch that its owner holds while another takes over is refused by the fence.
func TestFenceRefusesTheBatchOfAFormerOwner(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	hold, held, release := holdAt(listener.StepIngest)
	first := r.start(onStep(hold))
	t.Cleanup(release) // before the listener is stopped
	r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'a', 'a')`)
	<-held
	// As a successor does, but without ending the connections of the owner: only the fence is left.
	r.exec(`update latchkey.owner set epoch = epoch + 1`)
	release()
	first.awaitOwning() // its next term
	first.catchUp()
	r.requireEvents("roles insert a")
	r.requireSound()
}

// Databases of one server have groups of the same name, whose owners have nothing to do with each other.
func TestTakeoverLeavesOtherDatabasesAlone(t *testing.T) {
	t.Parallel()
	one, two := newRig(t), newRig(t)
	two.exec(`insert into latchkey.owner (group_name, epoch) values ('default', 41)`)
	two.exec(`insert into latchkey.lease (group_name, epoch) values ('default', 41)`)
	n := two.start()
	one.exec(`insert into latchkey.owner (group_name, epoch, clean) values ('default', 42, false)`)
	one.exec(`insert into latchkey.lease (group_name, epoch, expires_at) values ('default', 42, now() + interval '1 hour')`)
	one.start() // finds nobody there, and takes epoch 42 over
	two.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'a', 'a')`)
	n.catchUp()
	select {
	case <-n.owning:
		t.Fatal("a takeover in one database ended the owner of another")
	default:
	}
}
