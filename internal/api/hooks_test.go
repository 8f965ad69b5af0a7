package api_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/listener/webhook"
)

// aURL resolves to nothing that is refused, without asking anybody.
const aURL = "https://93.184.215.14/hook"

type hook struct {
	HookID       string            `json:"hook_id"`
	Name         string            `json:"name"`
	TriggerID    string            `json:"trigger_id"`
	Enabled      bool              `json:"enabled"`
	Priority     int               `json:"priority"`
	Synchronous  bool              `json:"synchronous"`
	Secret       string            `json:"secret"`
	Status       string            `json:"status"`
	OnError      string            `json:"on_error"`
	URL          string            `json:"url"`
	FormID       string            `json:"form_id"`
	Headers      map[string]string `json:"headers"`
	Metadata     map[string]any    `json:"metadata"`
	WhenChanged  []string          `json:"when_changed"`
	RateLimit    float64           `json:"rate_limit"`
	TimeoutMS    int               `json:"timeout_ms"`
	StatusReason string            `json:"status_reason"`
}

// webhook makes one for acme.
func (r *rig) webhook(members string) hook {
	r.t.Helper()
	if members != "" {
		members = ", " + members
	}
	a := r.as("POST", "/api/v2/hooks", fmt.Sprintf(`{"url": %q, "trigger_id": "role.created"%s}`, aURL, members))
	a.want(r.t, 201, "hook_id")
	return into[hook](r, a)
}

// secretsOf opens what is stored.
func (r *rig) secretsOf(id, kind string) (opened []string) {
	r.t.Helper()
	list, err := r.store.HookSecrets.List(r.t.Context(), "acme", id)
	r.ok(err)
	for i := range list {
		if list[i].Kind == kind {
			text, err := r.keys.Open(list[i].Sealed, "hook/acme/"+id+"/"+kind)
			r.ok(err)
			opened = append(opened, string(text))
		}
	}
	return opened
}

func TestCreateWebhook(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	h := r.webhook(`"name": "crm", "headers": {"X-Key": "hunter2"}, "metadata": {"a": [1]}, "priority": 3, "rate_limit": 0.5, "timeout_ms": 2000, "when_changed": ["name"]`)
	if !regexp.MustCompile(`^hook_[0-9A-Za-z]{21}$`).MatchString(h.HookID) || !h.Enabled || h.Priority != 3 || h.Synchronous || h.Status != "active" ||
		h.OnError != "deny" || h.Headers["X-Key"] != "***" || h.RateLimit != 0.5 || h.TimeoutMS != 2000 || h.WhenChanged[0] != "name" || h.Metadata["a"] == nil {
		t.Errorf("made %+v", h)
	}
	if _, err := webhook.ParseSecret(h.Secret); err != nil {
		t.Errorf("the secret is %q: %v", h.Secret, err)
	}
	if got := r.secretsOf(h.HookID, db.HookSigningSecret); len(got) != 1 || got[0] != h.Secret {
		t.Errorf("stored are the secrets %q", got)
	}
	if got := r.secretsOf(h.HookID, db.HookHeaders); len(got) != 1 || got[0] != `{"X-Key":"hunter2"}` {
		t.Errorf("stored are the headers %q", got)
	}
	for _, path := range []string{"/api/v2/hooks/" + h.HookID, "/api/v2/hooks", "/api/v2/hooks?include_totals=true"} {
		a := r.as("GET", path, "").want(t, 200, `"headers":{"X-Key":"***"}`)
		if strings.Contains(a.text, "whsec_") || strings.Contains(a.text, "hunter2") {
			t.Errorf("GET %s shows a secret: %s", path, a.text)
		}
	}
	own := webhook.NewSecret().Reveal()
	h = r.webhook(fmt.Sprintf(`"hook_id": "mine", "secret": %q, "enabled": false`, own))
	if h.HookID != "mine" || h.Secret != own || h.Enabled {
		t.Errorf("made %+v", h)
	}
	r.as("POST", "/api/v2/hooks", `{"hook_id": "mine", "url": "`+aURL+`", "trigger_id": "role.created"}`).want(t, 409, "hook_id")
	sync := r.as("POST", "/api/v2/hooks", `{"url": "`+aURL+`", "trigger_id": "pre-user-registration"}`).want(t, 201, `"synchronous":true`)
	r.as("GET", "/api/v2/hooks/"+into[hook](r, sync).HookID, "").want(t, 200, `"synchronous":true`)
}

