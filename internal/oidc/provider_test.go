package oidc_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	oidcclient "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/latchkey-dev/latchkey/auth"
)

// The independent clients: code with PKCE, refresh with rotation, userinfo, new keys; and claims of PostLogin hooks in both tokens.
func TestIndependentClients(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(h *auth.Hooks) {
		h.PostLogin("color", func(_ context.Context, _ *auth.PostLogin, api auth.PostLoginAPI) error {
			api.IDToken.SetCustomClaim("https://example.com/color", "red")
			api.AccessToken.SetCustomClaim("https://example.com/color", "red")
			return nil
		})
	})
	ctx := t.Context()
	provider, err := oidcclient.NewProvider(ctx, r.url+"/")
	r.ok(err)
	app, verifier := r.app("openid", "email", "offline_access", "read:all"), oauth2.GenerateVerifier()
	app.Endpoint.AuthURL, app.Endpoint.TokenURL = provider.Endpoint().AuthURL, provider.Endpoint().TokenURL
	b := r.browser()
	answer := b.logIn(app.AuthCodeURL("theirs", oauth2.S256ChallengeOption(verifier), oidcclient.Nonce("n"), oauth2.SetAuthURLParam("audience", "urn:api")))
	if answer.Get("state") != "theirs" || answer.Get("iss") != r.url+"/" || answer.Get("code") == "" {
		t.Fatalf("answered %v", answer)
	}
	tokens, err := app.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(verifier))
	r.ok(err)
	check := func(tokens *oauth2.Token) {
		t.Helper()
		raw, _ := tokens.Extra("id_token").(string)
		id, err := provider.Verifier(&oidcclient.Config{ClientID: "app"}).Verify(ctx, raw)
		r.ok(err)
		r.ok(id.VerifyAccessToken(tokens.AccessToken))
		var claims map[string]any
		r.ok(id.Claims(&claims))
		if id.Subject != "auth0|ann" || claims["https://example.com/color"] != "red" || claims["email"] != "ann@example.com" {
			t.Errorf("the ID token says %v", claims)
		}
		access, err := r.tokens.Verify(ctx, tokens.AccessToken, "urn:api")
		r.ok(err)
		if access.Subject != "auth0|ann" || !strings.Contains(payload(t, tokens.AccessToken), `"https://example.com/color":"red"`) || !access.Allows("read:all") {
			t.Errorf("the access token says %+v", access)
		}
		info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
		r.ok(err)
		if info.Subject != "auth0|ann" || info.Email != "ann@example.com" || !info.EmailVerified {
			t.Errorf("userinfo says %+v", info)
		}
	}
	check(tokens)
	if id, err := provider.Verifier(&oidcclient.Config{ClientID: "app"}).Verify(ctx, tokens.Extra("id_token").(string)); err != nil || id.Nonce != "n" {
		t.Errorf("the nonce is missing: %v", err)
	}

	r.ok(r.tokens.RotateAtOnce(ctx))
	refreshed, err := app.TokenSource(ctx, &oauth2.Token{RefreshToken: tokens.RefreshToken}).Token()
	r.ok(err)
	if refreshed.RefreshToken == tokens.RefreshToken {
		t.Error("the refresh token is the same")
	}
	check(refreshed)
	if _, err := app.TokenSource(ctx, &oauth2.Token{RefreshToken: tokens.RefreshToken}).Token(); err == nil || !strings.Contains(err.Error(), "invalid_grant") {
		t.Errorf("a refresh token that was used before: %v", err)
	}
	if _, err := app.TokenSource(ctx, &oauth2.Token{RefreshToken: refreshed.RefreshToken}).Token(); err == nil {
		t.Error("its family goes on")
	}

	// Single sign-on: the same browser isn't asked again.
	b.send(http.MethodGet, app.AuthCodeURL("again", oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("prompt", "none")), nil)
	if b.left == nil || b.left.Query().Get("code") == "" {
		t.Errorf("single sign-on ended at %v", b.left)
	}
}

