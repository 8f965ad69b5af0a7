package token_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/latchkey-dev/latchkey/internal/token"
)

func TestMintAndVerify(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"", token.RS256, token.EdDSA} {
		e := newEnv(t)
		cfg := e.config(t)
		cfg.Alg = alg
		i, err := token.Open(t.Context(), cfg)
		ok(t, err)
		want := token.Claims{
			Subject: "auth0|1", AuthorizedParty: "client", Audience: []string{audience, "other"}, TenantID: "acme", Scope: "read:hooks  create:hooks",
			Permissions: []string{"delete:hooks"}, Expires: e.clock.now().Add(time.Hour),
		}
		raw, err := i.Mint(t.Context(), want)
		ok(t, err)
		got, err := i.Verify(t.Context(), raw, audience)
		ok(t, err)
		if got.Subject != want.Subject || got.AuthorizedParty != want.AuthorizedParty || len(got.Audience) != 2 || got.TenantID != "acme" || got.Scope != want.Scope ||
			!got.Expires.Equal(want.Expires) || !got.IssuedAt.Equal(e.clock.now()) || got.ID == "" {
			t.Errorf("%s: minted %+v, verified %+v", alg, want, got)
		}
		for scope, allowed := range map[string]bool{"read:hooks": true, "create:hooks": true, "delete:hooks": true, "update:hooks": false, "read": false, "": false, " ": false} {
			if got.Allows(scope) != allowed {
				t.Errorf("%q is allowed: %v", scope, !allowed)
			}
		}
		if k := e.private(t); alg == "" && k.Algorithm != token.RS256 {
			t.Errorf("by default keys are of %s", k.Algorithm)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	i := e.open(t)
	ours := e.private(t)
	now := e.clock.now().Unix()
	good := map[string]any{"iss": issuer, "aud": audience, "sub": "s", "iat": now, "exp": now + 60}
	with := func(claim string, value any) string {
		claims := maps.Clone(good)
		if claims[claim] = value; value == nil {
			delete(claims, claim)
		}
		return forge(t, jose.EdDSA, ours, claims)
	}
	if _, err := i.Verify(t.Context(), forge(t, jose.EdDSA, ours, good), audience); err != nil {
		t.Fatal(err)
	}
	_, strange, err := ed25519.GenerateKey(rand.Reader)
	ok(t, err)
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	raw := forge(t, jose.EdDSA, ours, good)
	parts := strings.Split(raw, ".")
	secret := jose.JSONWebKey{Key: []byte(ours.Key.(ed25519.PrivateKey).Public().(ed25519.PublicKey)), KeyID: ours.KeyID}
	for name, test := range map[string]struct {
		raw  string
		want error
	}{
		"nothing":              {"", token.ErrMalformed},
		"words":                {"not a token", token.ErrMalformed},
		"too long":             {strings.Repeat("a", 20_000), token.ErrMalformed},
		"unsigned":             {part(`{"alg":"none"}`) + "." + parts[1] + ".", token.ErrMalformed},
		"signed by public key": {forge(t, jose.HS256, secret, good), token.ErrMalformed},
		"no kid":               {forge(t, jose.EdDSA, jose.JSONWebKey{Key: ours.Key}, good), token.ErrMalformed},
		"other claims":         {parts[0] + "." + part(`{"sub":"root"}`) + "." + parts[2], token.ErrSignature},
		"another key":          {forge(t, jose.EdDSA, jose.JSONWebKey{Key: strange, KeyID: ours.KeyID}, good), token.ErrSignature},
		"another algorithm":    {part(`{"alg":"RS256","kid":"`+ours.KeyID+`"}`) + "." + parts[1] + "." + parts[2], token.ErrSignature},
		"unknown key":          {forge(t, jose.EdDSA, jose.JSONWebKey{Key: strange, KeyID: "x"}, good), token.ErrUnknownKey},
		"no exp":               {with("exp", nil), token.ErrMalformed},
		"no iat":               {with("iat", nil), token.ErrMalformed},
		"no sub":               {with("sub", nil), token.ErrMalformed},
		"an exp that's text":   {with("exp", "tomorrow"), token.ErrMalformed},
		"expired":              {with("exp", now-11), token.ErrExpired},
		"issued later":         {with("iat", now+30), token.ErrNotYet},
		"valid later":          {with("nbf", now+30), token.ErrNotYet},
		"issuer":               {with("iss", "https://id.example.com"), token.ErrIssuer},
		"audience":             {with("aud", "https://api.example.com"), token.ErrAudience},
		"no audience":          {with("aud", nil), token.ErrAudience},
		"an empty audience":    {with("aud", ""), token.ErrAudience},
	} {
		_, err := i.Verify(t.Context(), test.raw, audience)
		wantError(t, err, test.want)
		wantError(t, err, token.ErrInvalid)
		if t.Failed() {
			t.Fatal(name)
		}
	}
	_, err = i.Verify(t.Context(), with("aud", ""), "")
	wantError(t, err, token.ErrAudience)
	if _, err := i.Verify(t.Context(), with("exp", now-9), audience); err != nil {
		t.Errorf("clocks that are 9 s apart: %v", err)
	}
}

func TestMintRefuses(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	i := e.open(t)
	now := e.clock.now()
	for name, c := range map[string]token.Claims{
		"subject":  {Audience: []string{"a"}, Expires: now.Add(time.Hour)},
		"audience": {Subject: "s", Expires: now.Add(time.Hour)},
		"expire":   {Subject: "s", Audience: []string{"a"}},
		"at most":  {Subject: "s", Audience: []string{"a"}, Expires: now.Add(token.MaxLifetime + time.Second)},
	} {
		if _, err := i.Mint(t.Context(), c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Tokens with made-up keys don't make us ask the database each time.
func TestUnknownKeysAreReadSeldom(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	i := e.open(t)
	e.clock.move(6 * time.Second)
	_, strange, err := ed25519.GenerateKey(rand.Reader)
	ok(t, err)
	before := e.db.asked.Load()
	for range 100 {
		_, err := i.Verify(t.Context(), forge(t, jose.EdDSA, jose.JSONWebKey{Key: strange, KeyID: rand.Text()}, map[string]any{}), audience)
		wantError(t, err, token.ErrUnknownKey)
	}
	if n := e.db.asked.Load() - before; n != 1 {
		t.Errorf("the database was asked %d times; want 1", n)
	}
	e.clock.move(6 * time.Second)
	_, err = i.Verify(t.Context(), forge(t, jose.EdDSA, jose.JSONWebKey{Key: strange, KeyID: "x"}, map[string]any{}), audience)
	wantError(t, err, token.ErrUnknownKey)
	if n := e.db.asked.Load() - before; n != 2 {
		t.Errorf("later the database was asked %d times; want 2", n)
	}
}

// A token whose signature was checked before is refused all the same once it has expired, for another audience, and without
// its key.
func TestVerifyAgain(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	i := e.open(t)
	leaked := e.kid(t, token.Current)
	raw := e.mint(t, i)
	for range 2 {
		_, err := i.Verify(t.Context(), raw, audience)
		ok(t, err)
	}
	_, err := i.Verify(t.Context(), raw, "another")
	wantError(t, err, token.ErrAudience)
	ok(t, i.RotateAtOnce(t.Context()))
	ok(t, i.Revoke(t.Context(), leaked))
	e.clock.move(6 * time.Second)
	_, err = i.Verify(t.Context(), raw, audience)
	wantError(t, err, token.ErrUnknownKey)

	raw = e.mint(t, i)
	_, err = i.Verify(t.Context(), raw, audience)
	ok(t, err)
	e.clock.move(30 * 24 * time.Hour)
	_, err = i.Verify(t.Context(), raw, audience)
	wantError(t, err, token.ErrExpired)
}

// An ID token has the hash of the access token that it came with, so nobody takes it for one; claims of a program's own come along.
func TestMintWithMoreClaims(t *testing.T) {
	t.Parallel()
	for alg, hash := range map[string]func(string) []byte{
		token.RS256: func(s string) []byte { sum := sha256.Sum256([]byte(s)); return sum[:16] },
		token.EdDSA: func(s string) []byte { sum := sha512.Sum512([]byte(s)); return sum[:32] },
	} {
		e := newEnv(t)
		cfg := e.config(t)
		cfg.Alg = alg
		i, err := token.Open(t.Context(), cfg)
		ok(t, err)
		c := token.Claims{
			Subject: "auth0|1", Audience: []string{audience}, Expires: e.clock.now().Add(time.Hour), SessionID: "sess_1", Grant: "login_1", OrganizationID: "org_1",
			Private: map[string]json.RawMessage{"https://example.com/roles": json.RawMessage(`["admin"]`)}, Type: token.AccessTokenType,
		}
		access, err := i.Mint(t.Context(), c)
		ok(t, err)
		got, err := i.Inspect(t.Context(), access)
		ok(t, err)
		if got.SessionID != "sess_1" || got.Grant != "login_1" || got.OrganizationID != "org_1" {
			t.Errorf("%s: %+v", alg, got)
		}
		if header, claims := parts(t, access); header["typ"] != "at+jwt" || fmt.Sprint(claims["https://example.com/roles"]) != "[admin]" {
			t.Errorf("%s: %v %v", alg, header, claims)
		}
		c.AccessToken, c.Type = access, ""
		id, err := i.Mint(t.Context(), c)
		ok(t, err)
		if header, claims := parts(t, id); header["typ"] != "JWT" || claims["at_hash"] != base64.RawURLEncoding.EncodeToString(hash(access)) {
			t.Errorf("%s: %v %v", alg, header, claims)
		}
		_, err = i.Inspect(t.Context(), id)
		wantError(t, err, token.ErrMalformed)
		c.Private = map[string]json.RawMessage{"sub": json.RawMessage(`"auth0|2"`)}
		if _, err = i.Mint(t.Context(), c); err == nil {
			t.Error("a private claim took the place of the subject")
		}
	}
}

// parts reads a token without checking it.
func parts(t *testing.T, raw string) (header, claims map[string]any) {
	t.Helper()
	for n, into := range []*map[string]any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[n])
		ok(t, err)
		ok(t, json.Unmarshal(text, into))
	}
	return header, claims
}
