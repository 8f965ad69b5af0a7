package auth_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// login is one that hooks are asked about.
func login() *auth.PostLogin {
	email := "ann@x.com"
	return &auth.PostLogin{
		Tenant:         auth.Tenant{ID: tenant},
		User:           db.User{TenantID: tenant, UserID: "ann", Email: &email, UserMetadata: json.RawMessage(`{"color": "blue"}`), AppMetadata: json.RawMessage(`{}`)},
		Transaction:    auth.Transaction{State: "st&1", RequestedScopes: []string{"openid"}},
		Authentication: auth.Authentication{Methods: []auth.AuthenticationMethod{{Name: "pwd"}}},
		Authorization:  auth.Authorization{Roles: []string{"admin"}},
	}
}

type postLogin = func(context.Context, *auth.PostLogin, auth.PostLoginAPI) error

// flows is a catalogue's hooks; what was registered wrongly fails the test.
func flowsOf(t *testing.T, register func(*auth.Hooks)) *auth.Hooks {
	t.Helper()
	reg := db.NewHooks()
	register(auth.NewHooks(reg))
	if err := reg.Err(); err != nil {
		t.Fatal(err)
	}
	return auth.NewHooks(reg)
}

// then wraps what says nothing wrong.
func then(fn func(*auth.PostLogin, auth.PostLoginAPI)) postLogin {
	return func(_ context.Context, ev *auth.PostLogin, api auth.PostLoginAPI) error {
		fn(ev, api)
		return nil
	}
}

func requireJSON(t *testing.T, got auth.LoginOutcome, want string) {
	t.Helper()
	text, err := json.Marshal(got)
	if err != nil || string(text) != want {
		t.Errorf("the outcome is\n%s, %v\nwant\n%s", text, err, want)
	}
}

func requireRejected(t *testing.T, err error, hook, code, reason string) {
	t.Helper()
	var no *hooks.Rejection
	if !errors.As(err, &no) || no.Hook != hook || no.Code != code || no.Reason != reason {
		t.Errorf("%v, want %s by %s: %s", err, code, hook, reason)
	}
}

func requireFault(t *testing.T, err error, hook, says string) {
	t.Helper()
	var fault *hooks.Fault
	if !errors.As(err, &fault) || fault.Hook != hook || !strings.Contains(err.Error(), says) {
		t.Errorf("%v, want a fault of %s that says %s", err, hook, says)
	}
}

// Without a hook a login is what it was.
func TestNoHooks(t *testing.T) {
	t.Parallel()
	h := flowsOf(t, func(*auth.Hooks) {})
	out, err := h.RunPostLogin(t.Context(), login())
	if err != nil || h.HasPostLogin() || h.HasCredentialsExchange() || h.HasValidateRegistrationUsername() {
		t.Errorf("%+v, %v", out, err)
	}
	requireJSON(t, out, `{}`)
	if in, some := out.Metadata(); some || in.Fields() != nil {
		t.Errorf("an update: %+v", in)
	}
	exchange, err := h.RunCredentialsExchange(t.Context(), &auth.CredentialsExchange{})
	if err != nil || exchange.AccessToken != nil || h.RunValidateRegistrationUsername(t.Context(), &auth.RegistrationAttempt{}) != nil {
		t.Errorf("%+v, %v", exchange, err)
	}
}

