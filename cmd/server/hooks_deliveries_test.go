package main

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/latchkey-dev/latchkey/internal/tenanthook"
	"github.com/latchkey-dev/latchkey/listener"
)

// deliveryLine is a delivery as --json has it.
type deliveryLine struct {
	ID        string `json:"id"`
	WebhookID string `json:"webhook_id"`
	Seq       int64  `json:"seq"`
	Status    string `json:"status"`
	Attempts  []struct {
		Code      int     `json:"code"`
		LatencyMS float64 `json:"latency_ms"`
	} `json:"attempts"`
}

func deliveryLines(t *testing.T, r result) (list []deliveryLine) {
	t.Helper()
	r.require(t, exitOK)
	if err := json.Unmarshal([]byte(r.stdout), &list); err != nil {
		t.Fatalf("%v in %s", err, r.stdout)
	}
	return list
}

func TestHooksDeliveries(t *testing.T) {
	t.Parallel()
	h := newHooked(t, "role.created")
	h.await("past event", "hooks", "show", h.id)
	ref := "webhook/default/" + h.id
	h.role("a")
	first := h.to.await(t)
	h.await("done", "hooks", "deliveries", h.id).require(t, exitOK, "DELIVERY", "CODE", "200", " ms")
	list := deliveryLines(t, h.run("hooks", "deliveries", h.id, "--json"))
	if len(list) != 1 || list[0].WebhookID != first || list[0].Seq != 1 || len(list[0].Attempts) != 1 || list[0].Attempts[0].Code != 200 {
		t.Fatalf("listed are %+v; the receiver got %s", list, first)
	}
	h.run("hooks", "redeliver", h.id, list[0].ID).require(t, exitOK, "run 1 sends event 1 again")
	if again := h.to.await(t); again != first {
		t.Errorf("sent again as %s, first as %s", again, first)
	}

	h.to.set(http.StatusInternalServerError, "")
	h.role("b")
	second := h.to.await(t)
	h.await("500", "hooks", "deliveries", h.id, "--status", "retry")
	h.run("failed-events", "list").require(t, exitOK, h.id, "retry", "500")
	failed := deliveryLines(t, h.run("failed-events", "list", "--json", "--hook", h.id))
	if len(failed) != 1 || failed[0].WebhookID != second {
		t.Fatalf("failed are %+v, want %s", failed, second)
	}
	h.run("failed-events", "retry", failed[0].ID).require(t, exitError, "it is tried again by itself at")
	h.run("hooks", "redeliver", h.id, failed[0].ID).require(t, exitError, "it is tried again by itself at")
	h.run("deliveries", "list", "--hook", ref).require(t, exitOK, ref, "retry", "the receiver answered 500")
	h.run("deliveries", "show", ref, "2").require(t, exitOK, "the receiver answered 500", `"table_name": "auth.roles"`)

	h.server.stop().require(t, exitOK) // so that it is dead when the next one begins
	h.Exec(t, `update latchkey.deliveries set status = 'dead', next_attempt_at = null where status = 'retry'`)
	h.run("failed-events", "retry").require(t, exitError, "their ids, or --hook ID, or --all")
	h.run("failed-events", "retry", "--hook", h.id, "--all").require(t, exitError, "their ids, or --hook ID, or --all")
	h.run("failed-events", "retry", "--all").require(t, exitOK, "1 dead deliveries are tried once more, as soon as a listener runs")
	h.run("failed-events", "retry", "--all").require(t, exitError, "no dead delivery")
	h.Exec(t, `update latchkey.deliveries set status = 'dead', next_attempt_at = null where status = 'retry'`)
	h.to.set(http.StatusOK, "")
	h.server = serve(t, h.URL, "--webhook-allow", "127.0.0.1")
	h.run("hooks", "redeliver", h.id, failed[0].ID).require(t, exitOK, "event 2 is tried once more")
	if again := h.to.await(t); again != second {
		t.Errorf("retried as %s, first sent as %s", again, second)
	}
	h.await("[]", "failed-events", "list", "--json")
	h.run("failed-events", "retry", failed[0].ID).require(t, exitError, "redeliver sends it again")
	if page := deliveryLines(t, h.run("hooks", "deliveries", h.id, "--json", "--after", failed[0].ID)); len(page) == 0 || page[0].Seq != 1 {
		t.Errorf("after the second come %+v", page)
	}
	h.run("hooks", "deliveries", h.id, "--limit", "1").require(t, exitOK, "there may be more: --after "+failed[0].ID)
	h.run("replay", ref, "--from", "1", "--to", "1").require(t, exitOK, "100% 1 of 1")
	h.to.await(t)

	other := tenanthook.DeliveryID(&listener.WebhookDelivery{HookID: "other", Seq: 1})
	for _, c := range []struct{ args, says string }{
		{"hooks deliveries " + h.id + " --status ded", `did you mean "dead"?`},
		{"hooks deliveries " + h.id + " --after x", "dlv_"},
		{"hooks deliveries nothing", "has no hook"},
		{"hooks redeliver " + h.id + " " + other, "latchkey hooks deliveries " + h.id},
		{"failed-events retry x", "latchkey failed-events list"},
		{"failed-events retry " + other, "there is no such delivery"},
		{"failed-events list --hook nothing", "has no hook"},
	} {
		h.run(strings.Fields(c.args)...).require(t, exitError, c.says)
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	h := newHooked(t, "*")
	h.Exec(t, `insert into auth.tenants (id) values ('acme')`)
	h.role("a")
	h.Exec(t, `insert into auth.roles (tenant_id, id, name) values ('acme', 'x', 'x')`)
	h.role("b")
	h.server.stdout.await(t, 1, `^hook audit auth\.roles insert b$`)
	out := h.run("events", "--json")
	out.require(t, exitOK, `"trigger_id":"role.created"`)
	var seqs []int64
	for _, line := range strings.Split(strings.TrimSpace(out.stdout), "\n") {
		var item struct {
			Seq  int64
			Data struct {
				TenantID string `json:"tenant_id"`
			}
		}
		if err := json.Unmarshal([]byte(line), &item); err != nil || item.Data.TenantID != "default" {
			t.Errorf("%v in %s", err, line)
		}
		seqs = append(seqs, item.Seq)
	}
	if len(seqs) < 2 || strings.Contains(out.stdout, "acme") {
		t.Fatalf("the feed has %v:\n%s", seqs, out.stdout)
	}
	last := h.run("events", "--after", strconv.FormatInt(seqs[len(seqs)-2], 10))
	last.require(t, exitOK, "role.created b by external")
	if strings.Count(last.stdout, "\n") != 1 {
		t.Errorf("after the last but one come:\n%s", last.stdout)
	}
	h.run("events", "--tenant", "acme").require(t, exitOK, "role.created x by external")
	h.run("events", "--tenant", "nowhere").require(t, exitError, `no tenant "nowhere"`)
	h.run("events", "--after", "999").require(t, exitError, "there is no event 999 yet")
	h.run("events", "--every", "0s").require(t, exitError, "--every")

	f := start(t, "events", "--follow", "--every", "10ms", "--after", strconv.FormatInt(seqs[len(seqs)-1], 10), "--database-url", h.URL)
	h.role("c")
	f.stdout.await(t, 1, `^\d+ \S+ role\.created c by external$`)
	f.stop().require(t, exitOK)
	if n := len(f.stdout.lines(`.`)); n != 1 {
		t.Errorf("followed were %d lines:\n%s", n, f.stdout)
	}
	h.Exec(t, `update latchkey.position set first_seq = 2`)
	h.run("events", "--after", "0").require(t, exitError, "older than the retention", "--after 1")
}
