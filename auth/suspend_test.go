package auth_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
)

// again is an outcome as the login session keeps it.
func again(t *testing.T, out auth.LoginOutcome) auth.LoginOutcome {
	t.Helper()
	text, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	var read auth.LoginOutcome
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	return read
}

// A login that a hook suspends goes on with that hook's own continuation, and then those behind it; none runs twice, and what was
// said before isn't lost.
func TestSuspend(t *testing.T) {
	t.Parallel()
	var ran []string
	note := func(name string, also postLogin) postLogin {
		return then(func(ev *auth.PostLogin, api auth.PostLoginAPI) {
			ran = append(ran, name)
			if also != nil {
				_ = also(t.Context(), ev, api)
			}
		})
	}
	h := flowsOf(t, func(h *auth.Hooks) {
		h.PostLogin("first", note("first", then(func(_ *auth.PostLogin, api auth.PostLoginAPI) {
			api.IDToken.SetCustomClaim("first", true)
			api.User.SetUserMetadata("first", true)
		})))
		h.OnContinuePostLogin("first", note("first continued", nil))
		h.PostLogin("away", note("away", then(func(_ *auth.PostLogin, api auth.PostLoginAPI) {
			api.Redirect.SendUserTo("https://x.com/terms", nil)
			api.IDToken.SetCustomClaim("away", 1)
		})))
		h.OnContinuePostLogin("away", note("away continued", then(func(ev *auth.PostLogin, api auth.PostLoginAPI) {
			first, err := auth.Metadata[bool](ev.User.UserMetadata, "first")
			api.IDToken.SetCustomClaim("saw", first && err == nil)
		})))
		h.PostLogin("form", note("form", then(func(_ *auth.PostLogin, api auth.PostLoginAPI) { api.Prompt.Render("form_1") })))
		h.PostLogin("last", note("last", nil))
	})
	out, err := h.RunPostLogin(t.Context(), login())
	if err != nil {
		t.Fatal(err)
	}
	requireJSON(t, out, `{"suspended":{"hook":"away","redirect_to":"https://x.com/terms?state=st%261"},`+
		`"id_token":{"away":1,"first":true},"user_metadata":{"first":true},"ran":["first","away"],"suspensions":1}`)

	kept := again(t, out)
	out, err = h.RunContinuePostLogin(t.Context(), login(), kept)
	if err != nil {
		t.Fatal(err)
	}
	requireJSON(t, out, `{"suspended":{"hook":"form","form_id":"form_1"},`+
		`"id_token":{"away":1,"first":true,"saw":true},"user_metadata":{"first":true},"ran":["first","away","form"],"suspensions":2}`)
	if kept.Suspensions != 1 || len(kept.Ran) != 2 || kept.Suspended.Hook != "away" || len(kept.IDToken) != 2 {
		t.Errorf("what was kept is now %+v", kept)
	}

	out, err = h.RunContinuePostLogin(t.Context(), login(), again(t, out))
	if err != nil || out.Suspended != nil || out.Suspensions != 2 {
		t.Errorf("%+v, %v", out, err)
	}
	if want := []string{"first", "away", "away continued", "form", "last"}; !slices.Equal(ran, want) {
		t.Errorf("they ran %q, want %q", ran, want)
	}
}

// The last call says where the user goes.
func TestLastSuspensionCounts(t *testing.T) {
	t.Parallel()
	h := flowsOf(t, func(h *auth.Hooks) {
		h.PostLogin("x", then(func(_ *auth.PostLogin, api auth.PostLoginAPI) {
			api.Redirect.SendUserTo("https://x.com", nil)
			api.Prompt.Render("form_1")
		}))
		h.OnContinuePostLogin("x", then(func(_ *auth.PostLogin, api auth.PostLoginAPI) {
			api.Prompt.Render("form_1")
			api.Redirect.SendUserTo("https://x.com", nil)
		}))
	})
	out, err := h.RunPostLogin(t.Context(), login())
	if err != nil || *out.Suspended != (auth.Suspension{Hook: "x", FormID: "form_1"}) {
		t.Errorf("%+v, %v", out.Suspended, err)
	}
	out, err = h.RunContinuePostLogin(t.Context(), login(), out)
	if err != nil || *out.Suspended != (auth.Suspension{Hook: "x", RedirectTo: "https://x.com?state=st%261"}) || len(out.Ran) != 1 {
		t.Errorf("%+v, %v", out, err)
	}
}

// Ten suspensions are a login's, over all of its hooks, and not one more.
func TestLoopGuard(t *testing.T) {
	t.Parallel()
	round := then(func(_ *auth.PostLogin, api auth.PostLoginAPI) { api.Prompt.Render("form_1") })
	h := flowsOf(t, func(h *auth.Hooks) {
		h.PostLogin("x", round)
		h.OnContinuePostLogin("x", round)
	})
	out, err := h.RunPostLogin(t.Context(), login())
	for range auth.MaxSuspensions - 1 {
		if err != nil || out.Suspended == nil {
			t.Fatalf("%+v, %v", out, err)
		}
		out, err = h.RunContinuePostLogin(t.Context(), login(), again(t, out))
	}
	if err != nil || out.Suspensions != 10 || out.Suspended == nil {
		t.Fatalf("%+v, %v", out, err)
	}
	out, err = h.RunContinuePostLogin(t.Context(), login(), again(t, out))
	if !errors.Is(err, auth.ErrSuspensions) || !strings.Contains(err.Error(), "the last was x") {
		t.Errorf("%v", err)
	}
	requireJSON(t, out, `{}`)
}