// What is wrong with a request goes to the application only where it is known to be its own address.
func TestBadAuthorizationRequests(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	good := url.Values{
		"client_id": {"app"}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid"}, "state": {"theirs"},
		"code_challenge": {strings.Repeat("c", 43)}, "code_challenge_method": {"S256"},
	}
	for name, test := range map[string]struct {
		change map[string]string // "": none
		says   string            // to the application; "": it isn't sent there
	}{
		"no client":                  {map[string]string{"client_id": ""}, ""},
		"an unknown client":          {map[string]string{"client_id": "nobody"}, ""},
		"no redirect URI":            {map[string]string{"redirect_uri": ""}, ""},
		"a slash more":               {map[string]string{"redirect_uri": callback + "/"}, ""},
		"a letter less":              {map[string]string{"redirect_uri": callback[:len(callback)-1]}, ""},
		"upper case":                 {map[string]string{"redirect_uri": "https://APP.example.com/callback"}, ""},
		"http":                       {map[string]string{"redirect_uri": "http://app.example.com/callback"}, ""},
		"a port":                     {map[string]string{"redirect_uri": "https://app.example.com:443/callback"}, ""},
		"a query":                    {map[string]string{"redirect_uri": callback + "?x=1"}, ""},
		"a fragment":                 {map[string]string{"redirect_uri": callback + "#x"}, ""},
		"a user":                     {map[string]string{"redirect_uri": "https://app.example.com@evil.example/callback"}, ""},
		"dots":                       {map[string]string{"redirect_uri": "https://app.example.com/x/../callback"}, ""},
		"another host":               {map[string]string{"redirect_uri": "https://app.example.com.evil.example/callback"}, ""},
		"implicit":                   {map[string]string{"response_type": "token"}, "unsupported_response_type"},
		"no PKCE":                    {map[string]string{"code_challenge": "", "code_challenge_method": ""}, "invalid_request"},
		"plain PKCE":                 {map[string]string{"code_challenge_method": "plain"}, "invalid_request"},
		"nobody is logged in":        {map[string]string{"prompt": "none"}, "login_required"},
		"an audience there isn't":    {map[string]string{"audience": "urn:none"}, "access_denied"},
		"a request object":           {map[string]string{"request": "x.y.z"}, "request_not_supported"},
		"a request object elsewhere": {map[string]string{"request_uri": "https://evil.example"}, "request_uri_not_supported"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ask := url.Values{}
			for k, v := range good {
				ask[k] = v
			}
			for k, v := range test.change {
				if ask.Set(k, v); v == "" {
					ask.Del(k)
				}
			}
			b := r.browser()
			b.t = t
			b.send(http.MethodGet, r.url+"/authorize?"+ask.Encode(), nil)
			switch {
			case test.says == "" && (b.left != nil || b.status < 400):
				t.Errorf("sent to %v, %d", b.left, b.status)
			case test.says != "" && b.left == nil:
				t.Errorf("not sent to the application: %d %s", b.status, b.page)
			case test.says != "" && (b.left.Query().Get("error") != test.says || b.left.Query().Get("state") != "theirs" || b.left.Query().Get("iss") != r.url+"/"):
				t.Errorf("told %v, want %s", b.left.Query(), test.says)
			}
		})
	}
}

// A code is good once, for its application, with its verifier and its redirect URI; a second use ends what the first gave.
func TestCodes(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	code := func(verifier string) string {
		t.Helper()
		answer := r.browser().logIn(r.app("openid", "offline_access").AuthCodeURL("s", oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("audience", "urn:api")))
		return answer.Get("code")
	}
	redeem := func(form url.Values) (status int, answer map[string]any) {
		t.Helper()
		b := r.browser()
		b.send(http.MethodPost, r.url+"/oauth/token", form)
		r.ok(json.Unmarshal([]byte(b.page), &answer))
		return b.status, answer
	}
	verifier := oauth2.GenerateVerifier()
	for name, change := range map[string]url.Values{
		"another verifier":     {"code_verifier": {oauth2.GenerateVerifier()}},
		"no verifier":          {"code_verifier": nil},
		"another redirect URI": {"redirect_uri": {callback + "/"}},
		"another application":  {"client_id": {"other"}},
		"another code":         {"code": {"x"}},
	} {
		form := url.Values{"grant_type": {"authorization_code"}, "client_id": {"app"}, "redirect_uri": {callback}, "code": {code(verifier)}, "code_verifier": {verifier}}
		for k, v := range change {
			form[k] = v
		}
		if status, answer := redeem(form); status != http.StatusBadRequest || answer["error"] == nil || answer["access_token"] != nil {
			t.Errorf("%s: %d %v", name, status, answer)
		}
	}
	form := url.Values{"grant_type": {"authorization_code"}, "client_id": {"app"}, "redirect_uri": {callback}, "code": {code(verifier)}, "code_verifier": {verifier}}
	status, first := redeem(form)
	if status != http.StatusOK {
		t.Fatalf("%d %v", status, first)
	}
	if status, answer := redeem(form); status != http.StatusBadRequest || answer["error"] != "invalid_grant" {
		t.Errorf("a second use: %d %v", status, answer)
	}
	refresh := url.Values{"grant_type": {"refresh_token"}, "client_id": {"app"}, "refresh_token": {first["refresh_token"].(string)}}
	if status, answer := redeem(refresh); status != http.StatusBadRequest {
		t.Errorf("what the first use gave goes on: %d %v", status, answer)
	}
	if status, answer := redeem(url.Values{"grant_type": {"password"}, "client_id": {"app"}, "username": {"ann@example.com"}, "password": {password}}); status < 400 || answer["error"] != "unauthorized_client" {
		t.Errorf("a password grant that the application hasn't: %d %v", status, answer)
	}
}

// payload is what a JWT says.
func payload(t *testing.T, jwt string) string {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(jwt, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
