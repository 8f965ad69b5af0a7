package token_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"github.com/latchkey-dev/latchkey/internal/pgtest"
	"github.com/latchkey-dev/latchkey/internal/seal"
	"github.com/latchkey-dev/latchkey/internal/token"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Suite{M: m}) }

const issuer, audience = "https://id.example.com/", "https://api.example.com/"

// clock is a time that the test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// counted counts how often the database is asked.
type counted struct {
	*pgxpool.Pool
	asked atomic.Int64
}

func (c *counted) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	c.asked.Add(1)
	return c.Pool.Query(ctx, sql, args...)
}

func (c *counted) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	c.asked.Add(1)
	return c.Pool.QueryRow(ctx, sql, args...)
}

// env is a database on which issuers are opened, as if each were a process.
type env struct {
	db     *counted
	secret string
	clock  *clock
}

func newEnv(t *testing.T) *env {
	t.Helper()
	d := pgtest.New(t)
	return &env{db: &counted{Pool: d.Pool(t)}, secret: seal.New(), clock: &clock{at: time.Now().Truncate(time.Second)}}
}

func (e *env) config(t *testing.T) token.Config {
	t.Helper()
	return token.Config{Database: e.db, Keys: keys(t, e.secret), Issuer: issuer, Alg: token.EdDSA, Now: e.clock.now}
}

func (e *env) open(t *testing.T) *token.Issuer {
	t.Helper()
	i, err := token.Open(t.Context(), e.config(t))
	ok(t, err)
	return i
}

func (e *env) mint(t *testing.T, i *token.Issuer) string {
	t.Helper()
	raw, err := i.Mint(t.Context(), token.Claims{Subject: "s", Audience: []string{audience}, Expires: e.clock.now().Add(time.Hour)})
	ok(t, err)
	return raw
}

func (e *env) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := e.db.Exec(t.Context(), sql, args...)
	ok(t, err)
}

func (e *env) kid(t *testing.T, state string) (kid string) {
	t.Helper()
	ok(t, e.db.Pool.QueryRow(t.Context(), `select kid from auth.signing_keys where state = $1`, state).Scan(&kid))
	return kid
}

// private is the private part of the current key.
func (e *env) private(t *testing.T) jose.JSONWebKey {
	t.Helper()
	kid := e.kid(t, token.Current)
	var sealed []byte
	var alg string
	ok(t, e.db.Pool.QueryRow(t.Context(), `select sealed, alg from auth.signing_keys where kid = $1`, kid).Scan(&sealed, &alg))
	der, err := keys(t, e.secret).Open(sealed, "signing-key/"+kid)
	ok(t, err)
	key, err := x509.ParsePKCS8PrivateKey(der)
	ok(t, err)
	return jose.JSONWebKey{Key: key.(crypto.Signer), KeyID: kid, Algorithm: alg}
}

func keys(t *testing.T, text string) *seal.Keys {
	t.Helper()
	k, err := seal.Parse(text)
	ok(t, err)
	return k
}

// forge signs claims with any key.
func forge(t *testing.T, alg jose.SignatureAlgorithm, key jose.JSONWebKey, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, nil)
	ok(t, err)
	raw, err := jwt.Signed(signer).Claims(claims).Serialize()
	ok(t, err)
	return raw
}

func kidOf(t *testing.T, raw string) string {
	t.Helper()
	parsed, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.RS256, jose.EdDSA})
	ok(t, err)
	return parsed.Headers[0].KeyID
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v; want %v", err, want)
	}
}
