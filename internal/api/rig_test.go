package api_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/api"
	"github.com/latchkey-dev/latchkey/internal/pgtest"
	"github.com/latchkey-dev/latchkey/internal/seal"
	"github.com/latchkey-dev/latchkey/internal/token"
)

// rig is the API on a database of its own with the tenants acme and globex, and a client that checks every answer against
// the API's own description.
type rig struct {
	t      *testing.T
	store  *db.Store
	pool   *pgxpool.Pool
	api    *api.API
	server *httptest.Server
	doc    *document
	url    string
	tokens *token.Issuer
	keys   *seal.Keys
	clock  clock
	tried  trier
}

func newRig(t *testing.T) *rig {
	t.Helper()
	return newRigOn(t, nil)
}

// newRigOn is a rig whose store has before-hooks, and whose configuration is another.
func newRigOn(t *testing.T, reg *db.Hooks, changes ...func(*api.Config)) *rig {
	t.Helper()
	return newRigAsking(t, reg, nil, changes...)
}

// newRigAsking is a rig whose store asks, too.
func newRigAsking(t *testing.T, reg *db.Hooks, asker db.Asker, changes ...func(*api.Config)) *rig {
	t.Helper()
	d := pgtest.New(t)
	r := &rig{t: t, pool: d.Pool(t), url: d.URL}
	var err error
	r.store, err = db.Open(t.Context(), db.Config{DatabaseURL: d.URL, Hooks: reg, Asker: asker})
	r.ok(err)
	t.Cleanup(r.store.Close)
	r.exec(`insert into auth.tenants (id) values ('acme'), ('globex')`)
	config := r.config()
	for _, change := range changes {
		change(&config)
	}
	r.api, err = api.New(config)
	r.ok(err)
	r.server = httptest.NewServer(r.api)
	t.Cleanup(func() {
		r.api.Close()
		r.server.Close()
	})
	r.doc = readDocument(t, r.server.URL)
	return r
}

func (r *rig) ok(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) exec(sql string, args ...any) {
	r.t.Helper()
	_, err := r.pool.Exec(r.t.Context(), sql, args...)
	r.ok(err)
}

// one reads one value.
func one[T any](r *rig, sql string, args ...any) (v T) {
	r.t.Helper()
	r.ok(r.pool.QueryRow(r.t.Context(), sql, args...).Scan(&v))
	return v
}

// token mints one: "acme/read:logs+read:hooks", or "-/..." for a control-plane token. Other texts are tokens as they are.
func (r *rig) token(text string) string {
	r.t.Helper()
	tenant, scopes, ok := strings.Cut(text, "/")
	if !ok {
		return text
	}
	c := token.Claims{Subject: "tester", Audience: []string{audience}, TenantID: strings.Trim(tenant, "-"), Expires: r.clock.now().Add(time.Minute)}
	c.Scope = strings.ReplaceAll(scopes, "+", " ")
	if strings.HasPrefix(scopes, "permissions:") {
		c.Scope, c.Permissions = "", strings.Split(strings.TrimPrefix(scopes, "permissions:"), "+")
	}
	raw, err := r.tokens.Mint(r.t.Context(), c)
	r.ok(err)
	return raw
}

// everything is every scope that there is.
func (r *rig) everything() string {
	var all []string
	for _, item := range r.doc.Paths {
		for _, op := range item {
			for _, needs := range op.Security {
				all = append(all, needs["bearer"]...)
			}
		}
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), "+")
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	text   string
}

// into reads the body as JSON.
func into[T any](r *rig, a answer) (v T) {
	r.t.Helper()
	if err := json.Unmarshal([]byte(a.text), &v); err != nil {
		r.t.Fatalf("%s: %v", a.text, err)
	}
	return v
}

// call makes a request with a token, and checks what comes back against the description.
func (r *rig) call(token, method, path, body string, header ...string) answer {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.server.URL+path, strings.NewReader(body))
	r.ok(err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token(token))
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := r.server.Client().Do(req)
	r.ok(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	r.ok(err)
	a := answer{resp.StatusCode, resp.Header, string(bytes.TrimSpace(text))}
	if complaint := r.doc.check(method, req.URL.Path, a); complaint != "" {
		r.t.Errorf("%s %s answered %d %s, which is not as described: %s", method, path, a.status, a.text, complaint)
	}
	return a
}

// get reads a page that needs no token and is no operation.
func (r *rig) get(path string) answer {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.server.URL+path, nil)
	r.ok(err)
	resp, err := r.server.Client().Do(req)
	r.ok(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	r.ok(err)
	return answer{resp.StatusCode, resp.Header, string(text)}
}

// as calls as acme with every scope.
func (r *rig) as(method, path, body string) answer {
	r.t.Helper()
	return r.call("acme/"+r.everything(), method, path, body)
}

// want fails the test for another status, or a message without the text.
func (a answer) want(t *testing.T, status int, message string) answer {
	t.Helper()
	if a.status != status || !strings.Contains(a.text, message) {
		t.Errorf("answered %d %s; want %d with %q", a.status, a.text, status, message)
	}
	return a
}
