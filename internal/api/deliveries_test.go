package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/listener/webhook"
)

// serve makes the subscription that the listener would make for a webhook.
func (r *rig) serve(tenant, hook string) {
	r.t.Helper()
	r.exec(`insert into latchkey.owner (group_name) values ('default') on conflict do nothing`)
	r.exec(`insert into latchkey.lease (group_name) values ('default') on conflict do nothing`)
	r.exec(`insert into latchkey.subscriptions (group_name, table_name, hook, start_lsn, cursor_seq) values ('default', 'webhook/' || $1, $2, '0/0', 0)`, tenant, hook)
}

// delivered writes a row as the engine does.
func (r *rig) delivered(hook string, seq int, status string) {
	r.t.Helper()
	r.exec(`insert into latchkey.deliveries (subscription_id, seq, entities, status, attempt, next_attempt_at, last_error, event_id, attempts)
		select id, $2::bigint, '{e}', $3::text, 1, case when $3::text = 'retry' then now() + interval '1 hour' end, 'it is broken', 'evt_' || $2::bigint,
			'[{"at": "2026-01-02T03:04:05Z", "code": 500, "latency_ms": 12.5, "body": "oh no"}, {"at": "2026-01-02T03:04:06Z", "latency_ms": 3, "error": "refused"}]'
		from latchkey.subscriptions where hook = $1 and run = 0`, hook, seq, status)
}

// events makes a log that holds the events 1 to n, without listening.
func (r *rig) logOf(n int) {
	r.t.Helper()
	r.exec(`insert into latchkey.owner (group_name) values ('default') on conflict do nothing`)
	r.exec(`insert into latchkey.position (group_name, slot, publication, system_identifier, timeline, next_seq) values ('default', 's', 'p', 'i', 1, $1)`, n+1)
}

type deliveries struct {
	Deliveries []delivered `json:"deliveries"`
	Failed     []delivered `json:"failed_events"`
	Next       string      `json:"next"`
}

type delivered struct {
	ID        string `json:"id"`
	WebhookID string `json:"webhook_id"`
	Seq       int    `json:"seq"`
	Status    string `json:"status"`
	Attempts  []struct {
		At    time.Time `json:"at"`
		Code  int       `json:"code"`
		Error string    `json:"error"`
		Body  string    `json:"body"`
	} `json:"attempts"`
}

func seqs(list []delivered) string {
	var all []string
	for _, d := range list {
		all = append(all, fmt.Sprintf("%d %s", d.Seq, d.Status))
	}
	return strings.Join(all, ", ")
}

