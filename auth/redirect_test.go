package auth_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/latchkey-dev/latchkey/auth"
)

const secret = "a secret of the two sites' own, long enough"

// runOne runs one hook on a login.
func runOne(t *testing.T, ev *auth.PostLogin, fn func(*auth.PostLogin, auth.PostLoginAPI)) (auth.LoginOutcome, error) {
	t.Helper()
	return flowsOf(t, func(h *auth.Hooks) { h.PostLogin("x", then(fn)) }).RunPostLogin(t.Context(), ev)
}

// The URL's own query comes first, the state last, and it is the login's.
func TestSendUserTo(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		to    string
		query map[string]string
		want  string
		says  string
	}{
		"plain":           {"https://x.com", nil, "https://x.com?state=st%261", ""},
		"own query":       {"http://x.com/a?b=1&a=%20&b=2#top", map[string]string{"z": "&", "c": "3"}, "http://x.com/a?b=1&a=%20&b=2&c=3&z=%26&state=st%261#top", ""},
		"own state":       {"https://x.com/?state=mine&%73tate=mine&a=1", map[string]string{"state": "mine"}, "https://x.com/?a=1&state=st%261", ""},
		"only own state":  {"https://x.com/?state=mine&%73tate=mine&a=1", nil, "https://x.com/?a=1&state=st%261", ""},
		"a name of both":  {"https://x.com/?a=1&b=2", map[string]string{"a": "3"}, "https://x.com/?b=2&a=3&state=st%261", ""},
		"relative":        {"/terms", nil, "", `"/terms" is no absolute http or https URL`},
		"of another kind": {"javascript:alert(1)", nil, "", "is no absolute http or https URL"},
		"no host":         {"https:///x", nil, "", "is no absolute http or https URL"},
		"none":            {"http://[", nil, "", "auth: redirect: parse"},
		"a broken query":  {"https://x.com?%zz=1", nil, "", "the URL's query: invalid URL escape"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := runOne(t, login(), func(ev *auth.PostLogin, api auth.PostLoginAPI) {
				ev.Transaction.State = "forged"
				api.Redirect.SendUserTo(test.to, test.query)
			})
			if test.says != "" {
				requireFault(t, err, "x", test.says)
			} else if err != nil || out.Suspended.RedirectTo != test.want {
				t.Errorf("%+v, %v; want %s", out.Suspended, err, test.want)
			}
		})
	}
	ev := login()
	ev.Transaction.State = ""
	_, err := runOne(t, ev, func(_ *auth.PostLogin, api auth.PostLoginAPI) { api.Redirect.SendUserTo("https://x.com", nil) })
	requireFault(t, err, "x", "the login has no state")
}

// The other site gets a token that says whom it is about, and for how long.
func TestEncodeToken(t *testing.T) {
	t.Parallel()
	for lifetime, want := range map[time.Duration]time.Duration{0: 15 * time.Minute, time.Minute: time.Minute} {
		_, err := runOne(t, login(), func(_ *auth.PostLogin, api auth.PostLoginAPI) {
			raw, err := api.Redirect.EncodeToken(auth.RedirectToken{Secret: secret, Payload: map[string]int{"age": 30}, ExpiresIn: lifetime})
			if err != nil {
				t.Error(err)
				return
			}
			parsed, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.HS256})
			if err != nil {
				t.Error(err)
				return
			}
			var claims jwt.Claims
			var more struct {
				State string `json:"state"`
				Age   int    `json:"age"`
			}
			if err := parsed.Claims([]byte(secret), &claims, &more); err != nil || claims.Subject != "ann" || more.State != "st&1" || more.Age != 30 ||
				claims.Expiry.Time().Sub(claims.IssuedAt.Time()) != want || time.Since(claims.IssuedAt.Time()) > time.Minute {
				t.Errorf("%+v %+v, %v", claims, more, err)
			}
		})
		if err != nil {
			t.Error(err)
		}
	}
	stateless := login()
	stateless.Transaction.State = ""
	for says, test := range map[string]struct {
		ev    *auth.PostLogin
		token auth.RedirectToken
	}{
		"the secret is empty":        {login(), auth.RedirectToken{}},
		"the login has no state":     {stateless, auth.RedirectToken{Secret: secret}},
		`payload: "state" is set`:    {login(), auth.RedirectToken{Secret: secret, Payload: map[string]string{"state": "mine"}}},
		`payload: "exp" is set`:      {login(), auth.RedirectToken{Secret: secret, Payload: map[string]int{"exp": 1}}},
		"payload: json: cannot unm":  {login(), auth.RedirectToken{Secret: secret, Payload: 7}},
		"payload: json: unsupported": {login(), auth.RedirectToken{Secret: secret, Payload: func() {}}},
	} {
		_, _ = runOne(t, test.ev, func(_ *auth.PostLogin, api auth.PostLoginAPI) {
			if raw, err := api.Redirect.EncodeToken(test.token); raw != "" || err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%s, %v; want %s", raw, err, says)
			}
		})
	}
}

