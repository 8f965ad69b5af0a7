package authapi_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/alexedwards/argon2id"
	"github.com/go-chi/chi/v5"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/hooks/hookstest"
	"github.com/latchkey-dev/latchkey/internal/authapi"
	"github.com/latchkey-dev/latchkey/internal/flows"
	"github.com/latchkey-dev/latchkey/internal/inbound"
	"github.com/latchkey-dev/latchkey/internal/oidc"
	"github.com/latchkey-dev/latchkey/internal/seal"
	"github.com/latchkey-dev/latchkey/internal/token"
)

const (
	secret  = "correct horse battery"
	another = "staple correct horse"
)

// rig is the API as a server with all hooks that a flow could run, each of which writes down that it ran, and a listener. The tenant has
// the public client app with the password grant, and the connections db and email.
type rig struct {
	t      *testing.T
	env    *hookstest.Env
	server *httptest.Server
	flows  *flows.Flows
	finder *inbound.Finder
	hooks  *auth.Hooks
	reg    *db.Hooks

	mu    sync.Mutex
	ran   []string
	mails map[string]string // the newest token to an address, by event
}

// newRig opens it; before registers what a test has of its own.
func newRig(t *testing.T, before func(*rig), changes ...func(*authapi.Config)) *rig {
	t.Helper()
	r := &rig{t: t, reg: db.NewHooks(), mails: map[string]string{}}
	r.hooks = auth.NewHooks(r.reg)
	r.register()
	if before != nil {
		before(r)
	}
	keys, err := seal.Parse(seal.New())
	r.ok(err)
	r.hooks.Serve(auth.Services{Opener: keys})
	r.env = hookstest.New(t, r.reg)
	mux := chi.NewRouter()
	r.server = httptest.NewTLSServer(mux)
	t.Cleanup(r.server.Close)
	issuer := r.server.URL + "/"
	tokens, err := token.Open(t.Context(), token.Config{Database: r.env.Pool(), Keys: keys, Issuer: issuer, Alg: token.RS256})
	r.ok(err)
	r.flows, err = flows.New(flows.Config{
		Store: r.env.Store, Hooks: r.hooks, Tokens: tokens, Keys: keys,
		Passwords: &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32},
	})
	r.ok(err)
	r.finder = &inbound.Finder{Store: r.env.Store, Keys: keys, Flows: r.flows, Cookies: inbound.CookiesFor(issuer)}
	config := authapi.Config{Flows: r.flows, Finder: r.finder, RateLimit: -1}
	for _, change := range changes {
		change(&config)
	}
	api, err := authapi.New(config)
	r.ok(err)
	api.Mount(mux)
	provider, err := oidc.New(oidc.Config{Flows: r.flows, Finder: r.finder, Tokens: tokens})
	r.ok(err)
	provider.Mount(mux)
	mux.Get("/.well-known/jwks.json", func(w http.ResponseWriter, req *http.Request) {
		keys, err := tokens.JWKS(req.Context())
		if err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_ = json.NewEncoder(w).Encode(keys)
	})
	r.env.SQL(`insert into auth.clients (tenant_id, client_id, name, token_endpoint_auth_method, grant_types, allowed_logout_urls)
		values ($1, 'app', 'App', 'none', '{password,refresh_token}', '{https://app.example.com/bye}')`, hookstest.Tenant)
	r.env.SQL(`insert into auth.connections (tenant_id, id, name, strategy, enabled_clients) values ($1, 'con_1', 'db', 'auth0', '{app}'), ($1, 'con_2', 'email', 'email', '{app}')`, hookstest.Tenant)
	r.env.SQL(`update auth.tenants set allowed_logout_urls = '{https://www.example.com/}' where id = $1`, hookstest.Tenant)
	r.take()
	return r
}

// register registers a hook on every event, and on every row that a flow could write.
func (r *rig) register() {
	type ctx = context.Context
	onRows(r, r.reg.Tenants, "tenants")
	onRows(r, r.reg.Users, "users")
	onRows(r, r.reg.Clients, "clients")
	onRows(r, r.reg.Connections, "connections")
	onRows(r, r.reg.OrganizationMembers, "organization_members")
	r.hooks.ValidateRegistrationUsername("note", func(ctx, *auth.RegistrationAttempt, auth.ValidateRegistrationAPI) error {
		return r.note("ValidateRegistrationUsername")
	})
	r.hooks.PreUserRegistration("note", func(ctx, hooks.Tx, *auth.PreUserRegistration, auth.PreUserRegistrationAPI) error {
		return r.note("PreUserRegistration")
	})
	r.hooks.PostUserRegistration("note", func(ctx, hooks.Tx, *auth.PostUserRegistration, auth.PostUserRegistrationAPI) error {
		return r.note("~PostUserRegistration")
	})
	r.hooks.PreUserUpdate("note", func(ctx, hooks.Tx, *auth.PreUserUpdate, auth.PreUserUpdateAPI) error { return r.note("PreUserUpdate") })
	r.hooks.PostLogin("note", func(_ ctx, ev *auth.PostLogin, _ auth.PostLoginAPI) error {
		return r.note("PostLogin by " + ev.Transaction.Protocol)
	})
	for _, e := range []auth.Event[auth.SendEmail]{auth.SendVerificationEmail, auth.SendLoginCode, auth.SendPasswordResetEmail} {
		auth.On(r.hooks, e, "mail", func(_ ctx, _ hooks.Tx, _ hooks.Event, m auth.SendEmail) error {
			r.mu.Lock()
			r.mails[string(e)+" "+m.Email] = m.Token
			r.mu.Unlock()
			return r.note("~" + string(e))
		})
	}
	for _, name := range auth.Names() {
		if !strings.HasPrefix(name, "send_") {
			auth.On(r.hooks, auth.Named(name), "note", func(ctx, hooks.Tx, hooks.Event, auth.Occurrence) error { return r.note("~" + name) })
		}
	}
}

