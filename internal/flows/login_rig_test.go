package flows_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/flows"
	"github.com/latchkey-dev/latchkey/internal/pgtest"
	"github.com/latchkey-dev/latchkey/internal/seal"
	"github.com/latchkey-dev/latchkey/internal/token"
)

const (
	issuer   = "https://id.example.com/"
	callback = "https://app.example.com/callback"
	orders   = "https://orders.example.com/"
)

// logins is the flows on a database of its own, with the tenant acme, its connection db, the user ann, a resource server and a client.
type logins struct {
	*flows.Flows
	t       *testing.T
	store   *db.Store
	sql     *pgxpool.Pool
	wire    *roundTrips
	caller  flows.Caller
	ann     db.User
	db      db.Connection
	browser flows.Browser
	moved   *later
}

// later is a clock that the test moves.
type later struct {
	mu sync.Mutex
	by time.Duration
}

func (l *later) now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().Add(l.by)
}

func (l *later) move(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.by += d
}

// newLogins opens the flows with the hooks that register registers.
func newLogins(t *testing.T, register func(*auth.Hooks, *db.Hooks)) *logins {
	t.Helper()
	d, reg := pgtest.New(t), db.NewHooks()
	l := &logins{t: t, sql: d.Pool(t), wire: &roundTrips{}, moved: &later{}, browser: flows.Browser{Binding: rand.Text()}}
	authHooks := auth.NewHooks(reg)
	if register != nil {
		register(authHooks, reg)
	}
	var err error
	l.store, err = db.Open(t.Context(), db.Config{DatabaseURL: d.URL, Hooks: reg, Tracer: l.wire})
	l.ok(err)
	t.Cleanup(l.store.Close)
	l.open(authHooks, l.store, "acme")
	return l
}

// open makes the flows, and who is to use them.
func (l *logins) open(authHooks *auth.Hooks, store *db.Store, tenant string) {
	l.t.Helper()
	ctx := l.t.Context()
	keys, err := seal.Parse(seal.New())
	l.ok(err)
	tokens, err := token.Open(ctx, token.Config{Database: l.sql, Keys: keys, Issuer: issuer, Alg: token.EdDSA, Now: l.moved.now})
	l.ok(err)
	l.Flows, err = flows.New(flows.Config{Store: store, Hooks: authHooks, Tokens: tokens, Keys: keys, Now: l.moved.now})
	l.ok(err)
	l.exec(`insert into auth.tenants (id) values ($1) on conflict do nothing`, tenant)
	l.caller.Tenant, err = store.Tenants.Get(ctx, tenant)
	l.ok(err)
	l.caller.Request = auth.Request{ID: "req_1", IP: "203.0.113.7", UserAgent: "Browser/1"}
	l.exec(`insert into auth.clients (tenant_id, client_id, name, app_type, callbacks, token_endpoint_auth_method) values ($1, 'app', 'App', 'spa', $2, 'none')`, tenant, []string{callback})
	l.exec(`insert into auth.connections (tenant_id, id, name, strategy, enabled_clients) values ($1, 'con_1', 'db', 'auth0', '{app}')`, tenant)
	l.exec(`insert into auth.users (tenant_id, user_id, connection, email, email_verified, name) values ($1, 'auth0|ann', 'db', 'ann@example.com', true, 'Ann')`, tenant)
	l.exec(`insert into auth.resource_servers (tenant_id, identifier, scopes, allow_offline_access, token_lifetime, token_lifetime_for_web)
		values ($1, $2, '[{"value": "read:orders"}, {"value": "write:orders"}]', true, 3600, 600)`, tenant, orders)
	l.reread()
}

// reread reads again what the test changed by SQL.
func (l *logins) reread() {
	l.t.Helper()
	ctx, tenant := l.t.Context(), l.caller.Tenant.ID
	var err error
	l.caller.Tenant, err = l.store.Tenants.Get(ctx, tenant)
	l.ok(err)
	client, err := l.store.Clients.Get(ctx, tenant, "app")
	l.ok(err)
	l.caller.Client = &client
	l.ann, err = l.store.Users.Get(ctx, tenant, "auth0|ann")
	l.ok(err)
	l.db, err = l.store.Connections.Get(ctx, tenant, "con_1")
	l.ok(err)
}

func (l *logins) ok(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *logins) exec(sql string, args ...any) {
	l.t.Helper()
	_, err := l.sql.Exec(l.t.Context(), sql, args...)
	l.ok(err)
}

func (l *logins) text(sql string, args ...any) (out string) {
	l.t.Helper()
	l.ok(l.sql.QueryRow(l.t.Context(), sql, args...).Scan(&out))
	return out
}