// Hooks run in the order of their registration, each sees the metadata that the ones before it set, and all that they said
// comes out. What one does to its event is nothing to the next.
func TestPostLogin(t *testing.T) {
	t.Parallel()
	var seen []string
	h := flowsOf(t, func(h *auth.Hooks) {
		h.PostLogin("b", then(func(ev *auth.PostLogin, api auth.PostLoginAPI) {
			api.User.SetUserMetadata("last", 1)
			api.User.SetUserMetadata("color", nil)
			api.User.SetAppMetadata("plan", "gold")
			api.IDToken.SetCustomClaim("https://x.com/roles", ev.Authorization.Roles)
			api.IDToken.SetCustomClaim("kept", "b")
			api.AccessToken.SetCustomClaim("plan", "gold")
			ev.Authorization.Roles[0], ev.Authentication.Methods[0].Name, ev.Transaction.RequestedScopes[0], ev.User.UserID = "x", "x", "x", "x"
		}))
		h.PostLogin("a", then(func(ev *auth.PostLogin, api auth.PostLoginAPI) {
			seen = append(seen, string(ev.User.UserMetadata), string(ev.User.AppMetadata), ev.Authorization.Roles[0],
				ev.Authentication.Methods[0].Name, ev.Transaction.RequestedScopes[0], ev.User.UserID)
			api.IDToken.SetCustomClaim("kept", "a")
		}))
	})
	ev := login()
	out, err := h.RunPostLogin(t.Context(), ev)
	if err != nil || !h.HasPostLogin() {
		t.Fatal(err)
	}
	if want := []string{`{"last":1}`, `{"plan":"gold"}`, "admin", "pwd", "openid", "ann"}; !slices.Equal(seen, want) {
		t.Errorf("the second saw %q, want %q", seen, want)
	}
	if string(ev.User.UserMetadata) != `{"color": "blue"}` {
		t.Errorf("the caller's event has %s", ev.User.UserMetadata)
	}
	requireJSON(t, out, `{"id_token":{"https://x.com/roles":["admin"],"kept":"a"},"access_token":{"plan":"gold"},`+
		`"user_metadata":{"color":null,"last":1},"app_metadata":{"plan":"gold"},"ran":["b","a"]}`)
	in, some := out.Metadata()
	user, _ := in.UserMetadata.Get()
	app, _ := in.AppMetadata.Get()
	if !some || !in.MergeMetadata || string(user) != `{"color":null,"last":1}` || string(app) != `{"plan":"gold"}` {
		t.Errorf("the update is %s and %s", user, app)
	}
}

// Whatever goes wrong ends the login, with nothing of it, and no later hook runs.
func TestPostLoginFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		hook    postLogin
		require func(*testing.T, error)
	}{
		"deny": {then(func(_ *auth.PostLogin, api auth.PostLoginAPI) {
			api.Access.Deny("Not today")
			api.Access.Deny("Not tomorrow")
			api.Redirect.SendUserTo("https://x.com", nil)
		}), func(t *testing.T, err error) { t.Helper(); requireRejected(t, err, "x", "access_denied", "Not today") }},
		"deny for no reason": {
			then(func(_ *auth.PostLogin, api auth.PostLoginAPI) { api.Access.Deny("") }),
			func(t *testing.T, err error) {
				t.Helper()
				requireRejected(t, err, "x", "access_denied", "Access was denied")
			},
		},
		"reject": {
			func(context.Context, *auth.PostLogin, auth.PostLoginAPI) error {
				return hooks.Reject("banned", "You are")
			},
			func(t *testing.T, err error) { t.Helper(); requireRejected(t, err, "x", "banned", "You are") },
		},
		"error": {
			func(_ context.Context, _ *auth.PostLogin, api auth.PostLoginAPI) error {
				api.Access.Deny("no")
				return errors.New("broken")
			},
			func(t *testing.T, err error) {
				t.Helper()
				requireFault(t, err, "x", "hook x of post-login: broken")
			},
		},
		"panic": {
			func(context.Context, *auth.PostLogin, auth.PostLoginAPI) error { panic("boo") },
			func(t *testing.T, err error) { t.Helper(); requireFault(t, err, "x", "panic: boo") },
		},
		"deadline": {
			func(ctx context.Context, _ *auth.PostLogin, _ auth.PostLoginAPI) error {
				<-ctx.Done()
				return ctx.Err()
			},
			func(t *testing.T, err error) {
				t.Helper()
				requireFault(t, err, "x", "deadline (20ms)")
			},
		},
		"a claim that is no JSON": {
			then(func(_ *auth.PostLogin, api auth.PostLoginAPI) { api.IDToken.SetCustomClaim("x", func() {}) }),
			func(t *testing.T, err error) { t.Helper(); requireFault(t, err, "x", `claim "x": json`) },
		},
		"metadata that is no JSON": {
			then(func(_ *auth.PostLogin, api auth.PostLoginAPI) { api.User.SetUserMetadata("x", func() {}) }),
			func(t *testing.T, err error) {
				t.Helper()
				requireFault(t, err, "x", `user metadata "x": json`)
			},
		},
		"no form": {
			then(func(_ *auth.PostLogin, api auth.PostLoginAPI) { api.Prompt.Render("") }),
			func(t *testing.T, err error) {
				t.Helper()
				requireFault(t, err, "x", "the form's id is empty")
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := flowsOf(t, func(h *auth.Hooks) {
				h.PostLogin("first", then(func(_ *auth.PostLogin, api auth.PostLoginAPI) { api.IDToken.SetCustomClaim("a", 1) }))
				h.PostLogin("x", test.hook, hooks.Timeout(20*time.Millisecond))
				h.PostLogin("later", then(func(*auth.PostLogin, auth.PostLoginAPI) { t.Error("a later hook ran") }))
			})
			out, err := h.RunPostLogin(t.Context(), login())
			test.require(t, err)
			requireJSON(t, out, `{}`)
		})
	}
}

