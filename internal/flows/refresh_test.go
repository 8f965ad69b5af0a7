package flows_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
)

// Refresh tokens follow each other; one that comes again ends its family and the grant's access tokens.
func TestRefresh(t *testing.T) {
	t.Parallel()
	l := newLogins(t, nil)
	first := l.redeem(l.logIn())
	second, err := l.Refresh(t.Context(), l.caller, first.RefreshToken, nil)
	l.ok(err)
	if second.RefreshToken == first.RefreshToken || second.RefreshToken == "" || second.Scope != first.Scope || second.IDToken == "" {
		t.Fatalf("scope %q", second.Scope)
	}
	was, is := l.claims(first.AccessToken), l.claims(second.AccessToken)
	for _, name := range []string{"sub", "aud", "grant", "sid", "azp"} {
		if fmt.Sprint(was[name]) != fmt.Sprint(is[name]) {
			t.Errorf("claim %s was %v and is %v", name, was[name], is[name])
		}
	}
	l.wantClaims(second.IDToken, map[string]any{"nonce": nil, "auth_time": l.claims(first.IDToken)["auth_time"]})
	l.wantText("1 1", `select login_count || ' ' || (select count(*) from auth.auth_events) from auth.user_stats`)
	_, err = l.Refresh(t.Context(), l.caller, first.RefreshToken, nil)
	l.refused(err, "invalid_grant")
	_, err = l.Refresh(t.Context(), l.caller, second.RefreshToken, nil)
	l.refused(err, "invalid_grant")
	if l.active(first.AccessToken) || l.active(second.AccessToken) || l.active(second.RefreshToken) {
		t.Error("a token of the family lives on")
	}
	if got := l.lines(); got != "ferrt fertft s seacft sertft" {
		t.Errorf("lines %q", got)
	}
}

// Scopes may shrink, and what the next token gets is what was granted first.
func TestRefreshScope(t *testing.T) {
	t.Parallel()
	l := newLogins(t, nil)
	tokens := l.redeem(l.logIn())
	_, err := l.Refresh(t.Context(), l.caller, tokens.RefreshToken, []string{"openid", "write:orders"})
	l.refused(err, "invalid_scope")
	less, err := l.Refresh(t.Context(), l.caller, tokens.RefreshToken, []string{"openid"})
	l.ok(err)
	if less.Scope != "openid" {
		t.Errorf("scope %q", less.Scope)
	}
	l.exec(`update auth.resource_servers set scopes = '[]'`)
	again, err := l.Refresh(t.Context(), l.caller, less.RefreshToken, nil)
	l.ok(err)
	if again.Scope != "openid profile email offline_access" {
		t.Errorf("scope %q, and the resource server has none any more", again.Scope)
	}
}

func TestRefreshRefuses(t *testing.T) {
	t.Parallel()
	l := newLogins(t, nil)
	l.exec(`insert into auth.clients (tenant_id, client_id, name, token_endpoint_auth_method) values ('acme', 'other', 'Other', 'none')`)
	other, err := l.store.Clients.Get(t.Context(), "acme", "other")
	l.ok(err)
	stranger := l.caller
	stranger.Client = &other
	tokens := l.redeem(l.logIn())
	_, err = l.Refresh(t.Context(), stranger, tokens.RefreshToken, nil)
	l.refused(err, "invalid_grant")
	_, err = l.Refresh(t.Context(), l.caller, "made-up", nil)
	l.refused(err, "invalid_grant")
	l.exec(`update auth.users set blocked = true`)
	_, err = l.Refresh(t.Context(), l.caller, tokens.RefreshToken, nil)
	l.refused(err, "invalid_grant")
	if l.active(tokens.AccessToken) || l.active(tokens.RefreshToken) {
		t.Error("a blocked user's token is active")
	}
	l.exec(`update auth.users set blocked = false`)
	next, err := l.Refresh(t.Context(), l.caller, tokens.RefreshToken, nil)
	l.ok(err) // none of these used it up
	l.exec(`update auth.refresh_tokens set expires_at = now() - interval '1 second' where used_at is null`)
	_, err = l.Refresh(t.Context(), l.caller, next.RefreshToken, nil)
	l.refused(err, "invalid_grant")
	l.exec(`insert into auth.users (tenant_id, user_id, connection) values ('acme', 'auth0|amy', 'db')`)
	next = l.redeem(l.logIn())
	l.exec(`update auth.users set linked_to = 'auth0|amy' where user_id = 'auth0|ann'`)
	_, err = l.Refresh(t.Context(), l.caller, next.RefreshToken, nil)
	l.refused(err, "invalid_grant")
	l.exec(`delete from auth.users`)
	if l.active(tokens.AccessToken) {
		t.Error("the token of a user who is gone is active")
	}
}

