package flows_test

import "testing"

// A logout by an access token ends the login that gave it, and raises after_logout once, whichever of the login's tokens comes again.
func TestLogoutToken(t *testing.T) {
	t.Parallel()
	l := newLogins(t, nil)
	events := `select count(*)::text from auth.auth_events where type = 'after_logout'`
	for name, give := range map[string]func() string{
		"of a session": func() string { return l.redeem(l.logIn()).AccessToken },
		"of no session": func() string {
			g, err := l.Direct(t.Context(), l.caller, l.who(), orders, []string{"openid", "offline_access"})
			l.ok(err)
			tokens, err := l.Issue(t.Context(), l.caller, g)
			l.ok(err)
			return tokens.AccessToken
		},
	} {
		l.exec(`delete from auth.auth_events`)
		raw := give()
		i, err := l.Inspect(t.Context(), l.caller.Tenant.ID, raw)
		l.ok(err)
		for range 2 {
			l.ok(l.LogoutToken(t.Context(), l.caller, &i))
		}
		l.wantText("1", events)
		if l.active(raw) {
			t.Errorf("%s: the access token goes on", name)
		}
		l.wantText("0", `select count(*)::text from auth.refresh_tokens where revoked_at is null`)
		l.wantText("0", `select count(*)::text from auth.sessions where ended_at is null`)
	}
}

// Where the user logged out of the session before, the tokens end all the same, and nothing is raised again.
func TestLogoutTokenAfterLogout(t *testing.T) {
	t.Parallel()
	l := newLogins(t, nil)
	i, err := l.Inspect(t.Context(), l.caller.Tenant.ID, l.redeem(l.logIn()).AccessToken)
	l.ok(err)
	s, err := l.Session(t.Context(), l.caller.Tenant.ID, l.browser.Session)
	l.ok(err)
	l.ok(l.Logout(t.Context(), l.caller, s))
	l.ok(l.LogoutToken(t.Context(), l.caller, &i))
	l.wantText("1", `select count(*)::text from auth.auth_events where type = 'after_logout'`)
	l.wantText("0", `select count(*)::text from auth.refresh_tokens where revoked_at is null`)
}