func TestDeliveries(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	h := r.webhook(`"hook_id": "mine"`)
	path := "/api/v2/hooks/" + h.HookID + "/deliveries"
	r.as("GET", path, "").want(t, 200, `{"deliveries":[],"next":null}`)
	r.serve("acme", "mine")
	for seq, status := range []string{"done", "dead", "retry", "done", "held"} {
		r.delivered("mine", seq+1, status)
	}
	all := into[deliveries](r, r.as("GET", path, "").want(t, 200, "")).Deliveries
	if got := seqs(all); got != "5 held, 4 done, 3 retry, 2 dead, 1 done" {
		t.Errorf("listed are %s", got)
	}
	if a := all[0].Attempts; len(a) != 2 || a[0].Code != 500 || a[0].Body != "oh no" || a[1].Error != "refused" || a[1].At.IsZero() {
		t.Errorf("attempts are %+v", a)
	}
	if all[0].WebhookID != webhook.MessageID("evt_5", "mine") {
		t.Errorf("the webhook-id is %s", all[0].WebhookID)
	}
	var paged []delivered
	for cursor := ""; ; {
		page := into[deliveries](r, r.as("GET", path+"?limit=2&cursor="+cursor, "").want(t, 200, ""))
		paged = append(paged, page.Deliveries...)
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if seqs(paged) != seqs(all) {
		t.Errorf("page by page they are %s", seqs(paged))
	}
	if got := seqs(into[deliveries](r, r.as("GET", path+"?status=done,held", "")).Deliveries); got != "5 held, 4 done, 1 done" {
		t.Errorf("with a status they are %s", got)
	}
	r.as("GET", path+"?status=fine", "").want(t, 400, "status")
	r.as("GET", path+"?cursor=x", "").want(t, 400, "cursor")
}

func TestRedeliver(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.webhook(`"hook_id": "mine"`)
	r.webhook(`"hook_id": "other"`)
	r.logOf(4)
	r.serve("acme", "mine")
	r.serve("acme", "other")
	for seq, status := range []string{"done", "dead", "retry"} {
		r.delivered("mine", seq+1, status)
	}
	list := into[deliveries](r, r.as("GET", "/api/v2/hooks/mine/deliveries", "")).Deliveries
	again := func(hook, id string) answer {
		return r.as("POST", "/api/v2/hooks/"+hook+"/deliveries/"+id+"/redeliver", "")
	}
	again("mine", list[0].ID).want(t, 409, "tried again by itself at")
	again("mine", list[1].ID).want(t, 202, `{"status":"retry"}`)
	if got := one[string](r, `select status from latchkey.deliveries where seq = 2 and asked_at is not null`); got != "retry" {
		t.Errorf("the dead one is %s", got)
	}
	again("mine", list[1].ID).want(t, 409, "under way")
	again("mine", list[2].ID).want(t, 202, `"status":"replay"`).want(t, 202, `"from":1,"to":1`)
	again("other", list[2].ID).want(t, 404, "no such delivery")
	again("mine", "dlv_x").want(t, 404, "no such delivery")
	r.exec(`update latchkey.position set first_seq = 3`)
	again("mine", list[2].ID).want(t, 410, "log begins at event 3")
	r.as("GET", "/api/v2/hooks/mine/runs", "").want(t, 200, `"run":1,"kind":"replay"`)
}

func TestReplay(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.webhook(`"hook_id": "mine"`)
	path := "/api/v2/hooks/mine/replay"
	r.as("POST", path, "{}").want(t, 409, "has not taken the hook in")
	r.logOf(9)
	r.serve("acme", "mine")
	r.as("POST", path, "{}").want(t, 202, `"from":1,"to":9`)
	r.as("POST", path, `{"from_seq": 3, "to_seq": 4}`).want(t, 202, `"run":2`)
	r.as("POST", path, `{"from_seq": 3, "from": "2026-01-02T03:04:05Z"}`).want(t, 400, "not both")
	r.as("POST", path, `{"from": "yesterday"}`).want(t, 400, "from: has to be")
	r.as("POST", path, `{"to_seq": 12}`).want(t, 400, "Event 12 is not stored yet: the last one is 9.")
	r.as("POST", path, `{"from": "2036-01-02T03:04:05Z"}`).want(t, 400, "No event was committed at or after")
	r.exec(`update latchkey.position set first_seq = 5`)
	r.as("POST", path, `{"from_seq": 3}`).want(t, 410, "begins at event 5")
	if n := one[int](r, `select count(*) from latchkey.subscriptions where run > 0`); n != 2 {
		t.Errorf("there are %d runs", n)
	}
}

func TestPauseAndEnable(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.webhook(`"hook_id": "mine"`)
	check := func(want string) {
		t.Helper()
		if got := one[string](r, `select status from auth.hooks`); got != want {
			t.Errorf("the row says %s; want %s", got, want)
		}
	}
	r.as("POST", "/api/v2/hooks/mine/pause", "").want(t, 200, `"status":"paused"`)
	check("paused")
	r.logOf(9)
	r.serve("acme", "mine")
	r.as("POST", "/api/v2/hooks/mine/pause", "").want(t, 200, `"status":"paused"`)
	check("paused")
	r.exec(`update latchkey.position set first_seq = 5`)
	r.as("POST", "/api/v2/hooks/mine/enable", "").want(t, 409, "accept_gap=true")
	check("paused")
	r.as("POST", "/api/v2/hooks/mine/enable?accept_gap=true", "").want(t, 200, `"status":"active"`)
	check("active")
	r.exec(`update latchkey.position set first_seq = 1`)
	r.exec(`update auth.hooks set status = 'disabled', status_reason = 'gone'`)
	r.as("GET", "/api/v2/hooks/mine", "").want(t, 200, `"status_reason":"gone"`)
	a := r.as("POST", "/api/v2/hooks/mine/enable", "").want(t, 200, `"status":"active"`)
	if strings.Contains(a.text, "gone") {
		t.Errorf("the reason stayed: %s", a.text)
	}
}

func TestFailedEvents(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.webhook(`"hook_id": "a"`)
	r.webhook(`"hook_id": "b"`)
	r.exec(`insert into auth.hooks (tenant_id, hook_id, trigger_id, url) values ('globex', 'g', '*', $1)`, aURL)
	r.serve("acme", "a")
	r.serve("acme", "b")
	r.serve("globex", "g")
	for _, hook := range []string{"a", "b", "g"} {
		for seq, status := range []string{"dead", "done", "retry", "dead"} {
			r.delivered(hook, seq+1, status)
		}
	}
	list := into[deliveries](r, r.as("GET", "/api/v2/failed-events", "").want(t, 200, "")).Failed
	if got := seqs(list); got != "4 dead, 4 dead, 3 retry, 3 retry, 1 dead, 1 dead" {
		t.Errorf("failed are %s", got)
	}
	r.as("GET", "/api/v2/failed-events?hook_id=g", "").want(t, 200, `{"failed_events":[],"next":null}`)
	var paged string
	for cursor := ""; ; {
		page := into[deliveries](r, r.as("GET", "/api/v2/failed-events?limit=1&cursor="+cursor, ""))
		paged += seqs(page.Failed) + "; "
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if paged != "4 dead; 4 dead; 3 retry; 3 retry; 1 dead; 1 dead; " {
		t.Errorf("page by page they are %s", paged)
	}
	r.as("POST", "/api/v2/failed-events/"+list[0].ID+"/retry", "").want(t, 202, `{"retried":1}`)
	r.as("POST", "/api/v2/failed-events/"+list[0].ID+"/retry", "").want(t, 409, "under way")
	r.as("POST", "/api/v2/failed-events/"+list[2].ID+"/retry", "").want(t, 409, "under way")
	r.call("globex/"+r.everything(), "POST", "/api/v2/failed-events/"+list[4].ID+"/retry", "").want(t, 404, "not_found")
	r.as("POST", "/api/v2/failed-events/retry", `{"hook_id": "b"}`).want(t, 202, `{"retried":2}`)
	r.as("POST", "/api/v2/failed-events/retry", `{"hook_id": "g"}`).want(t, 404, "not_found")
	r.as("POST", "/api/v2/failed-events/retry", `{}`).want(t, 202, `{"retried":1}`)
	got := one[string](r, `select string_agg(s.hook || ' ' || d.seq, ', ' order by s.hook, d.seq) from latchkey.deliveries d join latchkey.subscriptions s on s.id = d.subscription_id where d.status = 'dead'`)
	if got != "g 1, g 4" {
		t.Errorf("dead are %s", got)
	}
}