// PostLogin's hooks are asked again, and may refuse; what they say is of the new tokens.
func TestRefreshAsksHooks(t *testing.T) {
	t.Parallel()
	var protocols []string
	what := "allow"
	l := newLogins(t, postLogin(func(ev *auth.PostLogin, api auth.PostLoginAPI) error {
		protocols = append(protocols, ev.Transaction.Protocol)
		switch what {
		case "deny":
			api.Access.Deny("Fired")
		case "suspend":
			api.Prompt.Render("form_1")
		}
		api.AccessToken.SetCustomClaim("x-what", what+fmt.Sprint(len(protocols)))
		return nil
	}))
	tokens := l.redeem(l.logIn())
	l.wantClaims(tokens.AccessToken, map[string]any{"x-what": "allow1"})
	what = "deny"
	_, err := l.Refresh(t.Context(), l.caller, tokens.RefreshToken, nil)
	l.refused(err, "access_denied")
	what = "suspend"
	_, err = l.Refresh(t.Context(), l.caller, tokens.RefreshToken, nil)
	l.refused(err, "interaction_required")
	what = "allow"
	tokens, err = l.Refresh(t.Context(), l.caller, tokens.RefreshToken, nil)
	l.ok(err)
	l.wantClaims(tokens.AccessToken, map[string]any{"x-what": "allow4"})
	if got := strings.Join(protocols, " "); got != "oidc-basic-profile oauth2-refresh-token oauth2-refresh-token oauth2-refresh-token" {
		t.Errorf("hooks heard of %s", got)
	}
}

// A client's settings, within the server's bounds: a token always ends.
func TestRefreshSettings(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		settings, method string
		life, idle       string // days
		keeps            bool
	}{
		"none":              {`{}`, "none", "30", "15", false},
		"as it says":        {`{"token_lifetime": 864000, "idle_token_lifetime": 86400}`, "none", "10", "1", false},
		"infinite":          {`{"infinite_token_lifetime": true, "infinite_idle_token_lifetime": true}`, "none", "365", "", false},
		"non-expiring":      {`{"expiration_type": "non-expiring"}`, "none", "365", "", false},
		"too long":          {`{"token_lifetime": 9000000000000000000}`, "none", "365", "15", false},
		"unreadable":        {`{"token_lifetime": "x"}`, "none", "30", "15", false},
		"public, unrotated": {`{"rotation_type": "non-rotating"}`, "none", "30", "15", false},
		"secret, unrotated": {`{"rotation_type": "non-rotating"}`, "client_secret_post", "30", "15", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLogins(t, nil)
			l.exec(`update auth.clients set refresh_token = $1, token_endpoint_auth_method = $2`, test.settings, test.method)
			l.reread()
			tokens := l.redeem(l.logIn())
			l.wantText(test.life+" "+test.idle, `select (extract(epoch from expires_at - created_at) / 86400)::int::text || ' ' || coalesce((extract(epoch from idle_expires_at - created_at) / 86400)::int::text, '')
				from auth.refresh_tokens`)
			next, err := l.Refresh(t.Context(), l.caller, tokens.RefreshToken, nil)
			l.ok(err)
			if (next.RefreshToken == tokens.RefreshToken) != test.keeps {
				t.Errorf("the token stays: %v", !test.keeps)
			}
		})
	}
}

