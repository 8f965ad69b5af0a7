package flows_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/latchkey-dev/latchkey/internal/flows"
)

// What the tokens of a login say, and for how long.
func TestTokens(t *testing.T) {
	t.Parallel()
	l := newLogins(t, nil)
	tokens := l.redeem(l.logIn())
	if tokens.TokenType != "Bearer" || tokens.Scope != "openid profile email read:orders offline_access" || tokens.ExpiresIn != 600 || tokens.RefreshToken == "" {
		t.Errorf("tokens of scope %q for %d s", tokens.Scope, tokens.ExpiresIn)
	}
	s, err := l.Session(t.Context(), "acme", l.browser.Session)
	l.ok(err)
	login := l.text(`select id from auth.login_sessions`)
	l.wantClaims(tokens.AccessToken, map[string]any{
		"iss": issuer, "sub": "auth0|ann", "azp": "app", "tenant_id": "acme", "aud": []string{orders, issuer + "userinfo"}, "scope": tokens.Scope, "sid": s.ID, "grant": login,
		"permissions": nil, "email": nil,
	})
	l.wantClaims(tokens.IDToken, map[string]any{
		"iss": issuer, "sub": "auth0|ann", "aud": "app", "nonce": "n-1", "sid": s.ID, "amr": "[pwd]", "name": "Ann", "email": "ann@example.com", "email_verified": true,
		"phone_number": nil, "scope": nil,
	})
	id := l.claims(tokens.IDToken)
	if id["exp"].(float64)-id["iat"].(float64) != 36_000 || id["auth_time"] == nil || id["at_hash"] == nil {
		t.Errorf("ID token %v", id)
	}
	tokens = l.redeem(l.logIn(func(r *request) {
		r.Scope, r.Nonce = []string{"read:orders", "read:orders", "delete:orders", "profile"}, ""
	}))
	if tokens.IDToken != "" || tokens.RefreshToken != "" || tokens.Scope != "read:orders profile" {
		t.Errorf("without openid and offline_access: scope %q", tokens.Scope)
	}
	l.wantClaims(tokens.AccessToken, map[string]any{"aud": orders})
	tokens = l.redeem(l.logIn(func(r *request) { r.Audience = "" }))
	l.wantClaims(tokens.AccessToken, map[string]any{"aud": issuer + "userinfo", "scope": "openid profile email offline_access"})
	l.exec(`update auth.tenants set default_audience = $1`, orders)
	l.exec(`update auth.clients set app_type = 'native', jwt_configuration = '{"lifetime_in_seconds": 60}', grant_types = '{authorization_code}'`)
	l.reread()
	tokens = l.redeem(l.logIn(func(r *request) { r.Audience = "" }))
	l.wantClaims(tokens.AccessToken, map[string]any{"aud": []string{orders, issuer + "userinfo"}})
	if id := l.claims(tokens.IDToken); tokens.ExpiresIn != 3600 || id["exp"].(float64)-id["iat"].(float64) != 60 || tokens.RefreshToken != "" {
		t.Errorf("a native app's token lives for %d s", tokens.ExpiresIn)
	}
	l.exec(`update auth.clients set grant_types = '{}'`)
	l.exec(`update auth.resource_servers set allow_offline_access = false`)
	l.reread()
	if tokens := l.redeem(l.logIn()); tokens.RefreshToken != "" || strings.Contains(tokens.Scope, "offline_access") {
		t.Error("the resource server allows no refresh tokens")
	}
}

// A resource server that enforces policies gives what the user has by itself, its roles and its membership; the management API always does.
func TestPermissions(t *testing.T) {
	t.Parallel()
	l := newLogins(t, nil)
	ask := func(audience string) flows.Tokens {
		return l.redeem(l.logIn(func(r *request) { r.Audience, r.Scope = audience, []string{"read:orders", "write:orders"} }))
	}
	if got := ask(orders).Scope; got != "read:orders write:orders" {
		t.Errorf("unenforced: %q", got)
	}
	l.exec(`update auth.resource_servers set enforce_policies = true`)
	if got := ask(orders).Scope; got != "" {
		t.Errorf("enforced, without permissions: %q", got)
	}
	l.exec(`insert into auth.permissions (tenant_id, resource_server_identifier, permission_name) values ('acme', $1, 'write:orders'), ('acme', $1, 'hidden:orders')`, orders)
	l.exec(`insert into auth.roles (tenant_id, id, name) values ('acme', 'rol_1', 'editor')`)
	l.exec(`insert into auth.user_roles (tenant_id, user_id, role_id) values ('acme', 'auth0|ann', 'rol_1')`)
	l.exec(`insert into auth.role_permissions (tenant_id, role_id, resource_server_identifier, permission_name) values ('acme', 'rol_1', $1, 'write:orders')`, orders)
	l.exec(`insert into auth.user_permissions (tenant_id, user_id, resource_server_identifier, permission_name) values ('acme', 'auth0|ann', $1, 'hidden:orders')`, orders)
	tokens := ask(orders)
	l.wantClaims(tokens.AccessToken, map[string]any{"scope": "write:orders", "permissions": nil})
	l.exec(`update auth.resource_servers set token_dialect = 'access_token_authz'`)
	tokens = ask(orders)
	l.wantClaims(tokens.AccessToken, map[string]any{"scope": "write:orders", "permissions": "[hidden:orders write:orders]"})
	l.exec(`insert into auth.resource_servers (tenant_id, identifier, scopes) values ('acme', 'urn:latchkey:management', '[{"value": "read:orders"}]')`)
	if got := ask("urn:latchkey:management").Scope; got != "" {
		t.Errorf("anyone gets %q of the management API", got)
	}
}

