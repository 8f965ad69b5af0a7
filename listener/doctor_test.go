package listener_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-dev/latchkey/listener"
)

// examine returns what is not well, "what: verdict".
func (r *operateRig) examine() (unwell []string, all []listener.Finding) {
	r.t.Helper()
	all, err := listener.Examine(r.ctx(), r.pool, r.pool, "")
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range all {
		if (f.Fix == "") != (f.Verdict == listener.Well) {
			r.t.Errorf("%+v: what is not well has a fix, and nothing else has", f)
		}
		// The server is shared by many tests, so its slots and open transactions are whatever they are.
		if f.Verdict != listener.Well && f.What != "max_slot_wal_keep_size" && f.What != "open transactions" && f.What != "walsenders" && f.What != "replication slots" {
			unwell = append(unwell, f.What+": "+string(f.Verdict))
		}
	}
	return unwell, all
}

func (r *operateRig) requireUnwell(when string, want ...string) {
	r.t.Helper()
	if got, all := r.examine(); !slices.Equal(got, want) {
		r.t.Fatalf("%s: not well are\n  %s\nwant\n  %s\nof %+v", when, strings.Join(got, "\n  "), strings.Join(want, "\n  "), all)
	}
}

// What is broken is found, with what to do; what is whole is not complained of.
func TestExamine(t *testing.T) {
	t.Parallel()
	r := newOperateRig(t)
	r.flaky("h")
	r.requireUnwell("before the first start", "slot: warning", "publication: problem", "owner: warning")
	n := r.start(attentive())
	r.roles("1")
	n.catchUp()
	r.requireUnwell("beside a listener that works")

	r.exec(`insert into broken values ('2')`)
	r.roles("2")
	r.awaitDeliveries("h 2 dead")
	r.requireUnwell("with a dead delivery", "hook auth.roles/h: problem")
	r.exec(`delete from broken`)
	must[int64](t)(r.op.Retry(t.Context(), listener.DeliveryFilter{}))
	r.awaitDeliveries("h 2 done")

	if err := r.op.Pause(t.Context(), "h"); err != nil {
		t.Fatal(err)
	}
	n.awaitLog("a hook is paused")
	r.requireUnwell("with a paused hook", "hook auth.roles/h: warning")
	if err := r.op.Resume(t.Context(), "h", false); err != nil {
		t.Fatal(err)
	}
	n.awaitLog("a hook is resumed")
	n.catchUp()
	n.stop()
	r.requireUnwell("when nobody owns the group", "slot: warning", "owner: warning")

	r.exec(`alter table auth.roles disable trigger latchkey_stamp`)
	r.exec(`alter publication latchkey_default set (publish = 'insert')`)
	r.requireUnwell("with a silent trigger and half a publication", "slot: warning", "publication: problem", "table auth.roles: problem", "owner: warning")
	r.exec(`select latchkey.watch('auth.roles')`)
	r.exec(`drop publication latchkey_default`)
	r.exec(`select pg_drop_replication_slot(slot) from latchkey.position`)
	r.requireUnwell("without slot and publication", "slot: problem", "publication: problem", "table auth.roles: problem", "owner: warning")
}

// A hook that the newest program doesn't have is told of.
func TestExamineOrphan(t *testing.T) {
	t.Parallel()
	r := newOperateRig(t)
	both, _ := hooked("a", "b")
	r.start(both).stop()
	one, _ := hooked("a")
	n := r.start(one)
	r.roles("1")
	n.catchUp()
	r.requireUnwell("with an orphan", "hook auth.roles/b: warning")
}