func (l *logins) wantText(want, sql string, args ...any) {
	l.t.Helper()
	if got := l.text(sql, args...); got != want {
		l.t.Errorf("%s: %q; want %q", sql, got, want)
	}
}

// lines are the types of the log's lines, in no order of time that counts.
func (l *logins) lines() string {
	l.t.Helper()
	return l.text(`select coalesce(string_agg(type, ' ' order by type), '') from auth.logs`)
}

// refused checks the code of an error.
func (l *logins) refused(err error, code string) {
	l.t.Helper()
	var no *flows.Refused
	if !errors.As(err, &no) || no.Code != code {
		l.t.Fatalf("error %v; want %s", err, code)
	}
}

// who is ann, who gave a password.
func (l *logins) who() flows.Authenticated {
	at := l.moved.now().UTC().Truncate(time.Microsecond)
	return flows.Authenticated{User: l.ann, Identity: l.ann, Connection: l.db, Methods: []auth.AuthenticationMethod{{Name: "pwd", Timestamp: at}}}
}

// verifier is what PKCE's challenge is made of.
func verifier() string { return strings.Repeat("v", 43) }

func (l *logins) request(changes ...func(*flows.AuthorizationRequest)) flows.AuthorizationRequest {
	sum := sha256.Sum256([]byte(verifier()))
	req := flows.AuthorizationRequest{
		ClientID: "app", RedirectURI: callback, ResponseType: "code", Scope: []string{"openid", "profile", "email", "offline_access", "read:orders"},
		Audience: orders, State: "theirs", Nonce: "n-1", CodeChallenge: base64.RawURLEncoding.EncodeToString(sum[:]), CodeChallengeMethod: "S256",
	}
	for _, change := range changes {
		change(&req)
	}
	return req
}

func (l *logins) begin(changes ...func(*flows.AuthorizationRequest)) *flows.Login {
	l.t.Helper()
	login, err := l.Begin(l.t.Context(), l.caller, l.request(changes...), l.browser)
	l.ok(err)
	return login
}

// find reads a login as the next request does.
func (l *logins) find(state string) *flows.Login {
	l.t.Helper()
	login, err := l.FindLogin(l.t.Context(), l.caller.Tenant.ID, state, l.browser)
	l.ok(err)
	return login
}

// logIn is a login of ann's to its code, whose session the browser has then.
func (l *logins) logIn(changes ...func(*flows.AuthorizationRequest)) string {
	l.t.Helper()
	step, err := l.Authenticated(l.t.Context(), l.caller, l.begin(changes...), l.who())
	l.ok(err)
	if step.Code == "" || step.SessionToken == "" {
		l.t.Fatalf("the login has no code, or no session: %+v", step.Login.Step)
	}
	l.browser.Session = step.SessionToken
	return step.Code
}

func (l *logins) redeem(code string) flows.Tokens {
	l.t.Helper()
	tokens, err := l.Redeem(l.t.Context(), l.caller, code, callback, verifier())
	l.ok(err)
	return tokens
}

// active reports whether a token is, by introspection.
func (l *logins) active(raw string) bool {
	l.t.Helper()
	i, err := l.Inspect(l.t.Context(), l.caller.Tenant.ID, raw)
	l.ok(err)
	return i.Active
}

// claimsOf reads a token without checking it.
func (l *logins) claims(raw string) map[string]any {
	l.t.Helper()
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		l.t.Fatalf("%d parts are no JWT", len(parts))
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	l.ok(err)
	claims := map[string]any{}
	l.ok(json.Unmarshal(text, &claims))
	return claims
}

func (l *logins) wantClaims(raw string, want map[string]any) {
	l.t.Helper()
	got := l.claims(raw)
	for name, value := range want {
		if fmt.Sprint(got[name]) != fmt.Sprint(value) {
			l.t.Errorf("claim %s is %v; want %v", name, got[name], value)
		}
	}
}

// roundTrips notes what goes to the database: a batch is one, so is a query outside of batches.
type roundTrips struct {
	mu   sync.Mutex
	sent []string
}

func (w *roundTrips) note(s string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, s)
}

func (w *roundTrips) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	sent := w.sent
	w.sent = nil
	return sent
}

func (w *roundTrips) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	w.note(d.SQL)
	return ctx
}

func (w *roundTrips) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (w *roundTrips) TraceBatchStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceBatchStartData) context.Context {
	var all []string
	for _, q := range d.Batch.QueuedQueries {
		all = append(all, q.SQL)
	}
	w.note(strings.Join(all, " | "))
	return ctx
}

func (w *roundTrips) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (w *roundTrips) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}
