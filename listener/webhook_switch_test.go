package listener_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/hooks/hookstest"
	"github.com/latchkey-dev/latchkey/listener"
)

// A receiver that answers 410 gets nothing more, whatever else changes of hooks meanwhile; who switches the hook on again gets all
// that happened since.
func TestWebhookGone(t *testing.T) {
	t.Parallel()
	r := newWebhookRig(t)
	n := r.start()
	sink := r.hook("h", "role.created")
	sink.Answer(func(w http.ResponseWriter, _ hookstest.Webhook) { w.WriteHeader(http.StatusGone) })
	n.reread()
	r.roles("first")
	r.awaitStatus("h", "disabled")
	if reason := value[string](r.rig, `select status_reason from auth.hooks`); !strings.Contains(reason, "410") {
		t.Errorf("the reason is %q", reason)
	}
	r.roles(names("r", 1, 700)...) // more than its queue has room for
	other := r.hook("other", "role.created")
	n.reread()
	r.roles("last")
	other.Await(1)
	n.stop()
	n = r.start()
	if got := sink.Received(); len(got) != 1 {
		t.Fatalf("it was sent %d more", len(got)-1)
	}
	sink.Answer(nil)
	r.set("h", `status = 'active', status_reason = ''`)
	n.reread()
	r.eventually("all is delivered", `select count(*) = 702 from latchkey.deliveries d join latchkey.subscriptions s on s.id = d.subscription_id where s.hook = 'h' and d.status = 'done'`)
	if got := sink.Received(); len(got) != 703 || got[0].ID != delivered(of(got, "first"))[0].ID {
		t.Errorf("%d requests, want 702 and the first again", len(got))
	}
}

// What waits for a 410 to be noticed by all of the listener is not sent after it.
func TestNothingIsSentAfterGone(t *testing.T) {
	t.Parallel()
	r := newWebhookRig(t)
	n := r.start()
	sink := r.hook("h", "role.updated")
	gate := newGate(t)
	sink.Answer(func(w http.ResponseWriter, _ hookstest.Webhook) {
		gate.pass()
		w.WriteHeader(http.StatusGone)
	})
	r.roles("a")
	n.reread()
	for range 50 {
		r.describe("a", "again") // of one entity: one after the other
	}
	gate.awaitArrival()
	n.catchUp()
	gate.release()
	r.awaitStatus("h", "disabled")
	n.reread()
	if got := sink.Received(); len(got) != 1 {
		t.Errorf("it was sent %d more", len(got)-1)
	}
}

// An operator pauses a webhook, and resumes it where it was: nothing of what happened meanwhile is lost.
func TestPausedWebhook(t *testing.T) {
	t.Parallel()
	r := newWebhookRig(t)
	n := r.start(schedule(time.Hour))
	sink := r.hook("h", "role.created")
	receiver := failingSink(sink, func(m string) bool { return strings.HasSuffix(m, " bad") })
	n.reread()
	r.roles("a", "bad")
	r.awaitRows("h", "done 1", "retry 1")
	if err := r.op.Pause(t.Context(), listener.WebhookRef("t", "h")); err != nil {
		t.Fatal(err)
	}
	r.awaitStatus("h", "paused")
	receiver.mend()
	r.exec(`insert into auth.tenants (id) values ('u')`)
	r.exec(`insert into auth.roles (tenant_id, id, name) values ('u', 'theirs', 'theirs')`) // another tenant's, which it reads over
	r.roles(names("r", 1, 20)...)
	n.catchUp()
	n.stop()
	n = r.start()
	r.roles("z")
	n.catchUp()
	r.exec(`update latchkey.deliveries set next_attempt_at = now()`)
	if got := sink.Received(); len(got) != 2 {
		t.Fatalf("it was sent %d more while it was paused", len(got)-2)
	}
	n.stop()
	n = r.start()
	if err := r.op.Resume(t.Context(), listener.WebhookRef("t", "h"), false); err != nil {
		t.Fatal(err)
	}
	r.eventually("all is delivered", `select count(*) = 23 from latchkey.deliveries where status = 'done'`)
	if got := sink.Received(); len(got) != 24 {
		t.Errorf("%d requests, want 24", len(got))
	}
	n.stop()
}

