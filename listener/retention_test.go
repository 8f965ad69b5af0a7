package listener_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/listener"
)

// forgetful keeps the log for as good as no time.
func forgetful() option {
	return with(func(c *listener.Config) { c.Retention = time.Millisecond })
}

func (r *operateRig) awaitFirst(seq int64) {
	r.t.Helper()
	r.eventually(fmt.Sprintf("the log begins at %d", seq), `select first_seq = $1 and not exists (select from latchkey.event_batches where last_seq < $1)
		and not exists (select from latchkey.partitions() where to_seq <= $1) from latchkey.position`, seq)
}

// manyRoles makes so many roles, in transactions of ten.
func (r *operateRig) manyRoles(prefix string, n int) {
	r.t.Helper()
	for i := range n / 10 {
		r.exec(`insert into auth.roles (tenant_id, id, name) select 't', $1 || i, $1 || i from generate_series($2::int, $2::int + 9) i`, prefix, i*10)
	}
}

// What is old and settled goes, whole parts of the log at once; a dead delivery keeps its event, and hooks go on.
func TestRetention(t *testing.T) {
	t.Parallel()
	r := newOperateRig(t)
	r.flaky("h")
	r.exec(`insert into broken values ('bad')`)
	n := r.start(attentive(), forgetful())
	r.roles("bad")
	r.awaitDeliveries("h 1 dead")
	r.describe("bad", "held")
	r.manyRoles("x", 350) // four parts
	n.catchUp()
	r.awaitFirst(353)
	if parts := value[int](r.rig, `select count(*) from latchkey.partitions()`); parts > 3 {
		t.Errorf("the log has %d parts left", parts)
	}
	n.stop()
	n = r.start(attentive(), forgetful())
	r.exec(`delete from broken`)
	must[int64](t)(r.op.Retry(t.Context(), listener.DeliveryFilter{}))
	r.eventually("the dead one and the held one have run", `select count(*) = 2 from effect where key = 'bad'`)
	r.manyRoles("y", 50)
	n.catchUp()
	if got := value[string](r.rig, `select format('%s %s', count(*), count(distinct seq)) from effect`); got != "402 402" {
		t.Errorf("%s effects and events, want 402 of each", got)
	}
	r.eventually("what is settled is forgotten", `select not exists (select from latchkey.deliveries)`)
}

// What a hook has still to get stays, however old it is.
func TestRetentionWaitsForHooks(t *testing.T) {
	t.Parallel()
	r := newOperateRig(t)
	both, _ := hooked("a", "b")
	n := r.start(both, attentive(), forgetful())
	if err := r.op.Pause(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	n.awaitLog("a hook is paused")
	r.manyRoles("x", 250)
	n.catchUp()
	n.stop()
	n = r.start(both, attentive(), forgetful())
	r.roles("more")
	n.catchUp()
	if first := value[int64](r.rig, `select first_seq from latchkey.position`); first != 1 {
		t.Fatalf("the log begins at %d, and a paused hook is at its beginning", first)
	}
	if err := r.op.Resume(t.Context(), "b", false); err != nil {
		t.Fatal(err)
	}
	r.eventually("b has had all", `select count(*) = 251 from effect where hook = 'b'`)
	r.awaitFirst(252)
}

// A hook that is paused for longer than the log is held for it has to accept the gap, and then goes on after it.
func TestPausedForTooLong(t *testing.T) {
	t.Parallel()
	r := newOperateRig(t)
	both, _ := hooked("a", "b")
	impatient := with(func(c *listener.Config) { c.PausedRetention = 10 * time.Millisecond })
	n := r.start(both, attentive(), forgetful(), impatient)
	if err := r.op.Pause(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	n.awaitLog("a hook is paused")
	r.manyRoles("x", 20)
	n.catchUp()
	r.awaitFirst(21)
	var gap *listener.GapError
	if err := r.op.Resume(t.Context(), "b", false); !errors.As(err, &gap) || gap.Cursor != 0 || gap.First != 21 {
		t.Fatalf("resuming it: %v, want a gap from 0 to 21", err)
	}
	if err := r.op.Resume(t.Context(), "b", true); err != nil {
		t.Fatal(err)
	}
	n.awaitLog("a hook is resumed")
	r.roles("next")
	n.catchUp()
	r.requireEffects("b", "next")
}

// A hook that was gone from the code for longer than the retention stops the listener, which says how to go on.
func TestGoneForTooLong(t *testing.T) {
	t.Parallel()
	r := newOperateRig(t)
	both, _ := hooked("a", "b")
	n := r.start(both, attentive(), forgetful())
	r.roles("1")
	n.catchUp()
	n.stop()
	one, _ := hooked("a")
	n = r.start(one, attentive(), forgetful())
	r.manyRoles("x", 20)
	n.catchUp()
	r.awaitFirst(22)
	n.stop()
	requireStop(t, r.refused(both, attentive()), "hook b of auth.roles", "`latchkey resume auth.roles/b --accept-gap`")
	if err := r.op.Resume(t.Context(), "b", true); err != nil {
		t.Fatal(err)
	}
	n = r.start(both, attentive())
	r.roles("next")
	n.catchUp()
	r.requireEffects("b", "1", "next")
}

// Ingest goes on beside someone who reads the whole log, as a dump does; what may go, goes afterwards.
func TestRetentionBesideADump(t *testing.T) {
	t.Parallel()
	r := newOperateRig(t)
	one, _ := hooked("a")
	n := r.start(one, attentive(), forgetful())
	r.roles("1")
	n.catchUp()
	dump, err := r.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dump.Rollback(r.ctx()) }()
	if _, err := dump.Exec(t.Context(), `lock table latchkey.event_batches in access share mode; select count(*) from latchkey.event_batches`); err != nil {
		t.Fatal(err)
	}
	r.manyRoles("x", 350)
	n.catchUp()
	n.awaitLog("the log could not be shortened now")
	if err := dump.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.awaitFirst(352)
	if strings.Contains(n.log.String(), "the term ended") {
		t.Error("the term ended over it")
	}
}
