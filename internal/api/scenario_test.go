package api_test

import (
	"strings"
	"testing"
	"time"
)

// scenario is one call of each operation that succeeds for acme with its scope.
type scenario struct {
	path   string // in which {delivery} stands for a dead delivery's id
	body   string
	status int
	lists  bool // it names nothing of acme's, so that another tenant may call it too
}

func scenarios() map[string]scenario {
	return map[string]scenario{
		"create-hook":         {"/hooks", `{"url": "` + aURL + `", "trigger_id": "role.created"}`, 201, true},
		"list-hooks":          {"/hooks", "", 200, true},
		"get-hook":            {"/hooks/mine", "", 200, false},
		"update-hook":         {"/hooks/mine", `{"name": "changed"}`, 200, false},
		"delete-hook":         {"/hooks/mine", "", 200, false},
		"rotate-secret":       {"/hooks/mine/rotate-secret", `{"overlap_seconds": 60}`, 200, false},
		"try-hook":            {"/hooks/mine/try", "", 200, false},
		"enable-hook":         {"/hooks/mine/enable", "", 200, false},
		"pause-hook":          {"/hooks/mine/pause", "", 200, false},
		"list-deliveries":     {"/hooks/mine/deliveries", "", 200, false},
		"redeliver":           {"/hooks/mine/deliveries/{delivery}/redeliver", "", 202, false},
		"replay-hook":         {"/hooks/mine/replay", `{"from_seq": 1}`, 202, false},
		"list-runs":           {"/hooks/mine/runs", "", 200, false},
		"list-failed-events":  {"/failed-events", "", 200, true},
		"retry-failed-event":  {"/failed-events/{delivery}/retry", "", 202, false},
		"retry-failed-events": {"/failed-events/retry", `{"hook_id": "mine"}`, 202, false},
		"list-events":         {"/events", "", 200, true},
		"list-logs":           {"/logs", "", 200, true},
		"get-log":             {"/logs/log_a", "", 200, false},
	}
}

// What Postgres can't take is the caller's mistake, and not ours.
func TestOddText(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.webhook(`"hook_id": "mine"`)
	for _, path := range []string{"/hooks/%00", "/hooks?trigger_id=%00", "/hooks?q=name:%00", "/failed-events?hook_id=%00", "/logs?from=%00", "/logs/%ff", "/hooks/mine/deliveries?cursor=eyJoIjoiXHUwMDAwIiwicyI6MX0"} {
		if a := r.as("GET", "/api/v2"+path, ""); a.status != 400 && a.status != 404 {
			t.Errorf("GET %s answered %d %s", path, a.status, a.text)
		}
	}
}

// state is all that the API may change, but for the lines that tell of its calls.
const state = `select md5(concat(
	(select string_agg(h::text, ',' order by tenant_id, hook_id) from auth.hooks h), (select string_agg(s::text, ',' order by id) from auth.hook_secrets s),
	(select string_agg(s::text, ',' order by id) from latchkey.subscriptions s), (select string_agg(d::text, ',' order by subscription_id, seq) from latchkey.deliveries d)))`

// Every operation: what it says to who may not call it, to another tenant, and to what there isn't; none of that changes
// anything. Then it works for who may.
func TestEveryOperation(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.logOf(4)
	r.exec(`insert into auth.logs (tenant_id, log_id, type) values ('acme', 'log_a', 's')`)
	all := scenarios()
	for path, item := range r.doc.Paths {
		for method, op := range item {
			s, ok := all[op.OperationID]
			if !ok {
				t.Errorf("%s %s has no scenario", method, path)
				continue
			}
			delete(all, op.OperationID)
			r.play(strings.ToUpper(method), op, s)
		}
	}
	for id := range all {
		t.Errorf("there is no operation %s", id)
	}
}

func (r *rig) play(method string, op *described, s scenario) {
	t := r.t
	t.Helper()
	r.exec(`delete from auth.hooks`)
	r.exec(`delete from latchkey.subscriptions`)
	r.webhook(`"hook_id": "mine"`)
	r.serve("acme", "mine")
	r.delivered("mine", 2, "dead")
	id := into[deliveries](r, r.as("GET", "/api/v2/failed-events", "")).Failed[0].ID
	path := "/api/v2" + strings.ReplaceAll(s.path, "{delivery}", id)
	scope := op.Security[0]["bearer"][0]
	r.clock.back = time.Hour
	expired := r.token("acme/" + scope)
	r.clock.back = 0
	others := strings.ReplaceAll(strings.ReplaceAll("+"+everything, "+"+scope, ""), "++", "+")

	before := one[string](r, state)
	r.call("", method, path, s.body).want(t, 401, "no_token")
	r.call(expired, method, path, s.body).want(t, 401, "invalid_token")
	r.call("acme/"+strings.Trim(others, "+"), method, path, s.body).want(t, 403, "scope "+scope)
	if !s.lists {
		r.call("globex/"+everything, method, path, s.body).want(t, 404, "not_found")
		r.call("-/"+everything, method, path, s.body, "tenant-id", "globex").want(t, 404, "not_found")
		if s.path != "/failed-events/retry" {
			r.as(method, strings.NewReplacer("mine", "none", id, id[:8], "log_a", "log_b").Replace(path), s.body).want(t, 404, "not_found")
		}
	}
	r.as(method, path+"?color=red", s.body).want(t, 400, "color: there is no such query parameter")
	if s.body != "" {
		r.as(method, path, strings.Replace(s.body, "{", `{"color": "red", `, 1)).want(t, 400, "color: there is no such field")
		r.as(method, path, s.body[:len(s.body)-1]).want(t, 400, "the body")
		r.as(method, path, `{"x": "`+strings.Repeat("x", 256<<10)+`"}`).want(t, 413, "payload_too_large")
	}
	if after := one[string](r, state); after != before {
		t.Errorf("a refused %s changed something", op.OperationID)
	}
	if s.lists && method == "GET" {
		if a := r.call("globex/"+everything, method, path, ""); strings.Contains(a.text, `"hook_id":"mine"`) || strings.Contains(a.text, `"log_a"`) {
			t.Errorf("%s tells globex of what is acme's: %s", op.OperationID, a.text)
		}
	}
	r.as(method, path, s.body).want(t, s.status, "")
}