// A login goes on only from where a hook of this program left it.
func TestContinueRefused(t *testing.T) {
	t.Parallel()
	var ran []string
	h := flowsOf(t, func(h *auth.Hooks) {
		h.PostLogin("new", then(func(*auth.PostLogin, auth.PostLoginAPI) { ran = append(ran, "new") }))
		h.PostLogin("away", then(func(*auth.PostLogin, auth.PostLoginAPI) { t.Error("it ran again") }))
		h.OnContinuePostLogin("away", then(func(ev *auth.PostLogin, api auth.PostLoginAPI) {
			if ev.Request.Query.Get("ok") == "" {
				api.Access.Deny("You didn't agree")
			}
		}))
	})
	if _, err := h.RunContinuePostLogin(t.Context(), login(), auth.LoginOutcome{}); !errors.Is(err, auth.ErrNotSuspended) {
		t.Errorf("%v", err)
	}
	gone := auth.LoginOutcome{Suspended: &auth.Suspension{Hook: "gone", FormID: "x"}}
	if _, err := h.RunContinuePostLogin(t.Context(), login(), gone); err == nil || !strings.Contains(err.Error(), `the post-login hook "gone", which suspended the login, is no longer registered`) {
		t.Errorf("%v", err)
	}
	sofar := auth.LoginOutcome{Suspended: &auth.Suspension{Hook: "away", FormID: "x"}, Ran: []string{"away"}, Suspensions: 1}
	_, err := h.RunContinuePostLogin(t.Context(), login(), sofar)
	requireRejected(t, err, "away", "access_denied", "You didn't agree")
	if ran != nil {
		t.Error("hooks behind it ran")
	}
	// One that a new release put in front while the user was away runs too.
	back := login()
	back.Request.Query = map[string][]string{"ok": {"1"}}
	if _, err := h.RunContinuePostLogin(t.Context(), back, sofar); err != nil || len(ran) != 1 {
		t.Errorf("%v, %v", ran, err)
	}
}

// Mistakes are told when the store opens.
func TestFlowMistakes(t *testing.T) {
	t.Parallel()
	fn := then(func(*auth.PostLogin, auth.PostLoginAPI) {})
	for says, register := range map[string]func(*auth.Hooks){
		`hooks: post-login hook "x": the name is taken`:                                          func(h *auth.Hooks) { h.PostLogin("x", fn); h.PostLogin("x", fn) },
		`post-login hook "": a name is a letter`:                                                 func(h *auth.Hooks) { h.PostLogin("", fn) },
		`post-login hook "x": the function is nil`:                                               func(h *auth.Hooks) { h.PostLogin("x", nil) },
		`continue-post-login hook "x" continues no hook: register PostLogin("x", ...) before it`: func(h *auth.Hooks) { h.OnContinuePostLogin("x", fn) },
		`continue-post-login hook "x": the name is taken`: func(h *auth.Hooks) {
			h.PostLogin("x", fn)
			h.OnContinuePostLogin("x", fn)
			h.OnContinuePostLogin("x", fn)
		},
		`continue-post-login hook "x": the function is nil`:            func(h *auth.Hooks) { h.PostLogin("x", fn); h.OnContinuePostLogin("x", nil) },
		`validate-registration-username hook "x": the function is nil`: func(h *auth.Hooks) { h.ValidateRegistrationUsername("x", nil) },
		`credentials-exchange hook "1": a name is a letter`:            func(h *auth.Hooks) { h.CredentialsExchange("1", nil) },
		`pre-user-registration hook "": a name is a letter`:            func(h *auth.Hooks) { h.PreUserRegistration("", nil) },
		`pre-user-registration hook "x": the function is nil`:          func(h *auth.Hooks) { h.PreUserRegistration("x", nil) },
		`post-user-registration hook "x": the function is nil`:         func(h *auth.Hooks) { h.PostUserRegistration("x", nil) },
		`pre-user-update hook "x": the function is nil`:                func(h *auth.Hooks) { h.PreUserUpdate("x", nil) },
		`pre-user-deletion hook "x": the function is nil`:              func(h *auth.Hooks) { h.PreUserDeletion("x", nil) },
		`post-user-deletion hook "1": a name is a letter`:              func(h *auth.Hooks) { h.PostUserDeletion("1", nil) },
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			reg := db.NewHooks()
			register(auth.NewHooks(reg))
			if err := reg.Err(); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("it says %v", err)
			}
		})
	}
}

// One catalogue has one set of hooks, however often it is asked for, and another has its own.
func TestOneSet(t *testing.T) {
	t.Parallel()
	reg := db.NewHooks()
	auth.NewHooks(reg).PostLogin("x", then(func(*auth.PostLogin, auth.PostLoginAPI) {}))
	if !auth.NewHooks(reg).HasPostLogin() || auth.NewHooks(db.NewHooks()).HasPostLogin() {
		t.Error("a hook is lost, or another's")
	}
}
