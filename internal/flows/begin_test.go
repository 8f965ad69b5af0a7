package flows_test

import (
	"errors"
	"testing"

	"github.com/latchkey-dev/latchkey/internal/flows"
)

// What an application may ask for, and nothing else.
func TestBegin(t *testing.T) {
	t.Parallel()
	l := newLogins(t, nil)
	negative := -1
	for name, test := range map[string]struct {
		change func(*request)
		code   string // empty: it may
	}{
		"as usual":              {func(*request) {}, ""},
		"no audience":           {func(r *request) { r.Audience = "" }, ""},
		"another client":        {func(r *request) { r.ClientID = "other" }, "unauthorized_client"},
		"no redirect URI":       {func(r *request) { r.RedirectURI = "" }, flows.InvalidCallback},
		"a longer redirect URI": {func(r *request) { r.RedirectURI += "/x" }, flows.InvalidCallback},
		"a query at it":         {func(r *request) { r.RedirectURI += "?a=b" }, flows.InvalidCallback},
		"implicit":              {func(r *request) { r.ResponseType = "token" }, "unsupported_response_type"},
		"hybrid":                {func(r *request) { r.ResponseType = "code id_token" }, "unsupported_response_type"},
		"no challenge":          {func(r *request) { r.CodeChallenge, r.CodeChallengeMethod = "", "" }, "invalid_request"},
		"a method alone":        {func(r *request) { r.CodeChallenge = "" }, "invalid_request"},
		"plain":                 {func(r *request) { r.CodeChallengeMethod = "plain" }, "invalid_request"},
		"plain by default":      {func(r *request) { r.CodeChallengeMethod = "" }, "invalid_request"},
		"a short challenge":     {func(r *request) { r.CodeChallenge = "abc" }, "invalid_request"},
		"none, and login":       {func(r *request) { r.Prompt = []string{"none", "login"} }, "invalid_request"},
		"negative max_age":      {func(r *request) { r.MaxAge = &negative }, "invalid_request"},
		"unknown audience":      {func(r *request) { r.Audience = "https://nowhere.example.com/" }, "access_denied"},
		"organization":          {func(r *request) { r.Organization = "org_1" }, "invalid_request"},
	} {
		_, err := l.Begin(t.Context(), l.caller, l.request(test.change), l.browser)
		var no *flows.Refused
		if test.code == "" && err != nil || test.code != "" && (!errors.As(err, &no) || no.Code != test.code) {
			t.Errorf("%s: %v; want %q", name, err, test.code)
		}
	}
	l.exec(`update auth.clients set grant_types = '{client_credentials}'`)
	l.reread()
	_, err := l.Begin(t.Context(), l.caller, l.request(), l.browser)
	l.refused(err, "unauthorized_client")
}

// A client that keeps a secret may go without PKCE if it says so; a public one may not.
func TestPKCEIsOptionalForSome(t *testing.T) {
	t.Parallel()
	l := newLogins(t, nil)
	without := func(r *request) { r.CodeChallenge, r.CodeChallengeMethod = "", "" }
	l.exec(`update auth.clients set client_metadata = '{"pkce": "optional"}'`)
	l.reread()
	_, err := l.Begin(t.Context(), l.caller, l.request(without), l.browser)
	l.refused(err, "invalid_request")
	l.exec(`update auth.clients set token_endpoint_auth_method = 'client_secret_post'`)
	l.reread()
	_, err = l.Redeem(t.Context(), l.caller, l.logIn(without), callback, verifier())
	l.refused(err, "invalid_grant") // nobody asked with a challenge
	_, err = l.Redeem(t.Context(), l.caller, l.logIn(without), callback, "")
	l.ok(err)
	_, err = l.Redeem(t.Context(), l.caller, l.logIn(), callback, "")
	l.refused(err, "invalid_grant") // it asked with one
}

// A login in an organization is for its members, and for those who become members by how they log in.
func TestOrganization(t *testing.T) {
	t.Parallel()
	l := newLogins(t, nil)
	l.exec(`update auth.clients set organization_usage = 'allow'`)
	l.exec(`insert into auth.organizations (tenant_id, id, name) values ('acme', 'org_1', 'crew')`)
	l.exec(`insert into auth.organization_connections (tenant_id, organization_id, connection_id) values ('acme', 'org_1', 'con_1')`)
	l.reread()
	in := func(name string) func(*request) { return func(r *request) { r.Organization = name } }
	for _, name := range []string{"crew", "org_1", "org_2"} {
		_, err := l.Authenticated(t.Context(), l.caller, l.begin(in(name)), l.who())
		l.refused(err, "access_denied")
	}
	l.exec(`update auth.organization_connections set assign_membership_on_login = true`)
	for _, name := range []string{"crew", "org_1"} {
		tokens := l.redeem(l.logIn(in(name)))
		l.wantClaims(tokens.AccessToken, map[string]any{"org_id": "org_1"})
		l.wantClaims(tokens.IDToken, map[string]any{"org_id": "org_1"})
	}
	l.wantText("1", `select count(*) from auth.organization_members`)
	tokens := l.redeem(l.logIn(in("crew")))
	tokens, err := l.Refresh(t.Context(), l.caller, tokens.RefreshToken, nil)
	l.ok(err)
	l.wantClaims(tokens.AccessToken, map[string]any{"org_id": "org_1"})
	l.exec(`delete from auth.organization_members`)
	_, err = l.Refresh(t.Context(), l.caller, tokens.RefreshToken, nil)
	l.refused(err, "access_denied")
	l.exec(`delete from auth.organization_connections`)
	_, err = l.Authenticated(t.Context(), l.caller, l.begin(in("crew")), l.who())
	l.refused(err, "access_denied")
	l.exec(`update auth.clients set organization_usage = 'require'`)
	l.reread()
	_, err = l.Begin(t.Context(), l.caller, l.request(), l.browser)
	l.refused(err, "invalid_request")
}