// A hook's default deadline is that of before-hooks.
func TestPostLoginDeadline(t *testing.T) {
	t.Parallel()
	var left time.Duration
	h := flowsOf(t, func(h *auth.Hooks) {
		h.PostLogin("x", func(ctx context.Context, _ *auth.PostLogin, _ auth.PostLoginAPI) error {
			until, _ := ctx.Deadline()
			left = time.Until(until)
			return nil
		})
	})
	if _, err := h.RunPostLogin(t.Context(), login()); err != nil || left > 5*time.Second || left < 4*time.Second {
		t.Errorf("it has %v, %v", left, err)
	}
}

// Who watches before-hooks sees a flow's too.
func TestFlowsAreObserved(t *testing.T) {
	t.Parallel()
	reg := db.NewHooks()
	var ran []hooks.BeforeRun
	reg.ObserveBefore(func(r hooks.BeforeRun) { ran = append(ran, r) })
	h := auth.NewHooks(reg)
	h.PostLogin("x", then(func(_ *auth.PostLogin, api auth.PostLoginAPI) { api.Access.Deny("no") }))
	_, err := h.RunPostLogin(t.Context(), login())
	if len(ran) != 1 || ran[0].Table != "post-login" || ran[0].Hook != "x" || ran[0].Operation.String() != "none" || !errors.Is(ran[0].Err, err) {
		t.Errorf("%+v", ran)
	}
}

// The claims that say what a token is are the server's.
func TestReservedClaims(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"", "iss", "sub", "aud", "exp", "iat", "nbf", "jti", "azp", "nonce", "at_hash", "c_hash", "s_hash", "sid", "scope", "permissions", "tenant_id", "grant",
		"org_id", "org_name", "auth_time", "amr", "acr", "client_id", "act", "may_act", "cnf", "events", "gty", "SUB", "Scope", "authorization_details",
	} {
		for which, set := range map[string]func(auth.PostLoginAPI){
			"id":     func(api auth.PostLoginAPI) { api.IDToken.SetCustomClaim(name, "x") },
			"access": func(api auth.PostLoginAPI) { api.AccessToken.SetCustomClaim(name, "x") },
		} {
			h := flowsOf(t, func(h *auth.Hooks) {
				h.PostLogin("x", then(func(_ *auth.PostLogin, api auth.PostLoginAPI) { set(api) }))
			})
			_, err := h.RunPostLogin(t.Context(), login())
			if err == nil || !strings.Contains(err.Error(), `is set by the server alone`) {
				t.Errorf("%s token, claim %q: %v", which, name, err)
			}
		}
	}
}

// The API's zero value does nothing.
func TestZeroAPI(t *testing.T) {
	t.Parallel()
	var api auth.PostLoginAPI
	api.Access.Deny("x")
	api.Prompt.Render("")
	api.Prompt.Render("x")
	api.Redirect.SendUserTo("https://x.com", nil)
	api.IDToken.SetCustomClaim("sub", 1)
	api.AccessToken.SetCustomClaim("x", 1)
	api.User.SetUserMetadata("x", 1)
	api.User.SetAppMetadata("x", 1)
	if api.Redirect.ValidateToken(auth.RedirectCheck{}) != nil {
		t.Error("a token")
	}
	if _, err := api.Redirect.EncodeToken(auth.RedirectToken{Secret: "x"}); err == nil {
		t.Error("a token")
	}
	if _, err := api.Token.CreateServiceToken(t.Context(), auth.ServiceToken{}); err == nil {
		t.Error("a token")
	}
}
