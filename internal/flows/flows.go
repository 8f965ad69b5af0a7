package flows

import (
	"errors"
	"log/slog"
	"runtime"
	"time"

	"github.com/alexedwards/argon2id"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/seal"
	"github.com/latchkey-dev/latchkey/internal/token"
)

// Config is what [New] needs.
type Config struct {
	Store  *db.Store
	Hooks  *auth.Hooks
	Tokens *token.Issuer
	Keys   *seal.Keys
	Logger *slog.Logger     // nil: slog.Default
	Now    func() time.Time // nil: time.Now
	// Passwords are the parameters of hashes to be made; a hash that was made with others is made again at the next login.
	// nil: argon2id.DefaultParams, which the management API makes them with too.
	Passwords *argon2id.Params
}

// Flows runs the flows. It is safe for concurrent use.
type Flows struct {
	cfg Config
	log *slog.Logger

	params *argon2id.Params
	noHash string        // of no password: what is compared where there is no user
	turns  chan struct{} // one for each hash that is being made
}

// New makes the flows of a program.
func New(cfg Config) (*Flows, error) {
	switch {
	case cfg.Store == nil:
		return nil, errors.New("flows: Config.Store is nil: give it a store by db.Open")
	case cfg.Hooks == nil:
		return nil, errors.New("flows: Config.Hooks is nil: make it by auth.NewHooks of the store's catalogue")
	case cfg.Tokens == nil:
		return nil, errors.New("flows: Config.Tokens is nil: give it an issuer by token.Open")
	case cfg.Keys == nil:
		return nil, errors.New("flows: Config.Keys is nil: make it of " + seal.Setting + " by seal.Parse")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Passwords == nil {
		cfg.Passwords = argon2id.DefaultParams
	}
	return &Flows{cfg: cfg, log: cfg.Logger, params: cfg.Passwords, noHash: hashOfNothing(cfg.Passwords), turns: make(chan struct{}, 2*runtime.GOMAXPROCS(0))}, nil
}

// Caller is on whose behalf something happens: an application of a tenant, and the request that it came by.
type Caller struct {
	Tenant  db.Tenant
	Client  *db.Client // nil: no application, as on FullAuth's endpoints
	Request auth.Request
}