// Within the leeway a token may come again, for an answer that got lost.
func TestRefreshLeeway(t *testing.T) {
	t.Parallel()
	l := newLogins(t, nil)
	l.exec(`update auth.clients set refresh_token = '{"leeway": 30}'`)
	l.reread()
	tokens := l.redeem(l.logIn())
	for range 2 {
		_, err := l.Refresh(t.Context(), l.caller, tokens.RefreshToken, nil)
		l.ok(err)
	}
	l.exec(`update auth.refresh_tokens set used_at = now() - interval '31 seconds' where used_at is not null`)
	_, err := l.Refresh(t.Context(), l.caller, tokens.RefreshToken, nil)
	l.refused(err, "invalid_grant")
	l.wantText("0", `select count(*) from auth.refresh_tokens where revoked_at is null`)
}

// Logout ends the session and its access tokens, once; what has offline access goes on, of no session.
func TestLogout(t *testing.T) {
	t.Parallel()
	l := newLogins(t, nil)
	tokens := l.redeem(l.logIn())
	s, err := l.Session(t.Context(), "acme", l.browser.Session)
	l.ok(err)
	l.ok(l.Logout(t.Context(), l.caller, s))
	l.ok(l.Logout(t.Context(), l.caller, s))
	if l.active(tokens.AccessToken) {
		t.Error("the session's access token is active")
	}
	if _, err := l.Session(t.Context(), "acme", l.browser.Session); err == nil {
		t.Error("the session is found")
	}
	l.wantText("after_login after_logout", `select string_agg(type, ' ' order by created_at) from auth.auth_events`)
	if got := l.lines(); got != "s seacft slo" {
		t.Errorf("lines %q", got)
	}
	next, err := l.Refresh(t.Context(), l.caller, tokens.RefreshToken, nil)
	l.ok(err)
	l.wantClaims(next.AccessToken, map[string]any{"sid": nil})
	if !l.active(next.AccessToken) {
		t.Error("offline access ended")
	}
}

// EndAll leaves the one session, and rolls back with what it belongs to.
func TestEndAll(t *testing.T) {
	t.Parallel()
	l := newLogins(t, nil)
	other := l.redeem(l.logIn())
	l.browser.Session = ""
	mine := l.redeem(l.logIn(func(r *request) { r.Scope = []string{"openid"} }))
	s, err := l.Session(t.Context(), "acme", l.browser.Session)
	l.ok(err)
	end := func(fail error) error {
		return l.store.InTx(t.Context(), func(tx *db.Tx) error {
			if err := l.EndAll(t.Context(), tx, "acme", "auth0|ann", s.ID); err != nil {
				return err
			}
			return fail
		})
	}
	if end(context.Canceled) == nil || !l.active(other.AccessToken) || !l.active(other.RefreshToken) {
		t.Fatal("what was rolled back ended tokens")
	}
	l.ok(end(nil))
	if l.active(other.AccessToken) || l.active(other.RefreshToken) || !l.active(mine.AccessToken) {
		t.Error("the wrong tokens ended")
	}
	l.wantText("1", `select count(*) from auth.sessions where ended_at is null`)
}

// What is under way ends too: a login that waits for its user, and a code that nobody redeemed yet; and a login by the password of before
// comes to nothing, also where its user was found before the reset.
func TestEndAllEndsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	suspend := false
	l := newLogins(t, postLogin(func(_ *auth.PostLogin, api auth.PostLoginAPI) error {
		if suspend {
			api.Redirect.SendUserTo("https://terms.example.com/", nil)
		}
		return nil
	}))
	code := l.logIn()
	suspend = true
	login := l.begin()
	_, err := l.Authenticated(t.Context(), l.caller, login, l.who())
	l.ok(err)
	seen, before := l.find(login.State), l.who()
	l.ok(l.store.InTx(t.Context(), func(tx *db.Tx) error { return l.EndAll(t.Context(), tx, "acme", "auth0|ann", "") }))
	_, err = l.Redeem(t.Context(), l.caller, code, callback, verifier())
	l.refused(err, "invalid_grant")
	_, err = l.Continue(t.Context(), l.caller, seen)
	l.refused(err, "invalid_request")
	l.exec(`update auth.user_stats set last_password_reset = $1`, before.Methods[0].Timestamp.Add(time.Millisecond))
	_, err = l.Authenticated(t.Context(), l.caller, l.begin(), before)
	l.refused(err, "invalid_grant")
	_, err = l.Direct(t.Context(), l.caller, before, "", nil)
	l.refused(err, "invalid_grant")
	l.wantText("0", `select count(*) from auth.sessions where ended_at is null`)
}