// signed is what the other site gives.
func signed(t *testing.T, alg jose.SignatureAlgorithm, secret string, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: []byte(secret)}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// Only what the other site signed for this login, and lately, counts.
func TestValidateToken(t *testing.T) {
	t.Parallel()
	const long = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	soon, past := time.Now().Add(time.Minute).Unix(), time.Now().Add(-time.Second).Unix()
	good := signed(t, jose.HS256, secret, map[string]any{"state": "st&1", "exp": soon, "ok": true})
	own := ""
	_, _ = runOne(t, login(), func(_ *auth.PostLogin, api auth.PostLoginAPI) {
		own, _ = api.Redirect.EncodeToken(auth.RedirectToken{Secret: secret})
	})
	for name, test := range map[string]struct {
		query, form url.Values
		parameter   string
		valid       bool
	}{
		"good":             {url.Values{"session_token": {good}}, nil, "", true},
		"posted":           {nil, url.Values{"session_token": {good}}, "", true},
		"another name":     {url.Values{"proof": {good}}, nil, "proof", true},
		"by another name":  {url.Values{"proof": {good}}, nil, "", false},
		"none":             {nil, nil, "", false},
		"twice":            {url.Values{"session_token": {good}}, url.Values{"session_token": {good}}, "", false},
		"no token":         {url.Values{"session_token": {"x"}}, nil, "", false},
		"cut":              {url.Values{"session_token": {good[:len(good)-4]}}, nil, "", false},
		"expired":          {url.Values{"session_token": {signed(t, jose.HS256, secret, map[string]any{"state": "st&1", "exp": past})}}, nil, "", false},
		"without an end":   {url.Values{"session_token": {signed(t, jose.HS256, secret, map[string]any{"state": "st&1"})}}, nil, "", false},
		"not yet":          {url.Values{"session_token": {signed(t, jose.HS256, secret, map[string]any{"state": "st&1", "exp": soon, "nbf": soon})}}, nil, "", false},
		"another login's":  {url.Values{"session_token": {signed(t, jose.HS256, secret, map[string]any{"state": "other", "exp": soon})}}, nil, "", false},
		"no login's":       {url.Values{"session_token": {signed(t, jose.HS256, secret, map[string]any{"exp": soon})}}, nil, "", false},
		"another secret":   {url.Values{"session_token": {signed(t, jose.HS256, long, map[string]any{"state": "st&1", "exp": soon})}}, nil, "", false},
		"another alg":      {url.Values{"session_token": {signed(t, jose.HS512, long, map[string]any{"state": "st&1", "exp": soon})}}, nil, "", false},
		"our own, back":    {url.Values{"session_token": {own}}, nil, "", false},
		"without a signer": {url.Values{"session_token": {"eyJhbGciOiJub25lIn0.eyJzdGF0ZSI6InN0JjEifQ."}}, nil, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ev := login()
			ev.Request.Query, ev.Request.Form = test.query, test.form
			_, err := runOne(t, ev, func(_ *auth.PostLogin, api auth.PostLoginAPI) {
				with := secret
				if name == "another alg" {
					with = long
				}
				claims := api.Redirect.ValidateToken(auth.RedirectCheck{Secret: with, Parameter: test.parameter})
				if (claims != nil) != test.valid || test.valid && string(claims["ok"]) != "true" {
					t.Errorf("claims %s", claims)
				}
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	_, err := runOne(t, login(), func(_ *auth.PostLogin, api auth.PostLoginAPI) { api.Redirect.ValidateToken(auth.RedirectCheck{}) })
	requireFault(t, err, "x", "the secret is empty")
	stateless := login()
	stateless.Transaction.State = ""
	stateless.Request.Query = url.Values{"session_token": {signed(t, jose.HS256, secret, map[string]any{"state": "", "exp": soon})}}
	_, _ = runOne(t, stateless, func(_ *auth.PostLogin, api auth.PostLoginAPI) {
		if api.Redirect.ValidateToken(auth.RedirectCheck{Secret: secret}) != nil {
			t.Error("a token for no login is taken for a login without a state")
		}
	})
}
