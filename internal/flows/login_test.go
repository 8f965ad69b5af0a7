package flows_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/flows"
)

type request = flows.AuthorizationRequest

// postLogin registers one PostLogin hook.
func postLogin(fn func(ev *auth.PostLogin, api auth.PostLoginAPI) error) func(*auth.Hooks, *db.Hooks) {
	return func(h *auth.Hooks, _ *db.Hooks) {
		h.PostLogin("test", func(_ context.Context, ev *auth.PostLogin, api auth.PostLoginAPI) error { return fn(ev, api) })
	}
}

// A login without hooks is one transaction: stats, session, event, line and code are there together.
func TestLogin(t *testing.T) {
	t.Parallel()
	l := newLogins(t, nil)
	for range 2 { // statements are prepared by the first
		login := l.begin()
		l.wire.take()
		step, err := l.Authenticated(t.Context(), l.caller, login, l.who())
		l.ok(err)
		if step.Code == "" || step.SessionToken == "" || step.Redirect+step.FormID+step.PageID != "" || login.Stage() != flows.StageDone {
			t.Fatalf("the login ended as %+v", step)
		}
	}
	sent := l.wire.take()
	all := strings.Join(sent, "\n")
	if strings.Count(all, "begin ") != 1 || sent[len(sent)-1] != "commit" || len(sent) != 9 {
		t.Errorf("%d round trips, want 9, in one transaction:\n%s", len(sent), all)
	}
	l.wantText("2 203.0.113.7", `select login_count || ' ' || last_ip from auth.user_stats`)
	l.wantText("after_login after_login", `select string_agg(type, ' ') from auth.auth_events`)
	l.wantText("2", `select count(*) from auth.sessions where ended_at is null and user_id = 'auth0|ann' and client_ids = '{app}'`)
	l.wantText("60", `select round(max(extract(epoch from code_expires_at - updated_at)))::text from auth.login_sessions`)
	if got := l.lines(); got != "s s" {
		t.Errorf("lines %q", got)
	}
}

// The browser's former session ends when someone logs in anew, and the new one has another token.
func TestLoginMakesASession(t *testing.T) {
	t.Parallel()
	l := newLogins(t, nil)
	l.logIn()
	former := l.browser.Session
	l.logIn(func(r *request) { r.Prompt = []string{"login"} })
	if former == l.browser.Session {
		t.Fatal("the session's token stayed the same")
	}
	if _, err := l.Session(t.Context(), "acme", former); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("the former session: %v", err)
	}
	s, err := l.Session(t.Context(), "acme", l.browser.Session)
	l.ok(err)
	if s.UserID != "auth0|ann" || s.Connection != "db" {
		t.Errorf("session %+v", s)
	}
}

// A form that comes twice, and one from another browser or after the login, are refused in words.
func TestLoginGoesOnOnce(t *testing.T) {
	t.Parallel()
	l := newLogins(t, nil)
	login := l.begin()
	tab := l.find(login.State)
	_, err := l.Authenticated(t.Context(), l.caller, login, l.who())
	l.ok(err)
	_, err = l.Authenticated(t.Context(), l.caller, tab, l.who())
	l.refused(err, "invalid_request")
	_, err = l.Authenticated(t.Context(), l.caller, l.find(login.State), l.who())
	l.refused(err, "invalid_request")
	_, err = l.Continue(t.Context(), l.caller, l.find(login.State))
	l.refused(err, "invalid_request")
	l.wantText("1", `select count(*) from auth.sessions`)
	for name, b := range map[string]flows.Browser{"another browser": {Binding: "another"}, "no cookie": {}} {
		if _, err := l.FindLogin(t.Context(), "acme", login.State, b); err == nil {
			t.Errorf("%s found the login", name)
		}
	}
	_, err = l.FindLogin(t.Context(), "globex", login.State, l.browser)
	l.refused(err, "invalid_request")
	_, err = l.FindLogin(t.Context(), "acme", "made-up", l.browser)
	l.refused(err, "invalid_request")
}