func TestFormsAndPages(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.as("POST", "/api/v2/hooks", `{"form_id": "f1", "trigger_id": "post-user-login"}`).want(t, 400, `form_id: there is no form \"f1\".`)
	r.exec(`insert into auth.forms (tenant_id, id, name) values ('globex', 'f1', 'theirs')`)
	r.as("POST", "/api/v2/hooks", `{"form_id": "f1", "trigger_id": "post-user-login"}`).want(t, 400, "form_id: ")
	r.exec(`insert into auth.forms (tenant_id, id, name) values ('acme', 'f1', 'ours')`)
	form := into[hook](r, r.as("POST", "/api/v2/hooks", `{"form_id": "f1", "trigger_id": "post-user-login"}`).want(t, 201, `"form_id":"f1"`))
	if form.Secret != "" || form.Status != "" || form.OnError != "" {
		t.Errorf("a form has %+v", form)
	}
	r.as("POST", "/api/v2/hooks", `{"page_id": "terms", "permission_required": "p", "trigger_id": "post-user-login"}`).want(t, 201, `"permission_required":"p"`)
	for _, action := range []string{"pause", "enable", "try", "rotate-secret"} {
		r.as("POST", "/api/v2/hooks/"+form.HookID+"/"+action, "").want(t, 400, "is a form")
	}
}

// What is refused leaves nothing.
func TestRefusedHooks(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	h := r.webhook("")
	var before int
	r.ok(r.pool.QueryRow(t.Context(), `select count(*) from auth.hooks`).Scan(&before))
	for _, test := range []struct{ body, message string }{
		{`{`, "the body"},
		{`[]`, "the body has to be object"},
		{`{}`, "trigger_id: is required"},
		{`{"trigger_id": "role.created"}`, "url, form_id, page_id: exactly one of them"},
		{`{"trigger_id": "role.created", "url": "` + aURL + `", "form_id": "f"}`, "exactly one of them"},
		{`{"trigger_id": "role.create", "url": "` + aURL + `"}`, `trigger_id: there is no trigger \"role.create\"`},
		{`{"trigger_id": "role.created", "form_id": "f"}`, "trigger_id: a form takes post-user-login"},
		{`{"trigger_id": "*", "page_id": "f"}`, "trigger_id: a page takes post-user-login"},
		{`{"trigger_id": "role.created", "url": "ftp://x/"}`, "url: address refused"},
		{`{"trigger_id": "role.created", "url": "http://127.0.0.1/"}`, "127.0.0.1 isn't public"},
		{`{"trigger_id": "role.created", "url": "http://169.254.169.254/latest"}`, "isn't public"},
		{`{"trigger_id": "role.created", "url": "http://[::1]/"}`, "isn't public"},
		{`{"trigger_id": "role.created", "url": "http://2130706433/"}`, "address in disguise"},
		{`{"trigger_id": "role.created", "url": "https://u:p@example.com/"}`, "put them into the hook's headers"},
		{`{"trigger_id": "role.created", "url": "` + aURL + `", "color": 1, "colour": 2}`, "color: there is no such field; colour: there is no such field."},
		{`{"trigger_id": 7, "url": 8, "priority": "high"}`, "priority: has to be integer; trigger_id: has to be string; url: has to be string."},
		{`{"trigger_id": "role.created", "url": "` + aURL + `", "on_error": "maybe"}`, "on_error: has to be one of"},
		{`{"trigger_id": "role.created", "url": "` + aURL + `", "timeout_ms": 60000}`, "timeout_ms: a timeout of 1m0s"},
		{`{"trigger_id": "role.created", "url": "` + aURL + `", "rate_limit": -1}`, "rate_limit: a rate limit of -1"},
		{`{"trigger_id": "role.created", "url": "` + aURL + `", "secret": "abc"}`, "secret: a secret begins with whsec_"},
		{`{"trigger_id": "role.created", "url": "` + aURL + `", "headers": {"Host": "x"}}`, "header Host is reserved"},
		{`{"trigger_id": "role.created", "url": "` + aURL + `", "headers": {"X-A": "***"}}`, "send the value itself"},
		{`{"trigger_id": "role.created", "url": "` + aURL + `", "hook_id": "a/b"}`, "hook_id: has to be"},
		{`{"trigger_id": "role.created", "url": "` + aURL + `", "metadata": []}`, "metadata: has to be object"},
		{`{"trigger_id": "role.created", "url": "` + aURL + `", "name": "a\u0000b"}`, "invalid byte sequence"},
		{`{"trigger_id": "post-user-login", "form_id": "f", "headers": {"X": "y"}}`, "only a webhook has them"},
		{`{"trigger_id": "post-user-login", "form_id": "f", "timeout_ms": 2000, "permission_required": "p"}`, "permission_required: a form has none; timeout_ms: a form has none"},
		{`{"trigger_id": "role.created", "url": "` + aURL + `", "name": "` + strings.Repeat("x", 201) + `"}`, "name: has to be length <= 200"},
	} {
		r.as("POST", "/api/v2/hooks", test.body).want(t, 400, test.message)
	}
	r.as("POST", "/api/v2/hooks", `{"name": "`+strings.Repeat("x", 256<<10)+`"}`).want(t, 413, "larger than 262144 bytes")
	r.call("acme/"+r.everything(), "POST", "/api/v2/hooks", "a=b", "Content-Type", "application/x-www-form-urlencoded").want(t, 415, "application/json")
	for _, test := range []struct{ body, message string }{
		{`{"url": "http://10.0.0.1/"}`, "isn't public"},
		{`{"url": null}`, "exactly one"},
		{`{"trigger_id": null}`, "trigger_id"},
		{`{"trigger_id": "x"}`, "no trigger"},
		{`{"form_id": "f"}`, "exactly one"},
		{`{"synchronous": true}`, "synchronous: there is no such field"},
		{`{"secret": "x"}`, "secret: there is no such field"},
		{`{"headers": {"X-A": "***"}}`, "send the value itself"},
		{`{"priority": 1.5}`, "priority: has to be integer"},
		{`{"on_error": "x"}`, "on_error: has to be deny or allow"},
	} {
		r.as("PATCH", "/api/v2/hooks/"+h.HookID, test.body).want(t, 400, test.message)
	}
	if after := one[int](r, `select count(*) from auth.hooks`); after != before {
		t.Errorf("there are %d hooks, and were %d", after, before)
	}
	if one[bool](r, `select exists (select from auth.hooks where updated_at <> created_at)`) {
		t.Error("a refused change changed the hook")
	}
}

