package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/latchkey-dev/latchkey/internal/api"
	"github.com/latchkey-dev/latchkey/internal/token"
)

// Every route is described, and everything described has a route and a scope.
func TestRoutesAreDescribed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	seen := 0
	err := chi.Walk(r.api, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if route == "/docs" || route == "/openapi.json" {
			return nil
		}
		seen++
		op := r.doc.Paths[route][strings.ToLower(method)]
		if op == nil {
			t.Errorf("%s %s is a route that /openapi.json doesn't describe", method, route)
		} else if route != "/oauth/token" && (len(op.Security) == 0 || len(op.Security[0]["bearer"]) == 0) {
			t.Errorf("%s %s needs no scope", method, route)
		}
		return nil
	})
	r.ok(err)
	described := 0
	for _, item := range r.doc.Paths {
		described += len(item)
	}
	if seen != described || seen == 0 {
		t.Errorf("%d routes, and %d are described", seen, described)
	}
	if all := strings.Join(api.Scopes(), "+"); all != r.everything() {
		t.Errorf("the scopes are said to be %s, and are %s", all, r.everything())
	}
	if r.doc.OpenAPI != "3.1.0" {
		t.Errorf("it is OpenAPI %s", r.doc.OpenAPI)
	}
	if r.doc.Parts.Schemas["ErrorModel"] != nil {
		t.Error("the framework's error is described, and never sent")
	}
}

func TestWhatHasNoRoute(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.as("GET", "/api/v2/hoks", "").want(t, 404, "/docs says what there is")
	a := r.as("PUT", "/api/v2/logs", "{}").want(t, 405, "takes GET, not PUT")
	if a.header.Get("Allow") != "GET" {
		t.Errorf("Allow is %q", a.header.Get("Allow"))
	}
	r.as("GET", "/api/v2/logs?pages=1&size=2", "").want(t, 400, "pages: there is no such query parameter; size: there is no such query parameter.")
	r.as("GET", "/api/v2/logs?page=x&per_page=101", "").want(t, 400, "page (query): ").want(t, 400, "per_page (query): has to be number <= 100")
}

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for given, kept := range map[string]bool{"req-1": true, strings.Repeat("x", 129): false, "a b": false, "": false} {
		a := r.call("acme/read:logs", "GET", "/api/v2/logs", "", "X-Request-Id", given)
		if got := a.header.Get("X-Request-Id"); (got == given) != kept || got == "" {
			t.Errorf("X-Request-Id %q came back as %q", given, got)
		}
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(`insert into auth.logs (tenant_id, log_id, type) values ('acme', 'log_a', 's'), ('globex', 'log_g', 's')`)
	r.clock.back = time.Hour
	expired := r.token("acme/read:logs")
	r.clock.back = 0
	foreign, err := r.tokens.Mint(t.Context(), token.Claims{
		Subject: "tester", Audience: []string{"https://elsewhere"}, TenantID: "acme", Scope: "read:logs", Expires: time.Now().Add(time.Minute),
	})
	r.ok(err)
	for _, test := range []struct {
		name, token, header string
		status              int
		code, challenge     string
	}{
		{"no token", "", "", 401, "no_token", "Bearer"},
		{"no token at all", "x", "", 401, "invalid_token", `Bearer error="invalid_token"`},
		{"an expired one", expired, "", 401, "invalid_token", `Bearer error="invalid_token"`},
		{"one for another audience", foreign, "", 401, "invalid_token", `Bearer error="invalid_token"`},
		{"with it in permissions", "acme/permissions:read:logs", "", 200, "log_a", ""},
		{"without the scope", "acme/read:hooks", "", 403, "insufficient_scope", `Bearer error="insufficient_scope", scope="read:logs"`},
		{"with it", "acme/read:logs", "", 200, "log_a", ""},
		{"another tenant's", "globex/read:logs", "", 200, "log_g", ""},
		{"of no tenant", "-/read:logs", "", 400, "tenant-id", ""},
		{"of no tenant, without the scope", "-/read:hooks", "initech", 403, "insufficient_scope", `Bearer error="insufficient_scope", scope="read:logs"`},
		{"of no tenant, naming one", "-/read:logs", "globex", 200, "log_g", ""},
		{"of no tenant, naming none that there is", "-/read:logs", "initech", 404, "There is no tenant", ""},
		{"of a tenant, naming another", "acme/read:logs", "globex", 403, "wrong_tenant", ""},
	} {
		a := r.call(test.token, "GET", "/api/v2/logs", "", "tenant-id", test.header)
		if a.status != test.status || !strings.Contains(a.text, test.code) || a.header.Get("WWW-Authenticate") != test.challenge {
			t.Errorf("%s: answered %d %q %s; want %d with %s", test.name, a.status, a.header.Get("WWW-Authenticate"), a.text, test.status, test.code)
		}
	}
	r.call("acme/read:logs", "GET", "/api/v2/logs/log_g", "").want(t, 404, "not_found")
}
