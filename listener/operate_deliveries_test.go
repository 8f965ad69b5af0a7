package listener_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/listener"
)

// A dead delivery that is retried runs once more, and what waited behind it follows in order.
func TestRetryDead(t *testing.T) {
	t.Parallel()
	r := newOperateRig(t)
	r.flaky("h")
	r.exec(`insert into broken values ('1'), ('2')`)
	n := r.start(attentive())
	r.roles("1", "2", "3")
	r.describe("1", "again")
	r.awaitDeliveries("h 1 dead, h 2 dead, h 4 held")
	r.requireEffects("h", "3")

	list := must[[]listener.Delivery](t)(r.op.Deliveries(t.Context(), listener.DeliveryFilter{Hook: "h", Status: []string{"dead"}}))
	if len(list) != 2 || list[0].Seq != 1 || list[0].Table != "auth.roles" || list[0].Attempt != 3 || !strings.Contains(list[0].LastError, "it is broken") {
		t.Fatalf("the dead deliveries are %+v", list)
	}
	if got := must[int64](t)(r.op.Retry(t.Context(), listener.DeliveryFilter{Seqs: []int64{1}})); got != 1 {
		t.Fatalf("%d deliveries are retried, want 1", got)
	}
	r.seen.awaitFailed("h", 7) // still broken: one attempt, and dead again
	r.awaitDeliveries("h 1 dead, h 2 dead, h 4 held")
	r.exec(`delete from broken`)
	if got := must[int64](t)(r.op.Retry(t.Context(), listener.DeliveryFilter{Hook: "auth.roles/h"})); got != 2 {
		t.Fatalf("%d deliveries are retried, want 2", got)
	}
	r.awaitDeliveries("h 1 done, h 2 done, h 4 done")
	n.catchUp()
	if got := value[string](r.rig, `select string_agg(seq::text, ' ' order by id) from effect where key = '1'`); got != "1 4" {
		t.Fatalf("role 1 had its effects in the order %s", got)
	}
}

// What nobody owns at the moment is retried at the next start.
func TestRetryDeadWhileNobodyOwns(t *testing.T) {
	t.Parallel()
	r := newOperateRig(t)
	r.flaky("h")
	r.exec(`insert into broken values ('1')`)
	n := r.start(attentive())
	r.roles("1")
	r.awaitDeliveries("h 1 dead")
	n.stop()
	r.exec(`delete from broken`)
	must[int64](t)(r.op.Retry(t.Context(), listener.DeliveryFilter{}))
	n = r.start(attentive())
	r.awaitDeliveries("h 1 done")
	n.catchUp()
	r.requireEffects("h", "1")
}

// A delivery that is discarded lets go of what it held.
func TestDiscardDead(t *testing.T) {
	t.Parallel()
	r := newOperateRig(t)
	r.flaky("h")
	r.exec(`insert into broken values ('1')`)
	n := r.start(attentive())
	r.roles("1")
	r.awaitDeliveries("h 1 dead")
	r.describe("1", "again")
	r.awaitDeliveries("h 1 dead, h 2 held")
	r.exec(`delete from broken`)
	must[int64](t)(r.op.Discard(t.Context(), listener.DeliveryFilter{Seqs: []int64{1}}))
	r.awaitDeliveries("h 1 discarded, h 2 done")
	r.describe("1", "free")
	n.catchUp()
	r.requireEffects("h", "1", "1")
	r.requireDeliveries("h 1 discarded 3", "h 2 done 1") // the last one needed no row
}

// Of a hook whose later events pass a dead one, that one can still be retried.
func TestRetryPassed(t *testing.T) {
	t.Parallel()
	r := newOperateRig(t)
	r.flaky("h", hooks.PassDead())
	r.exec(`insert into broken values ('1')`)
	n := r.start(attentive())
	r.roles("1")
	r.awaitDeliveries("h 1 dead")
	r.exec(`delete from broken`)
	r.describe("1", "passes")
	n.catchUp()
	must[int64](t)(r.op.Retry(t.Context(), listener.DeliveryFilter{Hook: "h"}))
	r.awaitDeliveries("h 1 done")
	if got := value[string](r.rig, `select string_agg(seq::text, ' ' order by id) from effect`); got != "2 1" {
		t.Fatalf("the effects are %s", got)
	}
}

// One delivery can be looked at with its event; names that there aren't are met with those that are like them.
func TestShowDelivery(t *testing.T) {
	t.Parallel()
	r := newOperateRig(t)
	r.flaky("notify")
	r.exec(`insert into broken values ('1')`)
	r.start(attentive())
	r.roles("1")
	r.awaitDeliveries("notify 1 dead")
	d, event, err := r.op.Delivery(t.Context(), "notify", 0, 1)
	if err != nil || d.Status != "dead" || !strings.Contains(string(event), `"table_name": "auth.roles"`) {
		t.Fatalf("delivery %+v, event %s, error %v", d, event, err)
	}
	if _, _, err := r.op.Delivery(t.Context(), "notify", 0, 2); !errors.Is(err, listener.ErrNoDelivery) {
		t.Errorf("a delivery that there isn't: %v", err)
	}
	for ref, want := range map[listener.HookRef]string{"notfy": `did you mean "notify"?`, "auth.role/notify": `did you mean "auth.roles/notify"?`, "zzzzzzzz": "there are auth.roles/notify, notify"} {
		if _, err := r.op.Find(t.Context(), ref); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("finding %q: %v, want a hint %q", ref, err, want)
		}
	}
	if _, err := r.op.Deliveries(t.Context(), listener.DeliveryFilter{Status: []string{"deat"}}); err == nil || !strings.Contains(err.Error(), `did you mean "dead"?`) {
		t.Errorf("a status that there isn't: %v", err)
	}
}