// A client revokes its own tokens.
func TestRevoke(t *testing.T) {
	t.Parallel()
	l := newLogins(t, nil)
	l.exec(`insert into auth.clients (tenant_id, client_id, name, token_endpoint_auth_method) values ('acme', 'other', 'Other', 'none')`)
	other, err := l.store.Clients.Get(t.Context(), "acme", "other")
	l.ok(err)
	stranger := l.caller
	stranger.Client = &other
	tokens := l.redeem(l.logIn())
	l.refused(l.Revoke(t.Context(), stranger, tokens.AccessToken), "unauthorized_client")
	l.refused(l.Revoke(t.Context(), stranger, tokens.RefreshToken), "unauthorized_client")
	l.ok(l.Revoke(t.Context(), l.caller, "made-up"))
	l.ok(l.Revoke(t.Context(), l.caller, tokens.AccessToken))
	if l.active(tokens.AccessToken) || !l.active(tokens.RefreshToken) {
		t.Error("the access token is active, or the refresh token isn't")
	}
	tokens, err = l.Refresh(t.Context(), l.caller, tokens.RefreshToken, nil)
	l.ok(err)
	l.ok(l.Revoke(t.Context(), l.caller, tokens.RefreshToken))
	if l.active(tokens.AccessToken) || l.active(tokens.RefreshToken) {
		t.Error("a token of the family is active")
	}
}

// Introspection tells nothing of what isn't active, nor to another tenant; userinfo tells what the scope says.
func TestInspectAndUserInfo(t *testing.T) {
	t.Parallel()
	l := newLogins(t, nil)
	tokens := l.redeem(l.logIn())
	i, err := l.Inspect(t.Context(), "acme", tokens.AccessToken)
	l.ok(err)
	if !i.Active || i.ClientID != "app" || i.Subject != "auth0|ann" || i.User == nil || i.Scope != tokens.Scope || i.Issuer != issuer {
		t.Errorf("inspected %+v", i)
	}
	for _, raw := range []string{tokens.AccessToken, tokens.RefreshToken} {
		if i, err := l.Inspect(t.Context(), "globex", raw); err != nil || i.Active || i.Subject != "" {
			t.Errorf("another tenant: %+v, %v", i, err)
		}
	}
	claims, of, err := l.UserInfo(t.Context(), tokens.AccessToken)
	l.ok(err)
	if string(claims["sub"]) != `"auth0|ann"` || string(claims["email"]) != `"ann@example.com"` || string(claims["name"]) != `"Ann"` || of.TenantID != "acme" {
		t.Errorf("userinfo %s", claims)
	}
	for name, raw := range map[string]string{"an ID token": tokens.IDToken, "a refresh token": tokens.RefreshToken, "made up": "a.b.c"} {
		if _, _, err := l.UserInfo(t.Context(), raw); err == nil {
			t.Errorf("%s was good for userinfo", name)
		}
		if name != "a refresh token" && l.active(raw) {
			t.Errorf("%s is active", name)
		}
	}
	few := l.redeem(l.logIn(func(r *request) { r.Scope = []string{"openid"} }))
	claims, _, err = l.UserInfo(t.Context(), few.AccessToken)
	l.ok(err)
	if len(claims) != 1 {
		t.Errorf("openid alone tells %s", claims)
	}
	_, _, err = l.UserInfo(t.Context(), l.redeem(l.logIn(func(r *request) { r.Scope = []string{"read:orders"} })).AccessToken)
	l.refused(err, "invalid_token")
	l.moved.move(time.Hour)
	if l.active(tokens.AccessToken) {
		t.Error("an expired token is active")
	}
}