func TestPatchHook(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	h := r.webhook(`"name": "a", "headers": {"X-Key": "one"}, "metadata": {"a": 1}, "priority": 3, "rate_limit": 2, "timeout_ms": 2000, "on_error": "allow", "enabled": false`)
	path := "/api/v2/hooks/" + h.HookID
	got := into[hook](r, r.as("PATCH", path, `{}`).want(t, 200, ""))
	if got.Name != "a" || got.Priority != 3 || got.RateLimit != 2 || got.Headers["X-Key"] == "" || got.Enabled || got.OnError != "allow" || got.Metadata["a"] == nil {
		t.Errorf("what was absent did not stay: %+v", got)
	}
	got = into[hook](r, r.as("PATCH", path, `{"name": null, "priority": null, "rate_limit": null, "timeout_ms": null, "headers": null, "enabled": null, "on_error": null, "metadata": null}`).want(t, 200, ""))
	if got.Name != "" || got.Priority != 0 || got.RateLimit != 0 || got.TimeoutMS != 0 || got.Headers != nil || !got.Enabled || got.OnError != "deny" || len(got.Metadata) != 0 {
		t.Errorf("null did not clear: %+v", got)
	}
	if left := r.secretsOf(h.HookID, db.HookHeaders); len(left) != 0 {
		t.Errorf("headers %q are left", left)
	}
	r.as("PATCH", path, `{"headers": {"X-New": "two"}, "trigger_id": "*", "url": "`+aURL+`2"}`).want(t, 200, `"headers":{"X-New":"***"}`).want(t, 200, aURL+"2")
	if left := r.secretsOf(h.HookID, db.HookHeaders); len(left) != 1 || left[0] != `{"X-New":"two"}` {
		t.Errorf("the headers are %q", left)
	}
	r.as("PATCH", path, `{"url": null, "form_id": "f", "trigger_id": "post-user-login"}`).want(t, 400, "form_id: there is no form")
	r.exec(`insert into auth.forms (tenant_id, id, name) values ('acme', 'f', 'ours')`)
	r.as("PATCH", path, `{"url": null, "form_id": "f", "trigger_id": "post-user-login"}`).want(t, 200, `"form_id":"f"`)
	r.exec(`delete from auth.forms`)
	r.as("PATCH", path, `{"enabled": false}`).want(t, 200, `"form_id":"f"`) // what names one that is gone can be switched off
	r.as("DELETE", path, "").want(t, 200, "OK")
	r.as("GET", path, "").want(t, 404, "not_found")
	r.as("DELETE", path, "").want(t, 404, "not_found")
}

