package api_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// scenario is one call of each operation that succeeds for acme with its scope.
type scenario struct {
	path    string // in which {delivery} stands for a dead delivery's id, {kid} for the current key's
	query   string
	body    string
	form    string // the body's content type, where it isn't JSON
	status  int
	lists   bool // it names nothing of acme's in its path, so that another tenant may call it too
	names   bool // as lists, but its body names what is acme's: another tenant is told that there is none
	body404 bool // as names, and it is answered 404
	key     bool // it changes the keys of all tenants: it takes a control-plane token

	hooks     string // those that it runs, before and after
	afterOnly bool   // no before-hook hears of it
}

func scenarios() map[string]scenario {
	all := map[string]scenario{
		"create-hook":         {path: "/hooks", body: `{"url": "` + aURL + `", "trigger_id": "role.created"}`, status: 201, lists: true},
		"list-hooks":          {path: "/hooks", status: 200, lists: true},
		"get-hook":            {path: "/hooks/mine", status: 200},
		"update-hook":         {path: "/hooks/mine", body: `{"name": "changed"}`, status: 200},
		"delete-hook":         {path: "/hooks/mine", status: 200},
		"rotate-secret":       {path: "/hooks/mine/rotate-secret", body: `{"overlap_seconds": 60}`, status: 200},
		"try-hook":            {path: "/hooks/mine/try", status: 200},
		"enable-hook":         {path: "/hooks/mine/enable", status: 200},
		"pause-hook":          {path: "/hooks/mine/pause", status: 200},
		"list-deliveries":     {path: "/hooks/mine/deliveries", status: 200},
		"redeliver":           {path: "/hooks/mine/deliveries/{delivery}/redeliver", status: 202},
		"replay-hook":         {path: "/hooks/mine/replay", body: `{"from_seq": 1}`, status: 202},
		"list-runs":           {path: "/hooks/mine/runs", status: 200},
		"list-failed-events":  {path: "/failed-events", status: 200, lists: true},
		"retry-failed-event":  {path: "/failed-events/{delivery}/retry", status: 202},
		"retry-failed-events": {path: "/failed-events/retry", body: `{"hook_id": "mine"}`, status: 202},
		"list-events":         {path: "/events", status: 200, lists: true},
		"list-logs":           {path: "/logs", status: 200, lists: true},
		"get-log":             {path: "/logs/log_a", status: 200},
	}
	all["token"] = scenario{path: "/oauth/token", body: `{"grant_type": "client_credentials", "client_id": "none", "client_secret": "x"}`, status: 401} // see TestClientCredentials
	maps.Copy(all, entities())
	return all
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
	(select string_agg(s::text, ',' order by id) from latchkey.subscriptions s), (select string_agg(t::text, ',' order by id) from auth.tenants t),
	(select string_agg(t::text, ',' order by t::text) from auth.users t), (select string_agg(t::text, ',' order by t::text) from auth.passwords t),
	(select string_agg(t::text, ',' order by t::text) from auth.roles t), (select string_agg(t::text, ',' order by t::text) from auth.user_roles t),
	(select string_agg(t::text, ',' order by t::text) from auth.role_permissions t), (select string_agg(t::text, ',' order by t::text) from auth.user_permissions t),
	(select string_agg(t::text, ',' order by t::text) from auth.permissions t), (select string_agg(t::text, ',' order by t::text) from auth.resource_servers t),
	(select string_agg(t::text, ',' order by t::text) from auth.connections t), (select string_agg(t::text, ',' order by t::text) from auth.clients t),
	(select string_agg(t::text, ',' order by t::text) from auth.client_secrets t), (select string_agg(t::text, ',' order by t::text) from auth.client_grants t),
	(select string_agg(t::text, ',' order by t::text) from auth.organizations t), (select string_agg(t::text, ',' order by t::text) from auth.organization_members t),
	(select string_agg(t::text, ',' order by t::text) from auth.organization_member_roles t), (select string_agg(t::text, ',' order by t::text) from auth.organization_connections t),
	(select string_agg(t::text, ',' order by t::text) from auth.forms t), (select string_agg(t::text, ',' order by t::text) from auth.signing_keys t), (select string_agg(t::text, ',' order by t::text) from auth.jobs t), (select string_agg(d::text, ',' order by subscription_id, seq) from latchkey.deliveries d)))`

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
	r.exec(unseed)
	r.exec(seed)
	r.exec(`delete from auth.hooks`)
	r.exec(`delete from latchkey.subscriptions`)
	r.webhook(`"hook_id": "mine"`)
	r.serve("acme", "mine")
	r.delivered("mine", 2, "dead")
	id := into[deliveries](r, r.as("GET", "/api/v2/failed-events", "")).Failed[0].ID
	path := r.pathOf(s, id)
	if len(op.Security) == 0 { // it takes no token
		r.call("", method, path, s.body, "Content-Type", "application/json").want(t, s.status, "")
		return
	}
	scope := op.Security[0]["bearer"][0]
	r.clock.back = time.Hour
	expired := r.token("acme/" + scope)
	r.clock.back = 0
	others := strings.Join(slices.DeleteFunc(strings.Split(r.everything(), "+"), func(other string) bool {
		return slices.ContainsFunc(op.Security, func(needs map[string][]string) bool { return needs["bearer"][0] == other })
	}), "+")

	before := one[string](r, state)
	r.call("", method, path, s.body).want(t, 401, "no_token")
	r.call(expired, method, path, s.body).want(t, 401, "invalid_token")
	r.call("acme/"+others, method, path, s.body).want(t, 403, "scope "+scope)
	switch {
	case s.key:
		r.as(method, path, s.body).want(t, 403, "control_plane_only")
	case s.names:
		r.call("globex/"+r.everything(), method, path, s.body, s.header()...).want(t, 400, "")
	case s.body404:
		r.call("globex/"+r.everything(), method, path, s.body).want(t, 404, "not_found")
		r.as(method, path, strings.ReplaceAll(s.body, "mine", "none")).want(t, 404, "not_found")
	case !s.lists:
		r.call("globex/"+r.everything(), method, path, s.body).want(t, 404, "not_found")
		r.call("-/"+r.everything(), method, path, s.body, "tenant-id", "globex").want(t, 404, "not_found")
		if s.path != "/failed-events/retry" {
			r.as(method, strings.NewReplacer("mine", "none", id, id[:8], "log_a", "log_b").Replace(path), s.body).want(t, 404, "not_found")
		}
	}
	r.as(method, strings.SplitN(path, "?", 2)[0]+"?color=red", s.body).want(t, 400, "color: there is no such query parameter")
	if s.body != "" && s.form == "" {
		r.as(method, path, strings.Replace(s.body, "{", `{"color": "red", `, 1)).want(t, 400, "color: there is no such field")
		r.as(method, path, s.body[:len(s.body)-1]).want(t, 400, "the body")
		r.as(method, path, `{"x": "`+strings.Repeat("x", 256<<10)+`"}`).want(t, 413, "payload_too_large")
	}
	if after := one[string](r, state); after != before {
		t.Errorf("a refused %s changed something", op.OperationID)
	}
	if s.lists && method == "GET" {
		if a := r.call("globex/"+r.everything(), method, path, ""); strings.Contains(a.text, "mine") && s.path != "/logs" || strings.Contains(a.text, `"log_a"`) {
			t.Errorf("%s tells globex of what is acme's: %s", op.OperationID, a.text)
		}
	}
	r.try(method, path, s)
}

func (r *rig) pathOf(s scenario, delivery string) string {
	r.t.Helper()
	kid := one[string](r, `select kid from auth.signing_keys where state = 'current'`)
	path := strings.NewReplacer("{delivery}", delivery, "{kid}", kid).Replace(s.path)
	if !strings.HasPrefix(path, "/oauth/") {
		path = "/api/v2" + path
	}
	if s.query != "" {
		path += "?" + s.query
	}
	return path
}

// try makes the call that succeeds.
func (r *rig) try(method, path string, s scenario) {
	r.t.Helper()
	if s.key {
		r.call("-/"+r.everything(), method, path, s.body, "tenant-id", "acme").want(r.t, s.status, "")
		return
	}
	r.call("acme/"+r.everything(), method, path, s.body, s.header()...).want(r.t, s.status, "")
}

func (s scenario) header() []string {
	if s.form == "" {
		return nil
	}
	return []string{"Content-Type", s.form}
}
