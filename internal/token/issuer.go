package token

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/internal/seal"
)

// ManagementAudience is the aud of tokens for the management API, unless [Config] says another.
const ManagementAudience = "urn:latchkey:management"

// The algorithms of signing keys.
const (
	RS256 = "RS256" // what Auth0's clients expect
	EdDSA = "EdDSA"
)

const (
	// MaxLifetime is how long a token may live, and so how long a retired key stays in the JWKS.
	MaxLifetime = 30 * 24 * time.Hour
	// PublishedFirst is how long a key is in the JWKS before it may sign: longer than anyone keeps an answer of that.
	PublishedFirst = 15 * time.Minute

	readEvery    = time.Minute     // how old the keys in memory may be
	unknownEvery = 5 * time.Second // how often a token with an unknown key makes us read them
	retiredFor   = MaxLifetime + 2*readEvery
)

// Database is where the keys are: a pgxpool.Pool, or a pgx.Conn for a program that does one thing at a time.
type Database interface {
	Begin(ctx context.Context) (pgx.Tx, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Config is what [Open] needs.
type Config struct {
	Database Database
	Keys     *seal.Keys
	Issuer   string           // the iss of all tokens: an http or https URL that ends in a slash; "" for a program that only looks after the keys
	Audience string           // of the management API; "" is [ManagementAudience]
	Alg      string           // of keys that are made from now on; "" is [RS256]
	Now      func() time.Time // nil: time.Now
}

func (c Config) withDefaults() Config {
	if c.Audience == "" {
		c.Audience = ManagementAudience
	}
	if c.Alg == "" {
		c.Alg = RS256
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func (c Config) validate() error {
	if c.Database == nil {
		return errors.New("Config.Database is nil: give it a pgxpool.Pool")
	}
	if c.Keys == nil {
		return errors.New("Config.Keys is nil: make it of " + seal.Setting + " by seal.Parse")
	}
	u, err := url.Parse(c.Issuer)
	if c.Issuer != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.ContainsAny(c.Issuer, "?#") || !strings.HasSuffix(u.Path, "/")) {
		return fmt.Errorf("Config.Issuer is %q: it must be an http or https URL that ends in a slash, such as https://id.example.com/", c.Issuer)
	}
	if c.Alg != RS256 && c.Alg != EdDSA {
		return fmt.Errorf("Config.Alg is %q: it must be %s or %s", c.Alg, RS256, EdDSA)
	}
	return nil
}

// Issuer signs and verifies. It is safe for concurrent use if its database is.
type Issuer struct {
	cfg      Config
	keys     atomic.Pointer[keySet]
	reading  chan struct{} // has one place, for whoever reads the keys
	services serviceTokens

	seen seen
}

// Open reads the keys, after making those that are missing; several processes may do so at once. It fails where a private
// part doesn't open, with a [seal.UnknownKey] where that is because the server's key is another one than it was.
func Open(ctx context.Context, cfg Config) (*Issuer, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("token: open: %w", err)
	}
	i := &Issuer{cfg: cfg, reading: make(chan struct{}, 1)}
	if err := i.makeMissing(ctx); err != nil {
		return nil, fmt.Errorf("token: open: make signing keys: %w", err)
	}
	if _, err := i.notOlderThan(ctx, 0); err != nil {
		return nil, fmt.Errorf("token: open: %w", err)
	}
	return i, nil
}

// URL is the iss of all tokens.
func (i *Issuer) URL() string { return i.cfg.Issuer }

// Audience is that of the management API.
func (i *Issuer) Audience() string { return i.cfg.Audience }

// now is the time as Postgres keeps it.
func (i *Issuer) now() time.Time { return i.cfg.Now().UTC().Truncate(time.Microsecond) }