// onRows registers hooks on an entity's rows. What runs after the commit begins with ~.
func onRows[Row any](r *rig, e *hooks.Entity[Row], name string) {
	type (
		ctx = context.Context
		tx  = hooks.Tx
	)
	e.BeforeCreate("note", func(ctx, tx, *Row) error { return r.note("before " + name + " insert") })
	e.BeforeUpdate("note", func(ctx, tx, Row, *Row) error { return r.note("before " + name + " update") })
	e.BeforeDelete("note", func(ctx, tx, Row) error { return r.note("before " + name + " delete") })
	e.AfterCreate("note", func(ctx, tx, hooks.Event, Row) error { return r.note("~" + name + " insert") })
	e.AfterUpdate("note", func(ctx, tx, hooks.Event, Row, Row) error { return r.note("~" + name + " update") })
	e.AfterDelete("note", func(ctx, tx, hooks.Event, Row) error { return r.note("~" + name + " delete") })
}

func (r *rig) note(what string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ran = append(r.ran, what)
	return nil
}

// take is the hooks that ran since the last call: those before the commit in their order, then the others, of which those of several rows
// run in no order, by name.
func (r *rig) take() string {
	r.t.Helper()
	r.env.CatchUp()
	r.mu.Lock()
	defer r.mu.Unlock()
	ran := r.ran
	r.ran = nil
	var before, after []string
	for _, what := range ran {
		if name, committed := strings.CutPrefix(what, "~"); committed {
			after = append(after, name)
		} else {
			before = append(before, what)
		}
	}
	slices.Sort(after)
	return strings.Join(before, ", ") + " | " + strings.Join(after, ", ")
}

func (r *rig) wantRan(want string) {
	r.t.Helper()
	if got := r.take(); got != want {
		r.t.Errorf("there ran\n  %s\nwant\n  %s", got, want)
	}
}

// mail is the token of the newest mail to an address.
func (r *rig) mail(event, email string) string {
	r.t.Helper()
	r.env.CatchUp()
	r.mu.Lock()
	defer r.mu.Unlock()
	found := r.mails[event+" "+email]
	if found == "" {
		r.t.Fatalf("no mail of %s went to %s", event, email)
	}
	return found
}

// reply is what the server answered.
type reply struct {
	t      *testing.T
	status int
	header http.Header
	body   string
}

func (r *rig) do(method, path, body string, headers ...string) reply {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.server.URL+path, strings.NewReader(body))
	r.ok(err)
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := *r.server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(req)
	r.ok(err)
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	r.ok(err)
	return reply{r.t, res.StatusCode, res.Header, strings.TrimSpace(string(text))}
}

func (r *rig) post(path, body string, headers ...string) reply {
	r.t.Helper()
	return r.do(http.MethodPost, path, body, headers...)
}

// want checks the status, and that the body has a text.
func (a reply) want(status int, has string) reply {
	a.t.Helper()
	if a.status != status || !strings.Contains(a.body, has) {
		a.t.Errorf("answered %d %s; want %d with %s", a.status, a.body, status, has)
	}
	return a
}

// text is a member of the answer.
func (a reply) text(name string) string {
	a.t.Helper()
	var body map[string]any
	if err := json.Unmarshal([]byte(a.body), &body); err != nil {
		a.t.Fatalf("%s: %v", a.body, err)
	}
	s, _ := body[name].(string)
	return s
}

func (r *rig) ok(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) one(sql string, args ...any) (out string) {
	r.t.Helper()
	r.ok(r.env.Pool().QueryRow(r.t.Context(), sql, args...).Scan(&out))
	return out
}

// ann registers, and nobody hears of it.
func (r *rig) ann() {
	r.t.Helper()
	r.post("/auth/register", `{"email":"ann@example.com","password":"`+secret+`"}`).want(201, "ann@example.com")
	r.take()
}

// logIn is a login of ann's.
func (r *rig) logIn(password string) reply {
	r.t.Helper()
	return r.post("/auth/login", `{"email":"ann@example.com","password":"`+password+`"}`)
}
