package flows_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
)

// A client gets what its grant has, with the claims of hooks, which may refuse.
func TestClientCredentials(t *testing.T) {
	t.Parallel()
	o := &order{}
	l := newLogins(t, o.onEverything)
	ask := func(audience string, scope ...string) (map[string]any, error) {
		tokens, err := l.ClientCredentials(t.Context(), l.caller, audience, scope)
		if err != nil {
			return nil, err
		}
		if tokens.RefreshToken+tokens.IDToken != "" || !l.active(tokens.AccessToken) {
			t.Error("there is more than an access token, or it isn't active")
		}
		claims := l.claims(tokens.AccessToken)
		if claims["exp"].(float64)-claims["iat"].(float64) != float64(tokens.ExpiresIn) || claims["scope"] != tokens.Scope && tokens.Scope != "" {
			t.Errorf("claims %v", claims)
		}
		return claims, nil
	}
	_, err := ask(orders)
	l.refused(err, "unauthorized_client") // it is public
	l.exec(`update auth.clients set token_endpoint_auth_method = 'client_secret_post'`)
	l.exec(`insert into auth.client_grants (tenant_id, client_id, audience, scope) values ('acme', 'app', $1, '{read:orders,write:orders}'), ('acme', 'app', 'urn:gone', '{}'),
		('acme', 'app', 'urn:latchkey:management', '{read:users}')`, orders)
	l.reread()
	claims, err := ask(orders)
	l.ok(err)
	if claims["sub"] != "app@clients" || claims["azp"] != "app" || claims["aud"] != orders || claims["scope"] != "read:orders write:orders" || claims["gty"] != "client-credentials" ||
		claims["x-scopes"] != "read:orders+write:orders" || claims["sid"] != nil || claims["grant"] != nil || claims["exp"].(float64)-claims["iat"].(float64) != 3600 {
		t.Errorf("claims %v", claims)
	}
	claims, err = ask("urn:latchkey:management")
	l.ok(err)
	if claims["exp"].(float64)-claims["iat"].(float64) != 86400 {
		t.Errorf("claims %v", claims)
	}
	claims, err = ask(orders, "write:orders")
	l.ok(err)
	if claims["scope"] != "write:orders" || claims["x-scopes"] != "write:orders" {
		t.Errorf("claims %v", claims)
	}
	_, err = ask(orders, "delete:orders")
	l.refused(err, "invalid_scope")
	_, err = ask("https://nowhere.example.com/")
	l.refused(err, "unauthorized_client")
	_, err = ask("urn:gone")
	l.refused(err, "unauthorized_client")
	_, err = ask("")
	l.refused(err, "invalid_request")
	l.exec(`update auth.clients set name = 'Denied'`)
	_, err = ask(orders)
	l.refused(err, "access_denied")
	l.exec(`update auth.clients set grant_types = '{authorization_code}'`)
	l.reread()
	_, err = ask(orders)
	l.refused(err, "unauthorized_client")
	if got := l.lines(); strings.Count(got, "seccft") != 3 || strings.Count(got, "feccft") != 7 {
		t.Errorf("lines %q", got)
	}
}

// A login without a browser has no session, its grant names its tokens, and a hook can't send the user anywhere.
func TestDirect(t *testing.T) {
	t.Parallel()
	suspend := false
	l := newLogins(t, func(h *auth.Hooks, _ *db.Hooks) {
		h.PostLogin("test", func(_ context.Context, ev *auth.PostLogin, api auth.PostLoginAPI) error {
			api.AccessToken.SetCustomClaim("x-protocol", ev.Transaction.Protocol)
			api.User.SetUserMetadata("seen", ev.Stats.LoginsCount)
			if suspend {
				api.Prompt.Render("form_1")
			}
			return nil
		})
	})
	g, err := l.Direct(t.Context(), l.caller, l.who(), orders, []string{"openid", "offline_access", "read:orders"})
	l.ok(err)
	tokens, err := l.Issue(t.Context(), l.caller, g)
	l.ok(err)
	l.wantClaims(tokens.AccessToken, map[string]any{"x-protocol": "oauth2-password", "grant": g.ID, "sid": nil, "scope": "openid read:orders offline_access"})
	l.wantClaims(tokens.IDToken, map[string]any{"sid": nil, "nonce": nil, "amr": "[pwd]"})
	l.wantText("0 1 after_login 1", `select (select count(*) from auth.sessions) || ' ' || (select login_count from auth.user_stats) || ' ' || (select string_agg(type, ' ') from auth.auth_events)
		|| ' ' || (select user_metadata->>'seen' from auth.users)`)
	next, err := l.Refresh(t.Context(), l.caller, tokens.RefreshToken, nil)
	l.ok(err)
	l.wantClaims(next.AccessToken, map[string]any{"grant": g.ID})
	suspend = true
	_, err = l.Direct(t.Context(), l.caller, l.who(), orders, nil)
	l.refused(err, "interaction_required")
	suspend = false
	_, err = l.Direct(t.Context(), l.caller, l.who(), "https://nowhere.example.com/", nil)
	l.refused(err, "access_denied")
	nobody := l.caller
	nobody.Client = nil
	g, err = l.Direct(t.Context(), nobody, l.who(), "", []string{"openid", "offline_access"})
	l.ok(err)
	tokens, err = l.Issue(t.Context(), nobody, g)
	l.ok(err)
	if tokens.RefreshToken+tokens.IDToken != "" || !l.active(tokens.AccessToken) {
		t.Error("tokens of no application")
	}
	if got := strings.Fields(l.lines()); slices.Index(got, "f") != 0 || strings.Join(got, " ") != "f f s s sertft" {
		t.Errorf("lines %q", got)
	}
}