// Two forms that come at once make one session.
func TestLoginTwiceAtOnce(t *testing.T) {
	t.Parallel()
	l := newLogins(t, nil)
	login := l.begin()
	tabs := []*flows.Login{l.find(login.State), l.find(login.State), l.find(login.State)}
	var wg sync.WaitGroup
	errs := make([]error, len(tabs))
	for i, tab := range tabs {
		wg.Go(func() { _, errs[i] = l.Authenticated(t.Context(), l.caller, tab, l.who()) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		l.refused(err, "invalid_request")
	}
	if won != 1 {
		t.Errorf("%d logins of one", won)
	}
	l.wantText("1 1 1", `select (select count(*) from auth.sessions) || ' ' || (select login_count from auth.user_stats) || ' ' || (select count(*) from auth.auth_events)`)
}

// A caller that names another client than the login's is a fault of the program.
func TestLoginOfAnotherClient(t *testing.T) {
	t.Parallel()
	l := newLogins(t, nil)
	login := l.begin()
	other := *l.caller.Client
	other.ClientID = "other"
	l.caller.Client = &other
	var no *flows.Refused
	if _, err := l.Authenticated(t.Context(), l.caller, login, l.who()); err == nil || errors.As(err, &no) {
		t.Errorf("error %v; want a fault", err)
	}
	l.wantText("0", `select count(*) from auth.sessions`)
}

// What a PostLogin hook refuses is no login: there is no session, no code, no event, and the line says why. So it is with a fault.
func TestLoginIsDenied(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		hook func(ev *auth.PostLogin, api auth.PostLoginAPI) error
		code string // empty: a fault
	}{
		"denied":   {func(_ *auth.PostLogin, api auth.PostLoginAPI) error { api.Access.Deny("Not today"); return nil }, "access_denied"},
		"rejected": {func(*auth.PostLogin, auth.PostLoginAPI) error { return hooks.Reject("too_late", "Not today") }, "access_denied"},
		"fault":    {func(*auth.PostLogin, auth.PostLoginAPI) error { return errors.New("secret detail") }, ""},
		"panic":    {func(*auth.PostLogin, auth.PostLoginAPI) error { panic("secret detail") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLogins(t, postLogin(func(ev *auth.PostLogin, api auth.PostLoginAPI) error {
				api.User.SetAppMetadata("denied", true)
				return test.hook(ev, api)
			}))
			login := l.begin()
			_, err := l.Authenticated(t.Context(), l.caller, login, l.who())
			var fault *hooks.Fault
			if test.code != "" {
				l.refused(err, test.code)
				l.wantText("Not today", `select description from auth.logs`)
			} else if !errors.As(err, &fault) {
				t.Fatalf("error %v; want a fault", err)
			}
			l.wantText("0 0 1 false", `select (select count(*) from auth.sessions) || ' ' || (select count(*) from auth.auth_events) || ' ' || (select login_count from auth.user_stats)
				|| ' ' || (select app_metadata ? 'denied' from auth.users)`)
			l.wantText("f auth0|ann false", `select type || ' ' || user_id || ' ' || (description like '%secret%') from auth.logs`)
			_, err = l.Authenticated(t.Context(), l.caller, l.find(login.State), l.who())
			l.refused(err, "invalid_request")
		})
	}
}

func TestBlockedUser(t *testing.T) {
	t.Parallel()
	l := newLogins(t, nil)
	l.ann.Blocked = true
	_, err := l.Authenticated(t.Context(), l.caller, l.begin(), l.who())
	l.refused(err, "access_denied")
	_, err = l.Direct(t.Context(), l.caller, l.who(), "", nil)
	l.refused(err, "access_denied")
	if got := l.lines(); got != "f f" {
		t.Errorf("lines %q", got)
	}
}

// Hooks are told what the guide lists, run with no transaction open, and what they set of the user is written before the tokens.
func TestPostLogin(t *testing.T) {
	t.Parallel()
	var seen auth.PostLogin
	var l *logins
	l = newLogins(t, postLogin(func(ev *auth.PostLogin, api auth.PostLoginAPI) error {
		seen = *ev
		l.wantText("0", `select count(*) from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'`)
		api.User.SetUserMetadata("color", "blue")
		api.User.SetAppMetadata("plan", "pro")
		api.IDToken.SetCustomClaim("https://example.com/plan", "pro")
		api.AccessToken.SetCustomClaim("https://example.com/org", 7)
		return nil
	}))
	l.exec(`update auth.users set user_metadata = '{"size": "L"}'`)
	l.exec(`insert into auth.roles (tenant_id, id, name) values ('acme', 'rol_1', 'editor')`)
	l.exec(`insert into auth.user_roles (tenant_id, user_id, role_id) values ('acme', 'auth0|ann', 'rol_1')`)
	l.reread()
	tokens := l.redeem(l.logIn(func(r *request) { r.LoginHint, r.ACRValues, r.UILocales = "ann", "a b", "de en" }))
	tx := seen.Transaction
	if got := fmt.Sprint(seen.Tenant.ID, seen.User.UserID, seen.Client.ClientID, len(seen.Client.Connections), seen.Request.IP, seen.Authorization.Roles, seen.Connection, seen.Stats, seen.Session == nil); got !=
		"acmeauth0|annapp1203.0.113.7[editor] {con_1 db auth0} {1} true" {
		t.Errorf("the hook was told %s", got)
	}
	if tx.ID == "" || tx.State == "" || tx.State == "theirs" || tx.Audience != orders || tx.Protocol != "oidc-basic-profile" || tx.RedirectURI != callback || tx.Locale != "de" ||
		len(tx.ACRValues) != 2 || tx.LoginHint != "ann" || !slices.Equal(tx.ResponseType, []string{"code"}) || !seen.Authentication.Used("pwd") {
		t.Errorf("transaction %+v", tx)
	}
	l.wantText(`{"size": "L", "color": "blue"} {"plan": "pro"}`, `select user_metadata::text || ' ' || app_metadata::text from auth.users`)
	l.wantClaims(tokens.IDToken, map[string]any{"https://example.com/plan": "pro"})
	l.wantClaims(tokens.AccessToken, map[string]any{"https://example.com/org": 7})
	l.wantText("pro", `select details->'user'->'app_metadata'->>'plan' from auth.auth_events`)
}

// A login that a hook suspends goes on when the user is back: with its other half, in the same browser, once.
func TestContinue(t *testing.T) {
	t.Parallel()
	var ran []string
	l := newLogins(t, func(h *auth.Hooks, _ *db.Hooks) {
		h.PostLogin("first", func(_ context.Context, _ *auth.PostLogin, api auth.PostLoginAPI) error {
			ran = append(ran, "first")
			api.AccessToken.SetCustomClaim("x-first", 1)
			api.Redirect.SendUserTo("https://terms.example.com/accept", nil)
			return nil
		})
		h.OnContinuePostLogin("first", func(_ context.Context, ev *auth.PostLogin, api auth.PostLoginAPI) error {
			ran = append(ran, "continue "+ev.Request.Query.Get("accepted")+" "+fmt.Sprint(ev.Stats.LoginsCount))
			api.Prompt.Render("form_1")
			if ev.Request.Query.Get("accepted") == "" {
				return nil
			}
			api.Redirect.SendUserTo("https://again.example.com/", nil)
			return nil
		})
		h.PostLogin("second", func(context.Context, *auth.PostLogin, auth.PostLoginAPI) error {
			ran = append(ran, "second")
			return nil
		})
	})
	login := l.begin()
	step, err := l.Authenticated(t.Context(), l.caller, login, l.who())
	l.ok(err)
	if !strings.HasPrefix(step.Redirect, "https://terms.example.com/accept?state="+login.State) || step.Code != "" || login.Stage() != flows.StageContinue {
		t.Fatalf("step %+v", step)
	}
	_, err = l.Answered(t.Context(), l.caller, l.find(login.State), []byte(`{}`))
	l.refused(err, "invalid_request")
	back, tab := l.find(login.State), l.find(login.State)
	step, err = l.Continue(t.Context(), l.caller, back)
	l.ok(err)
	if step.FormID != "form_1" {
		t.Fatalf("step %+v", step)
	}
	_, err = l.Continue(t.Context(), l.caller, tab)
	if err == nil {
		t.Fatal("another tab went on with the redirect")
	}
	_, err = l.Continue(t.Context(), l.caller, l.find(login.State))
	l.refused(err, "invalid_request") // a form is not skipped
	waiting, err := l.find(login.State).Waiting()
	l.ok(err)
	if waiting.FormID != "form_1" || waiting.Redirect != "" {
		t.Errorf("the login waits for %+v", waiting)
	}
	l.wantText("0", `select count(*) from auth.sessions`)
	l.wantText("1", `select login_count from auth.user_stats`)
	if got := strings.Join(ran, ", "); got != "first, continue  1" {
		t.Errorf("hooks ran: %s", got)
	}
}

// The tenant's form comes first, its page then, and the page only for those who have the permission; none is skipped.
func TestFormsAndPages(t *testing.T) {
	t.Parallel()
	for _, hooked := range []bool{false, true} {
		var register func(*auth.Hooks, *db.Hooks)
		if hooked {
			register = postLogin(func(_ *auth.PostLogin, api auth.PostLoginAPI) error {
				api.AccessToken.SetCustomClaim("x-kept", 1)
				return nil
			})
		}
		l := newLogins(t, register)
		l.exec(`insert into auth.hooks (tenant_id, hook_id, trigger_id, form_id, page_id, url, permission_required, enabled, priority) values
			('acme', 'off', 'post-user-login', 'form_off', null, null, null, false, 9), ('acme', 'form', 'post-user-login', 'form_1', null, null, null, true, 1),
			('acme', 'later', 'post-user-login', 'form_2', null, null, null, true, 0), ('acme', 'page', 'post-user-login', null, 'terms', null, 'read:orders', true, 5),
			('acme', 'hook', 'post-user-login', null, null, 'https://example.com/', null, true, 7)`)
		permit := func(sql string) {
			l.exec(`insert into auth.permissions (tenant_id, resource_server_identifier, permission_name) values ('acme', $1, 'read:orders') on conflict do nothing`, orders)
			l.exec(sql, orders)
		}
		for _, allowed := range []bool{false, true} {
			if allowed {
				permit(`insert into auth.user_permissions (tenant_id, user_id, resource_server_identifier, permission_name) values ('acme', 'auth0|ann', $1, 'read:orders')`)
			}
			login := l.begin()
			step, err := l.Authenticated(t.Context(), l.caller, login, l.who())
			l.ok(err)
			if step.FormID != "form_1" || login.Stage() != flows.StageForm {
				t.Fatalf("step %+v", step)
			}
			_, err = l.Continue(t.Context(), l.caller, l.find(login.State))
			l.refused(err, "invalid_request")
			step, err = l.Answered(t.Context(), l.caller, l.find(login.State), []byte(`{"color": "blue"}`))
			l.ok(err)
			if allowed {
				if step.PageID != "terms" || step.Code != "" {
					t.Fatalf("step %+v", step)
				}
				step, err = l.Answered(t.Context(), l.caller, l.find(login.State), []byte(`{"color": "blue"}`))
				l.ok(err)
			}
			if step.Code == "" {
				t.Fatalf("allowed: %v, step %+v", allowed, step)
			}
			l.wantText("blue", `select answers->>'color' from auth.login_sessions where id = $1`, login.ID)
			if hooked {
				l.wantClaims(l.redeem(step.Code).AccessToken, map[string]any{"x-kept": 1})
			}
		}
		l.wantText("2", `select login_count from auth.user_stats`)
	}
}

// Single sign-on asks nobody where the request lets it; prompt=none shows nothing and is no login.
func TestResume(t *testing.T) {
	t.Parallel()
	suspend := false
	l := newLogins(t, postLogin(func(_ *auth.PostLogin, api auth.PostLoginAPI) error {
		if suspend {
			api.Redirect.SendUserTo("https://terms.example.com/", nil)
		}
		return nil
	}))
	none := func(r *request) { r.Prompt = []string{"none"} }
	_, err := l.Resume(t.Context(), l.caller, l.begin(none))
	l.refused(err, "login_required")
	l.logIn()
	session := l.browser.Session
	step, err := l.Resume(t.Context(), l.caller, l.begin())
	l.ok(err)
	if step.Code == "" || step.SessionToken != "" {
		t.Fatalf("step %+v", step)
	}
	l.wantText("2 2", `select login_count || ' ' || (select count(*) from auth.auth_events) from auth.user_stats`)
	step, err = l.Resume(t.Context(), l.caller, l.begin(none))
	l.ok(err)
	tokens := l.redeem(step.Code)
	l.wantText("2 2", `select login_count || ' ' || (select count(*) from auth.auth_events) from auth.user_stats`)
	s, err := l.Session(t.Context(), "acme", session)
	l.ok(err)
	l.wantClaims(tokens.IDToken, map[string]any{"sid": s.ID, "amr": "[pwd]", "nonce": "n-1"})
	age := func(n int) func(*request) { return func(r *request) { r.MaxAge = &n } }
	for name, change := range map[string]func(*request){
		"prompt=login": func(r *request) { r.Prompt = []string{"login"} }, "select_account": func(r *request) { r.Prompt = []string{"select_account"} },
		"max_age=0": age(0), "connection": func(r *request) { r.Connection = "github" },
	} {
		if _, err := l.Resume(t.Context(), l.caller, l.begin(change)); err == nil {
			t.Errorf("%s: the session was enough", name)
		} else {
			l.refused(err, "login_required")
		}
	}
	_, err = l.Resume(t.Context(), l.caller, l.begin(age(60)))
	l.ok(err)
	l.moved.move(2 * time.Minute)
	_, err = l.Resume(t.Context(), l.caller, l.begin(age(60)))
	l.refused(err, "login_required")
	suspend = true
	_, err = l.Resume(t.Context(), l.caller, l.begin(none))
	l.refused(err, "interaction_required")
	suspend = false
	l.exec(`update auth.connections set enabled_clients = '{}'`)
	_, err = l.Resume(t.Context(), l.caller, l.begin())
	l.refused(err, "login_required")
	if got := l.lines(); !strings.Contains(got, "fsa fsa") || !strings.Contains(got, "ssa") {
		t.Errorf("lines %q", got)
	}
}