func TestListHooks(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, h := range []string{`"hook_id": "a", "name": "the first", "priority": 1`, `"hook_id": "b", "name": "b", "priority": 5`, `"hook_id": "c", "name": "c", "priority": 1, "enabled": false`} {
		r.webhook(h)
	}
	r.exec(`insert into auth.hooks (tenant_id, hook_id, trigger_id, form_id) values ('globex', 'g', 'post-user-login', 'f')`)
	for query, want := range map[string]string{
		"": "b a c", "?sort=name:1": "b c a", "?sort=priority:-1&per_page=1": "b", "?per_page=1&page=1": "a", "?trigger_id=post-user-login": "",
		"?q=enabled:true%20priority:1": "a", "?q=name:%22the%20first%22": "a", "?q=name:th*": "a", "?q=enabled:true%20AND%20name:b": "b",
	} {
		list := into[[]hook](r, r.as("GET", "/api/v2/hooks"+query, "").want(t, 200, ""))
		var ids []string
		for _, h := range list {
			ids = append(ids, h.HookID)
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%q lists %q; want %q", query, got, want)
		}
	}
	page := into[map[string]any](r, r.as("GET", "/api/v2/hooks?include_totals=true&per_page=2&page=1", "").want(t, 200, ""))
	if fmt.Sprint(page["start"], page["limit"], page["length"], page["total"]) != "2 2 1 3" {
		t.Errorf("totals are %v", page)
	}
	for query, message := range map[string]string{
		"?sort=name": "neither field:1 nor field:-1", "?sort=secret:1": "no field", "?q=secret:x": `no field \"secret\" to look in`, "?q=nam:x": "did you mean",
		"?q=name": "no field:value term", "?q=name:%22x": "no closing quote", "?q=name:": "has no value", "?per_page=0": "per_page (query): has to be number >= 1",
	} {
		r.as("GET", "/api/v2/hooks"+query, "").want(t, 400, message)
	}
}

func TestRotateSecret(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	h := r.webhook("")
	path := "/api/v2/hooks/" + h.HookID + "/rotate-secret"
	valid := []string{h.Secret}
	for range 3 {
		a := into[map[string]string](r, r.as("POST", path, "").want(t, 200, "previous_secret_expires_at"))
		valid = append([]string{a["secret"]}, valid...)
		if got := r.secretsOf(h.HookID, db.HookSigningSecret); !slices.Equal(got, valid[:2]) {
			t.Fatalf("valid are %q; want %q", got, valid[:2])
		}
	}
	own := webhook.NewSecret().Reveal()
	r.as("POST", path, fmt.Sprintf(`{"secret": %q, "overlap_seconds": 0}`, own)).want(t, 200, own)
	if got := r.secretsOf(h.HookID, db.HookSigningSecret); !slices.Equal(got, []string{own}) {
		t.Errorf("without an overlap, valid are %q", got)
	}
	r.as("POST", path, `{"secret": "x"}`).want(t, 400, "whsec_")
	r.as("POST", path, `{"overlap_seconds": -1}`).want(t, 400, "overlap_seconds")
}

func TestTryHook(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	h := r.webhook(`"enabled": false`)
	a := r.as("POST", "/api/v2/hooks/"+h.HookID+"/try", "").want(t, 200, `"latency_ms":1.5`).want(t, 200, `"decision":{"allowed":false,"reason":"no"}`)
	if len(r.tried.hooks) != 1 || r.tried.hooks[0].HookID != h.HookID || !json.Valid([]byte(a.text)) {
		t.Errorf("tried were %v", r.tried.hooks)
	}
	for _, name := range []string{"fails", "panics"} {
		h = r.webhook(`"name": "` + name + `"`)
		a = r.as("POST", "/api/v2/hooks/"+h.HookID+"/try", "").want(t, 500, "internal_error")
		if strings.Contains(a.text, "hunter2") {
			t.Errorf("a fault's text is told: %s", a.text)
		}
	}
}

// Each change leaves a line in the tenant's log, and so does one that was refused.
func TestChangesAreLogged(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	h := r.webhook("")
	r.as("PATCH", "/api/v2/hooks/"+h.HookID, `{"form_id": "f"}`)
	r.as("PATCH", "/api/v2/hooks/"+h.HookID, `{"color": "red"}`)
	r.call("acme/read:hooks", "DELETE", "/api/v2/hooks/"+h.HookID, "").want(t, 403, "delete:hooks")
	got := one[string](r, `select string_agg(format('%s %s %s %s', type, details ->> 'operation', details ->> 'status_code', details ->> 'actor'), ', ' order by date) from auth.logs where tenant_id = 'acme'`)
	if want := "sapi create-hook 201 tester, fapi update-hook 400 tester, fapi update-hook 400 tester, fapi delete-hook 403 tester"; got != want {
		t.Errorf("logged are %s; want %s", got, want)
	}
	r.as("GET", "/api/v2/logs?q=type:sapi", "").want(t, 200, "Create a hook")
}
