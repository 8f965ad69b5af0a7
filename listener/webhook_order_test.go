package listener_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/hooks/hookstest"
	"github.com/latchkey-dev/latchkey/listener"
)

// of are the messages about one entity.
func of(got []hookstest.Webhook, entity string) (about []hookstest.Webhook) {
	for _, w := range got {
		if strings.Contains(tells(w)+" ", " "+entity+" ") {
			about = append(about, w)
		}
	}
	return about
}

// What failed holds back what comes later of its entity, through a stop too, and nothing else; then it comes in order.
func TestWebhookOrder(t *testing.T) {
	t.Parallel()
	r := newWebhookRig(t)
	slow := schedule(2*time.Second, 50*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond)
	n := r.start(slow)
	sink := r.hook("h", "role.*")
	receiver := failingSink(sink, func(m string) bool { return m == "role.created a" })
	n.reread()
	r.roles("a", "b")
	r.describe("a", "1")
	r.describe("b", "1")
	r.describe("a", "2")
	r.describe("b", "2")
	r.awaitRows("h", "retry 1", "done 1", "held 0", "done 1", "held 0", "done 1")
	requireTold(t, of(sink.Received(), "b"), "role.created b", "role.updated b 1", "role.updated b 2")
	for _, w := range of(sink.Received(), "a") {
		if tells(w) != "role.created a" {
			t.Fatalf("%s passed a failed one", tells(w))
		}
	}
	n.stop()
	n = r.start(slow)
	r.describe("a", "3")
	r.describe("b", "3")
	r.eventually("b has its third", `select exists (select from latchkey.deliveries where seq = 8 and status = 'done')`)
	receiver.mend()
	r.eventually("all is delivered", `select count(*) = 8 from latchkey.deliveries where status = 'done'`)
	requireTold(t, of(delivered(sink.Received()), "a"), "role.created a", "role.updated a 1", "role.updated a 2", "role.updated a 3")
	n.stop()
}

// A change of the key belongs to both entities: it waits for what failed of either, and holds up both.
func TestWebhookKeyChange(t *testing.T) {
	t.Parallel()
	r := newWebhookRig(t)
	n := r.start(often(200 * time.Millisecond))
	sink := r.hook("h", "role.*")
	receiver := failingSink(sink, func(m string) bool { return m == "role.created a" })
	n.reread()
	r.roles("a")
	r.exec(`update auth.roles set id = 'b' where id = 'a'`)
	r.describe("b", "1")
	r.roles("c")
	r.awaitStatuses("h", "retry", "held", "held", "done")
	receiver.mend()
	r.awaitStatuses("h", "done", "done", "done", "done")
	requireTold(t, delivered(sink.Received()), "role.created c", "role.created a", "role.updated b", "role.updated b 1")
}

// Many writers, many entities, and a receiver that refuses every third request: each message arrives once, in the order of
// its entity.
func TestWebhookOrderUnderLoad(t *testing.T) {
	t.Parallel()
	r := newWebhookRig(t)
	n := r.start()
	sink := r.hook("h", "role.updated")
	count := 0
	failingSink(sink, func(string) bool { count++; return count%3 == 0 })
	r.roles(names("r", 0, 19)...)
	n.reread()
	r.exec(`do $$ begin for i in 101..130 loop update auth.roles set description = i::text; end loop; end $$`)
	r.eventually("all is delivered", `select count(*) = 600 from latchkey.deliveries where status = 'done'`)
	got := delivered(sink.Received())
	for _, id := range names("r", 0, 19) {
		var want []string
		for _, i := range names("", 101, 130) {
			want = append(want, "role.updated "+id+" "+i)
		}
		requireTold(t, of(got, id), want...)
	}
}

