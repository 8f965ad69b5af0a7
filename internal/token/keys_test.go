package token_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/latchkey-dev/latchkey/internal/seal"
	"github.com/latchkey-dev/latchkey/internal/token"
)

// published is the ids in the JWKS.
func published(t *testing.T, i *token.Issuer) []string {
	t.Helper()
	set, err := i.JWKS(t.Context())
	ok(t, err)
	var kids []string
	for _, k := range set.Keys {
		if !k.IsPublic() || k.Use != "sig" || k.Algorithm == "" {
			t.Errorf("the JWKS has %+v", k)
		}
		kids = append(kids, k.KeyID)
	}
	return kids
}

// Processes that start at once on a fresh database agree on the keys.
func TestOpenAtOnce(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	issuers := make([]*token.Issuer, 4)
	var g errgroup.Group
	for n := range issuers {
		cfg := e.config(t)
		g.Go(func() (err error) {
			issuers[n], err = token.Open(t.Context(), cfg)
			return err
		})
	}
	ok(t, g.Wait())
	for _, i := range issuers {
		if kids := published(t, i); len(kids) != 2 || !slices.Equal(kids, published(t, issuers[0])) {
			t.Errorf("keys %q", kids)
		}
		if _, err := issuers[0].Verify(t.Context(), e.mint(t, i), audience); err != nil {
			t.Error(err)
		}
	}
}

func TestRotate(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	i, other := e.open(t), e.open(t)
	first, next := e.kid(t, token.Current), e.kid(t, token.Next)
	old := e.mint(t, i)
	if !slices.Contains(published(t, other), next) || kidOf(t, old) != first {
		t.Fatal("the next key isn't published before it signs")
	}

	var early *token.TooEarly
	if err := i.Rotate(t.Context()); !errors.As(err, &early) || !early.At.Equal(e.clock.now().Add(token.PublishedFirst)) {
		t.Fatalf("rotated at once: %v", err)
	}
	e.clock.move(token.PublishedFirst)
	ok(t, i.Rotate(t.Context()))
	fresh := e.mint(t, i)
	if kidOf(t, fresh) != next || e.kid(t, token.Next) == next || e.kid(t, token.Retired) != first {
		t.Error("the next key doesn't sign")
	}
	for _, raw := range []string{old, fresh} {
		for _, i := range []*token.Issuer{i, other} {
			if _, err := i.Verify(t.Context(), raw, audience); err != nil {
				t.Errorf("after the rotation: %v", err)
			}
		}
	}
	e.clock.move(time.Minute)
	if kidOf(t, e.mint(t, other)) != next {
		t.Error("another process signs with the retired key a minute later")
	}
	list, err := i.List(t.Context())
	ok(t, err)
	if len(list) != 3 || list[0].State != token.Next || list[0].Activated != nil {
		t.Errorf("listed %+v", list)
	}

	e.clock.move(token.MaxLifetime)
	if !slices.Contains(published(t, i), first) {
		t.Error("the retired key has left the JWKS while its tokens may live")
	}
	e.clock.move(2 * time.Minute)
	if slices.Contains(published(t, i), first) {
		t.Error("the retired key is in the JWKS for ever")
	}
}

// A key that someone else may have goes at once, and so do the tokens of it that are kept for reuse.
func TestRevoke(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	i := e.open(t)
	leaked := e.kid(t, token.Current)
	if !strings.HasPrefix(leaked, "key_") {
		t.Errorf("kid %s could be taken for a flag, one time in 64", leaked)
	}
	raw := e.mint(t, i)
	if err := i.Revoke(t.Context(), leaked); err == nil || !strings.Contains(err.Error(), "rotating first") {
		t.Errorf("the current key was revoked: %v", err)
	}
	ok(t, i.RotateAtOnce(t.Context()))
	ok(t, i.Revoke(t.Context(), leaked))
	e.clock.move(6 * time.Second)
	_, err := i.Verify(t.Context(), raw, audience)
	wantError(t, err, token.ErrUnknownKey)
}

func TestPrivatePartsAreSealed(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	i := e.open(t)
	seed := e.private(t).Key.(ed25519.PrivateKey).Seed()
	var shown bool
	ok(t, e.db.Pool.QueryRow(t.Context(), `select bool_or(position($1::bytea in sealed) > 0 or strpos(k::text, $2) > 0) from auth.signing_keys k`,
		seed, base64.RawURLEncoding.EncodeToString(seed)).Scan(&shown))
	if shown {
		t.Error("the table shows the private part")
	}

	cfg := e.config(t)
	cfg.Keys = keys(t, seal.New())
	_, err := token.Open(t.Context(), cfg)
	var unknown *seal.UnknownKey
	if id, _, _ := strings.Cut(e.secret, ":"); !errors.As(err, &unknown) || unknown.ID != id {
		t.Errorf("with another secret key: %v", err)
	}

	e.exec(t, `update auth.signing_keys as k set sealed = o.sealed from auth.signing_keys as o where o.kid <> k.kid`)
	_, err = token.Open(t.Context(), e.config(t))
	wantError(t, err, seal.ErrOpen) // another row's

	ok(t, i.RotateAtOnce(t.Context()))
	var left int
	ok(t, e.db.Pool.QueryRow(t.Context(), `select count(*) from auth.signing_keys where state = 'retired' and sealed is not null`).Scan(&left))
	if left != 0 {
		t.Error("a retired key keeps its private part")
	}
}

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for says, change := range map[string]func(*token.Config){
		"Config.Database":                          func(c *token.Config) { c.Database = nil },
		"Config.Keys":                              func(c *token.Config) { c.Keys = nil },
		`Config.Issuer is "https://example.com"`:   func(c *token.Config) { c.Issuer = "https://example.com" },
		`Config.Issuer is "example.com/"`:          func(c *token.Config) { c.Issuer = "example.com/" },
		`Config.Issuer is "https://example.com/?"`: func(c *token.Config) { c.Issuer = "https://example.com/?" },
		"Config.Alg":                               func(c *token.Config) { c.Alg = "none" },
	} {
		cfg := e.config(t)
		change(&cfg)
		if _, err := token.Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v; want %s", err, says)
		}
	}
}

// What docs/keys.md says for a secret key that is lost: new signing keys, while tokens of the old ones stay good.
func TestLostSecretKey(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	raw := e.mint(t, e.open(t))
	e.secret = seal.New()
	e.exec(t, `update auth.signing_keys set state = 'retired', sealed = null, activated_at = coalesce(activated_at, now()), retired_at = now()
		where state <> 'retired'`)
	i := e.open(t)
	for _, raw := range []string{raw, e.mint(t, i)} {
		if _, err := i.Verify(t.Context(), raw, audience); err != nil {
			t.Error(err)
		}
	}
}

// The keys are in no publication, and nothing watches their table.
func TestKeysAreNotPublished(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	var watched int
	ok(t, e.db.Pool.QueryRow(t.Context(), `select (select count(*) from pg_trigger where tgrelid = 'auth.signing_keys'::regclass)
		+ (select count(*) from pg_publication_tables where tablename = 'signing_keys')`).Scan(&watched))
	if watched != 0 {
		t.Errorf("%d triggers or publications", watched)
	}
}