// A hook that is not enabled passes over what commits meanwhile and what waits; enabled again it begins with what commits from then on.
func TestDisabledWebhook(t *testing.T) {
	t.Parallel()
	r := newWebhookRig(t)
	n := r.start(often(200 * time.Millisecond))
	sink := r.hook("h", "role.*")
	receiver := failingSink(sink, func(m string) bool { return m == "role.created a" })
	n.reread()
	r.roles("a")
	r.describe("a", "1")
	r.awaitStatuses("h", "retry", "held")
	r.set("h", `enabled = false`)
	n.reread()
	r.describe("a", "2")
	r.roles("b")
	r.awaitStatuses("h", "discarded", "discarded")
	receiver.mend()
	n.catchUp()
	r.set("h", `enabled = true`)
	n.reread()
	r.describe("a", "3")
	sink.Await(2)
	r.roles("c")
	sink.Await(3)
	n.stop()
	n = r.start()
	r.roles("d")
	requireTold(t, sink.Await(4), "role.created a", "role.updated a 3", "role.created c", "role.created d")
	n.stop()
}

// A hook that was off for a moment doesn't get what waited before.
func TestWebhookThatWasOffForAMoment(t *testing.T) {
	t.Parallel()
	r := newWebhookRig(t)
	n := r.start(often(200 * time.Millisecond))
	sink := r.hook("h", "role.*")
	receiver := failingSink(sink, func(m string) bool { return m == "role.created a" })
	n.reread()
	r.roles("a")
	r.describe("a", "1")
	r.awaitStatuses("h", "retry", "held")
	r.set("h", `enabled = false`)
	r.set("h", `enabled = true`)
	n.reread()
	r.awaitStatuses("h", "discarded", "discarded")
	receiver.mend()
	r.describe("a", "2")
	requireTold(t, sink.Await(2), "role.created a", "role.updated a 2")
}

// With a hook its subscription and its deliveries go, and nothing more is sent. Its id begins anew.
func TestDeletedWebhook(t *testing.T) {
	t.Parallel()
	r := newWebhookRig(t)
	n := r.start(schedule(time.Hour))
	sink := r.hook("h", "role.created")
	receiver := failingSink(sink, func(m string) bool { return strings.HasSuffix(m, " bad") })
	n.reread()
	r.roles("a", "bad")
	r.awaitRows("h", "done 1", "retry 1")
	run := must[listener.HookRun](t)(r.op.Replay(t.Context(), listener.ReplayRequest{Hook: "h", To: listener.Point{Seq: 1}}))
	r.awaitRun(run)
	r.exec(`delete from auth.hooks`)
	n.reread()
	r.eventually("it is gone", `select not exists (select from latchkey.subscriptions where table_name like 'webhook/%') and not exists (select from latchkey.deliveries)`)
	receiver.mend()
	r.roles("b")
	n.catchUp()
	r.hookTo(sink, "t", "h", "role.created")
	n.reread()
	r.roles("c")
	r.awaitRows("h", "done 1")
	if got := sink.Received(); len(got) != 4 || tells(got[3]) != "role.created c" {
		t.Errorf("%d requests, want 4, and the last of c", len(got))
	}

	// Deleted while nobody looks.
	n.stop()
	r.exec(`delete from auth.hooks`)
	n = r.start()
	r.eventually("it is gone", `select not exists (select from latchkey.subscriptions where table_name like 'webhook/%')`)
	r.roles("d")
	n.catchUp()
	n.stop()
	if got := sink.Received(); len(got) != 4 {
		t.Errorf("it was sent %d after it was deleted", len(got)-4)
	}
}

// A hook that is deleted and made anew with its id, before the owner looks, gets nothing of what waited for the former.
func TestWebhookMadeAnew(t *testing.T) {
	t.Parallel()
	r := newWebhookRig(t)
	n := r.start(often(200 * time.Millisecond))
	sink := r.hook("h", "role.created")
	failingSink(sink, func(string) bool { return true })
	n.reread()
	r.roles("a")
	r.awaitStatuses("h", "retry")
	n.stop()
	r.exec(`delete from auth.hooks`)
	next := r.hook("h", "role.created")
	n = r.start()
	r.roles("b")
	r.awaitStatuses("h", "discarded", "done")
	requireTold(t, next.Received(), "role.created b")
	n.stop()
}

// A tenant goes with all its hooks.
func TestDeletedTenant(t *testing.T) {
	t.Parallel()
	r := newWebhookRig(t)
	n := r.start(schedule(time.Hour))
	sink := r.hook("h", "*")
	failingSink(sink, func(m string) bool { return strings.HasSuffix(m, " bad") })
	n.reread()
	r.roles("a", "bad")
	r.awaitRows("h", "done 1", "retry 1")
	r.exec(`delete from auth.tenants where id = 't'`)
	n.reread()
	r.eventually("its hook is gone", `select not exists (select from latchkey.subscriptions where table_name like 'webhook/%')`)
	n.catchUp()
	n.stop()
	for _, w := range sink.Received() {
		if !strings.HasPrefix(w.TriggerID, "role.created") {
			t.Logf("of its own end the tenant was told: %s", tells(w)) // as far as its hook was still there
		}
	}
}
