package flows_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/hooks/hookstest"
)

// order is which hooks ran, in their order.
type order struct {
	mu  sync.Mutex
	ran []string
}

func (o *order) note(what string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ran = append(o.ran, what)
	return nil
}

func (o *order) take() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	ran := strings.Join(o.ran, ", ")
	o.ran = nil
	return ran
}

// onRows registers hooks on an entity's rows, before and after.
func onRows[Row any](o *order, e *hooks.Entity[Row], name string) {
	type (
		ctx = context.Context
		tx  = hooks.Tx
	)
	e.BeforeCreate("order", func(ctx, tx, *Row) error { return o.note("before " + name + " insert") })
	e.BeforeUpdate("order", func(ctx, tx, Row, *Row) error { return o.note("before " + name + " update") })
	e.BeforeDelete("order", func(ctx, tx, Row) error { return o.note("before " + name + " delete") })
	e.AfterCreate("order", func(ctx, tx, hooks.Event, Row) error { return o.note("after " + name + " insert") })
	e.AfterUpdate("order", func(ctx, tx, hooks.Event, Row, Row) error { return o.note("after " + name + " update") })
	e.AfterDelete("order", func(ctx, tx, hooks.Event, Row) error { return o.note("after " + name + " delete") })
}

// onEverything registers a hook of each kind that a login could run.
func (o *order) onEverything(h *auth.Hooks, reg *db.Hooks) {
	type ctx = context.Context
	onRows(o, reg.Tenants, "tenants")
	onRows(o, reg.Users, "users")
	onRows(o, reg.Clients, "clients")
	onRows(o, reg.Connections, "connections")
	onRows(o, reg.OrganizationMembers, "organization_members")
	onRows(o, reg.AuthEvents, "auth_events")
	h.ValidateRegistrationUsername("order", func(ctx, *auth.RegistrationAttempt, auth.ValidateRegistrationAPI) error {
		return o.note("ValidateRegistrationUsername")
	})
	h.PreUserRegistration("order", func(ctx, hooks.Tx, *auth.PreUserRegistration, auth.PreUserRegistrationAPI) error {
		return o.note("PreUserRegistration")
	})
	h.PreUserUpdate("order", func(ctx, hooks.Tx, *auth.PreUserUpdate, auth.PreUserUpdateAPI) error { return o.note("PreUserUpdate") })
	h.PostLogin("order", func(_ ctx, ev *auth.PostLogin, api auth.PostLoginAPI) error {
		switch {
		case ev.Transaction.Protocol != "oidc-basic-profile":
		case ev.Transaction.LoginHint == "elsewhere":
			api.Redirect.SendUserTo("https://terms.example.com/", nil)
		case ev.Transaction.LoginHint == "metadata":
			api.User.SetUserMetadata("seen", true)
		case ev.Transaction.LoginHint == "denied":
			api.Access.Deny("No")
		}
		return o.note("PostLogin")
	})
	h.OnContinuePostLogin("order", func(ctx, *auth.PostLogin, auth.PostLoginAPI) error { return o.note("OnContinuePostLogin") })
	h.CredentialsExchange("order", func(_ ctx, ev *auth.CredentialsExchange, api auth.CredentialsExchangeAPI) error {
		api.AccessToken.SetCustomClaim("x-scopes", strings.Join(ev.Scopes, "+"))
		if ev.Client.Name == "Denied" {
			api.Access.Deny("No")
		}
		return o.note("CredentialsExchange")
	})
	onEvent(o, h, auth.AfterRegister)
	onEvent(o, h, auth.AfterEmailVerify)
	onEvent(o, h, auth.AfterLogin)
	onEvent(o, h, auth.AfterLogout)
	onEvent(o, h, auth.AfterOAuthLogin)
	onEvent(o, h, auth.AfterOAuthRegister)
	onEvent(o, h, auth.AfterPasswordChange)
	onEvent(o, h, auth.AfterPasswordReset)
}

func onEvent[T auth.Payload](o *order, h *auth.Hooks, e auth.Event[T]) {
	auth.On(h, e, "order", func(context.Context, hooks.Tx, hooks.Event, T) error { return o.note(string(e)) })
}

// Each flow runs the hooks that it says, in their order, and no other.
func TestHooksInTheirOrder(t *testing.T) {
	t.Parallel()
	reg, o := db.NewHooks(), &order{}
	authHooks := auth.NewHooks(reg)
	o.onEverything(authHooks, reg)
	env := hookstest.New(t, reg)
	l := &logins{t: t, store: env.Store, sql: env.Pool(), wire: &roundTrips{}, moved: &later{}}
	l.browser.Binding = "browser"
	l.open(authHooks, env.Store, hookstest.Tenant)
	l.exec(`insert into auth.client_grants (tenant_id, client_id, audience, scope) values ($1, 'app', $2, '{read:orders}')`, hookstest.Tenant, orders)
	env.CatchUp()
	o.take()
	sink := env.Webhook("post-user-login")
	hint := func(name string) func(*request) { return func(r *request) { r.LoginHint = name } }
	ran := func(flow, want string) {
		t.Helper()
		env.CatchUp()
		if got := o.take(); got != want {
			t.Errorf("%s ran\n  %s\nwant\n  %s", flow, got, want)
		}
	}
	const done = "before auth_events insert, after auth_events insert, after_login"

	code := l.logIn()
	ran("login", "PostLogin, "+done)
	env.RequireWebhook(sink, "post-user-login")
	tokens := l.redeem(code)
	ran("redeem", "")
	_, err := l.Refresh(t.Context(), l.caller, tokens.RefreshToken, nil)
	l.ok(err)
	ran("refresh", "PostLogin")
	_, err = l.Resume(t.Context(), l.caller, l.begin(func(r *request) { r.Prompt = []string{"none"} }))
	l.ok(err)
	ran("silent login", "PostLogin")
	_, err = l.Resume(t.Context(), l.caller, l.begin())
	l.ok(err)
	ran("single sign-on", "PostLogin, "+done)
	l.logIn(hint("metadata"))
	ran("login with metadata", "PostLogin, before users update, PreUserUpdate, before auth_events insert, after users update, after auth_events insert, after_login")
	_, err = l.Authenticated(t.Context(), l.caller, l.begin(hint("denied")), l.who())
	l.refused(err, "access_denied")
	ran("denied login", "PostLogin")

	login := l.begin(hint("elsewhere"))
	_, err = l.Authenticated(t.Context(), l.caller, login, l.who())
	l.ok(err)
	ran("suspended login", "PostLogin")
	step, err := l.Continue(t.Context(), l.caller, l.find(login.State))
	l.ok(err)
	l.browser.Session = step.SessionToken
	ran("login that goes on", "OnContinuePostLogin, "+done)

	_, err = l.Direct(t.Context(), l.caller, l.who(), orders, nil)
	l.ok(err)
	ran("direct login", "PostLogin, "+done)
	s, err := l.Session(t.Context(), hookstest.Tenant, l.browser.Session)
	l.ok(err)
	l.ok(l.Logout(t.Context(), l.caller, s))
	ran("logout", "before auth_events insert, after auth_events insert, after_logout")

	l.exec(`update auth.clients set token_endpoint_auth_method = 'client_secret_post'`)
	l.reread()
	ran("an update by SQL", "after clients update")
	_, err = l.ClientCredentials(t.Context(), l.caller, orders, nil)
	l.ok(err)
	ran("client credentials", "CredentialsExchange")
}
