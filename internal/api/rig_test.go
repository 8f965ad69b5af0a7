package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/api"
	"github.com/latchkey-dev/latchkey/internal/pgtest"
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
}

func newRig(t *testing.T) *rig {
	t.Helper()
	d := pgtest.New(t)
	r := &rig{t: t, pool: d.Pool(t), url: d.URL}
	var err error
	r.store, err = db.Open(t.Context(), db.Config{DatabaseURL: d.URL})
	r.ok(err)
	t.Cleanup(r.store.Close)
	r.exec(`insert into auth.tenants (id) values ('acme'), ('globex')`)
	r.api, err = api.New(r.config())
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

// tokens are made of what they say: "acme read:logs", or "- read:logs" for a control-plane token. Others are refused.
type tokens struct{}

func (tokens) Verify(_ context.Context, token string) (api.Claims, error) {
	tenant, scopes, ok := strings.Cut(token, "/")
	if !ok {
		return api.Claims{}, errors.New("the token is expired, or foreign")
	}
	return api.Claims{Subject: "tester", TenantID: strings.Trim(tenant, "-"), Scopes: strings.Split(scopes, "+")}, nil
}

const everything = "read:hooks+create:hooks+update:hooks+delete:hooks+read:events+read:logs"

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
		req.Header.Set("Authorization", "Bearer "+token)
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

// as calls as acme with every scope.
func (r *rig) as(method, path, body string) answer {
	r.t.Helper()
	return r.call("acme/"+everything, method, path, body)
}

// want fails the test for another status, or a message without the text.
func (a answer) want(t *testing.T, status int, message string) answer {
	t.Helper()
	if a.status != status || !strings.Contains(a.text, message) {
		t.Errorf("answered %d %s; want %d with %q", a.status, a.text, status, message)
	}
	return a
}