// A delivery that failed to the end of the schedule is dead, and what waited behind it goes on without it. An operator's
// retry sends it once more, with its id.
func TestWebhookDeadLetter(t *testing.T) {
	t.Parallel()
	r := newWebhookRig(t)
	n := r.start(schedule(300*time.Millisecond, 20*time.Millisecond))
	sink := r.hook("h", "role.*")
	receiver := failingSink(sink, func(m string) bool { return m == "role.created a" })
	n.reread()
	r.roles("a")
	r.awaitRows("h", "retry 1")
	r.roles("other")
	r.describe("a", "1")
	r.describe("a", "2")
	r.awaitRows("h", "dead 3", "done 1", "done 1", "done 1")
	if last := delivered(of(sink.Received(), "a")); len(last) != 3 {
		t.Fatalf("%d messages about a, want 3", len(last))
	}
	retry := func(want string) {
		t.Helper()
		if n := must[int64](t)(r.op.Retry(t.Context(), listener.DeliveryFilter{Hook: listener.WebhookRef("t", "h")})); n != 1 {
			t.Fatalf("%d deliveries are dead, want 1", n)
		}
		r.awaitRows("h", want, "done 1", "done 1", "done 1")
	}
	retry("dead 4")
	receiver.mend()
	retry("done 5")
	about := of(sink.Received(), "a")
	requireTold(t, about, "role.created a", "role.created a", "role.created a", "role.updated a 1", "role.updated a 2", "role.created a", "role.created a")
	for _, i := range []int{1, 2, 5, 6} {
		if about[i].ID != about[0].ID {
			t.Errorf("attempt %d has another webhook-id", i)
		}
	}
	if status := value[string](r.rig, `select status from auth.hooks`); status != "active" {
		t.Errorf("the hook is %s, and only one of its deliveries failed", status)
	}
}

// A hook to which nothing was delivered for the whole of a schedule is switched off, with the reason, and what it was to get waits.
func TestWebhookThatAlwaysFailsIsSwitchedOff(t *testing.T) {
	t.Parallel()
	r := newWebhookRig(t)
	n := r.start(schedule(20*time.Millisecond, 20*time.Millisecond))
	sink := r.hook("h", "role.*")
	sink.Answer(func(w http.ResponseWriter, _ hookstest.Webhook) { w.WriteHeader(http.StatusBadRequest) })
	n.reread()
	r.roles("a")
	r.awaitStatus("h", "disabled")
	if reason := value[string](r.rig, `select status_reason from auth.hooks`); !strings.Contains(reason, "every attempt has failed since 20") {
		t.Errorf("the reason is %q", reason)
	}
	r.roles("b")
	sink.Answer(nil)
	r.set("h", `status = 'active', status_reason = ''`)
	r.awaitRows("h", "dead 3", "done 1")
	requireTold(t, of(sink.Received(), "b"), "role.created b")
}

// Whether a webhook has had a success is asked at each dead letter: it must not read all that was ever delivered.
func TestLastSuccessIsFoundByIndex(t *testing.T) {
	t.Parallel()
	r := newWebhookRig(t)
	r.exec(`insert into latchkey.owner (group_name) values ('default') on conflict do nothing`)
	r.exec(`with made as (insert into latchkey.subscriptions (group_name, table_name, hook, start_lsn, cursor_seq) values ('default', 'webhook/t', 'h', '0/0', 0) returning id)
		insert into latchkey.deliveries (subscription_id, seq, entities, status, created_at, updated_at)
		select id, i, '{t/a}', case when i < 20000 then 'done' else 'dead' end, at, at from made, generate_series(1, 20000) i, lateral (select now() - interval '1 h' + i * interval '1 ms' as at) x`)
	r.exec(`analyze latchkey.deliveries`)
	plan := value[string](r.rig, `explain (format json) `+strings.NewReplacer("$1", "(select min(id) from latchkey.subscriptions)", "$2", "20000").Replace(listener.FailingSince))
	if !strings.Contains(plan, "deliveries_done") {
		t.Error(plan)
	}
}
