package flows_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/alexedwards/argon2id"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/hooks/hookstest"
	"github.com/latchkey-dev/latchkey/internal/flows"
	"github.com/latchkey-dev/latchkey/internal/seal"
	"github.com/latchkey-dev/latchkey/internal/token"
)

const (
	secret  = "correct horse battery"
	another = "staple correct horse"
)

// accounts is the flows with all of a server's hooks, each of which writes down that it ran, and a listener.
type accounts struct {
	*flows.Flows
	t      *testing.T
	env    *hookstest.Env
	caller flows.Caller
	reg    *db.Hooks
	hooks  *auth.Hooks
	config flows.Config

	mu    sync.Mutex
	ran   []string
	mails map[string]string // the newest token to an address, by event
}

// newAccounts opens them; before opens what a test registers of its own.
func newAccounts(t *testing.T, before func(*accounts)) *accounts {
	t.Helper()
	a := &accounts{t: t, reg: db.NewHooks(), mails: map[string]string{}}
	a.hooks = auth.NewHooks(a.reg)
	a.register()
	if before != nil {
		before(a)
	}
	keys, err := seal.Parse(seal.New())
	a.ok(err)
	a.hooks.Serve(auth.Services{Opener: keys})
	a.env = hookstest.New(t, a.reg)
	tokens, err := token.Open(t.Context(), token.Config{Database: a.env.Pool(), Keys: keys, Issuer: issuer, Alg: token.EdDSA})
	a.ok(err)
	a.config = flows.Config{Store: a.env.Store, Hooks: a.hooks, Tokens: tokens, Keys: keys, Passwords: params(64, 1)}
	a.Flows, err = flows.New(a.config)
	a.ok(err)
	client, err := a.env.Store.Clients.Create(t.Context(), hookstest.Tenant, db.CreateClient{ClientID: "app", Name: "App"})
	a.ok(err)
	for strategy, name := range map[string]string{"auth0": "db", "email": "mail"} {
		_, err := a.env.Store.Connections.Create(t.Context(), hookstest.Tenant, db.CreateConnection{ID: name, Name: name, Strategy: strategy, EnabledClients: []string{"app"}})
		a.ok(err)
	}
	tenant, err := a.env.Store.Tenants.Get(t.Context(), hookstest.Tenant)
	a.ok(err)
	a.caller = flows.Caller{Tenant: tenant, Client: &client, Request: auth.Request{ID: "req_1", IP: "203.0.113.7", UserAgent: "Browser/1", Hostname: "id.example.com"}}
	return a
}

func params(memory, iterations uint32) *argon2id.Params {
	return &argon2id.Params{Memory: memory, Iterations: iterations, Parallelism: 1, SaltLength: 16, KeyLength: 32}
}

func (a *accounts) register() {
	a.hooks.ValidateRegistrationUsername("note", func(_ context.Context, ev *auth.RegistrationAttempt, _ auth.ValidateRegistrationAPI) error {
		return a.note("validate " + ev.User.Email)
	})
	a.hooks.PreUserRegistration("note", func(_ context.Context, _ hooks.Tx, ev *auth.PreUserRegistration, _ auth.PreUserRegistrationAPI) error {
		return a.note("pre-registration by " + ev.ClientID + " from " + ev.Request.IP)
	})
	a.hooks.PreUserUpdate("note", func(_ context.Context, _ hooks.Tx, ev *auth.PreUserUpdate, _ auth.PreUserUpdateAPI) error {
		return a.note("pre-update of " + strings.Join(ev.Updates.Fields(), ","))
	})
	a.hooks.PostUserRegistration("note", func(context.Context, hooks.Tx, *auth.PostUserRegistration, auth.PostUserRegistrationAPI) error {
		return a.note("post-registration")
	})
	for _, e := range []auth.Event[auth.SendEmail]{auth.SendVerificationEmail, auth.SendLoginCode, auth.SendPasswordResetEmail} {
		auth.On(a.hooks, e, "mail", func(_ context.Context, _ hooks.Tx, _ hooks.Event, m auth.SendEmail) error {
			a.mu.Lock()
			a.mails[string(e)+" "+m.Email] = m.Token
			a.mu.Unlock()
			return a.note(string(e))
		})
	}
	for _, name := range auth.Names() {
		if !strings.HasPrefix(name, "send_") {
			auth.On(a.hooks, auth.Named(name), "note", func(context.Context, hooks.Tx, hooks.Event, auth.Occurrence) error { return a.note(name) })
		}
	}
}

func (a *accounts) note(what string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ran = append(a.ran, what)
	return nil
}

// wantRan compares the hooks that ran since the last call, and that no other did: those before the commit in their order, then the others
// in none.
func (a *accounts) wantRan(before []string, after ...string) {
	a.t.Helper()
	a.env.CatchUp()
	a.mu.Lock()
	defer a.mu.Unlock()
	n := min(len(before), len(a.ran))
	slices.Sort(a.ran[n:])
	slices.Sort(after)
	if !slices.Equal(a.ran[:n], before) || !slices.Equal(a.ran[n:], after) {
		a.t.Errorf("there ran %q; want %q, then %q", a.ran, before, after)
	}
	a.ran = nil
}

// mail is the token of the newest mail to an address.
func (a *accounts) mail(event, email string) string {
	a.t.Helper()
	a.env.CatchUp()
	a.mu.Lock()
	defer a.mu.Unlock()
	found := a.mails[event+" "+email]
	if found == "" {
		a.t.Fatalf("no mail of %s went to %s", event, email)
	}
	return found
}

// signup makes a user by all that a signup is.
func (a *accounts) signup(email string) db.User {
	a.t.Helper()
	u, err := a.Signup(a.t.Context(), a.caller, flows.Signup{Connection: "db", Email: email, Password: secret})
	a.ok(err)
	return u
}

func (a *accounts) check(identifier, password string) (flows.Authenticated, error) {
	return a.CheckPassword(a.t.Context(), a.caller, "db", identifier, password)
}

func (a *accounts) options(connection, options string) {
	a.t.Helper()
	a.env.SQL(`update auth.connections set options = $1 where id = $2`, options, connection)
}

func (a *accounts) ok(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

func (a *accounts) wantRefused(err error, code string) {
	a.t.Helper()
	var refused *flows.Refused
	if !errors.As(err, &refused) || refused.Code != code {
		a.t.Errorf("got %v; want it refused with %s", err, code)
	}
}

func (a *accounts) text(sql string, args ...any) (out string) {
	a.t.Helper()
	a.ok(a.env.Pool().QueryRow(a.t.Context(), sql, args...).Scan(&out))
	return out
}

// wantLines compares the types of all lines, in the order of their types.
func (a *accounts) wantLines(want string) {
	a.t.Helper()
	if got := a.text(`select coalesce(string_agg(type, ' ' order by type), '') from auth.logs`); got != want {
		a.t.Errorf("the log has %q; want %q", got, want)
	}
}
