package flows

import (
	"errors"
	"log/slog"
	"time"

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
}

// Flows runs the flows. It is safe for concurrent use.
type Flows struct {
	cfg Config
	log *slog.Logger
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
	return &Flows{cfg: cfg, log: cfg.Logger}, nil
}

// Caller is on whose behalf something happens: an application of a tenant, and the request that it came by.
type Caller struct {
	Tenant  db.Tenant
	Client  *db.Client // nil: no application, as on FullAuth's endpoints
	Request auth.Request
}