// A code is good once, for its client, with the redirect URI and the verifier, for a minute.
func TestRedeemRefuses(t *testing.T) {
	t.Parallel()
	l := newLogins(t, nil)
	l.exec(`insert into auth.clients (tenant_id, client_id, name, callbacks, token_endpoint_auth_method) values ('acme', 'other', 'Other', $1, 'none')`, []string{callback})
	other, err := l.store.Clients.Get(t.Context(), "acme", "other")
	l.ok(err)
	stranger := l.caller
	stranger.Client = &other
	for name, test := range map[string]struct {
		caller             flows.Caller
		redirect, verifier string
	}{
		"another client":       {stranger, callback, verifier()},
		"another redirect URI": {l.caller, callback + "/x", verifier()},
		"no redirect URI":      {l.caller, "", verifier()},
		"no verifier":          {l.caller, callback, ""},
		"another verifier":     {l.caller, callback, strings.Repeat("w", 43)},
		"the challenge":        {l.caller, callback, l.request().CodeChallenge},
		"no client":            {flows.Caller{Tenant: l.caller.Tenant}, callback, verifier()},
	} {
		code := l.logIn()
		tokens, err := l.Redeem(t.Context(), test.caller, code, test.redirect, test.verifier)
		if err == nil || tokens != (flows.Tokens{}) || strings.Contains(err.Error(), code) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "no client" {
			continue
		}
		if _, err := l.Redeem(t.Context(), l.caller, code, callback, verifier()); err == nil {
			t.Errorf("%s left the code usable", name)
		}
	}
	_, err = l.Redeem(t.Context(), l.caller, "made-up", callback, verifier())
	l.refused(err, "invalid_grant")
	code := l.logIn()
	l.exec(`update auth.login_sessions set code_expires_at = now() - interval '1 second' where code_used_at is null`)
	_, err = l.Redeem(t.Context(), l.caller, code, callback, verifier())
	l.refused(err, "invalid_grant")
	code = l.logIn()
	l.exec(`update auth.users set blocked = true`)
	_, err = l.Redeem(t.Context(), l.caller, code, callback, verifier())
	l.refused(err, "invalid_grant")
}

// A second use of a code ends all that the first gave.
func TestCodeTwice(t *testing.T) {
	t.Parallel()
	l := newLogins(t, nil)
	code := l.logIn()
	tokens := l.redeem(code)
	if !l.active(tokens.AccessToken) || !l.active(tokens.RefreshToken) || l.active(tokens.IDToken) {
		t.Fatal("the tokens are not active, or the ID token is")
	}
	_, err := l.Redeem(t.Context(), l.caller, code, callback, verifier())
	l.refused(err, "invalid_grant")
	if l.active(tokens.AccessToken) || l.active(tokens.RefreshToken) {
		t.Error("a token lives on")
	}
	_, err = l.Refresh(t.Context(), l.caller, tokens.RefreshToken, nil)
	l.refused(err, "invalid_grant")
	_, _, err = l.UserInfo(t.Context(), tokens.AccessToken)
	l.refused(err, "invalid_token")
	l.wantText("true", `select (expires_at > now() + interval '29 days')::text from auth.revocations`)
	if got := l.lines(); !strings.Contains(got, "seacft") || !strings.Contains(got, "feacft") {
		t.Errorf("lines %q", got)
	}
}

// Of two uses at once, no token lives on, whichever came first.
func TestCodeTwiceAtOnce(t *testing.T) {
	t.Parallel()
	l := newLogins(t, nil)
	for range 5 {
		code := l.logIn()
		var wg sync.WaitGroup
		given := make([]flows.Tokens, 4)
		for i := range given {
			wg.Go(func() { given[i], _ = l.Redeem(t.Context(), l.caller, code, callback, verifier()) })
		}
		wg.Wait()
		for _, tokens := range given {
			if tokens.AccessToken != "" && (l.active(tokens.AccessToken) || l.active(tokens.RefreshToken)) {
				t.Error("a token lives on")
			}
		}
	}
}

// What is no secret elsewhere is none here: logs and errors name no code, token, verifier or cookie.
func TestNothingSecretIsLogged(t *testing.T) {
	t.Parallel()
	l := newLogins(t, nil)
	code := l.logIn()
	tokens := l.redeem(code)
	next, err := l.Refresh(t.Context(), l.caller, tokens.RefreshToken, nil)
	l.ok(err)
	_, err = l.Refresh(t.Context(), l.caller, tokens.RefreshToken, nil)
	all := fmt.Sprint(err)
	_, err = l.Redeem(t.Context(), l.caller, code, callback, verifier())
	all += fmt.Sprint(err) + l.text(`select string_agg(l::text, ' ') from auth.logs l`) + l.text(`select string_agg(e::text, ' ') from auth.auth_events e`) +
		l.text(`select string_agg(s::text, ' ') from auth.login_sessions s`) + l.text(`select string_agg(s::text, ' ') from auth.sessions s`)
	for _, secret := range slices.Concat(strings.Split(tokens.AccessToken, ".")[1:], []string{code, tokens.RefreshToken, next.RefreshToken, verifier(), l.browser.Session, l.browser.Binding}) {
		if strings.Contains(all, secret) {
			t.Errorf("%d characters of a secret are in a log, an error or a row", len(secret))
		}
	}
}
