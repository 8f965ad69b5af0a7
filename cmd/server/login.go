package main

import (
	"log/slog"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/flows"
	"github.com/latchkey-dev/latchkey/internal/inbound"
	"github.com/latchkey-dev/latchkey/internal/oidc"
	"github.com/latchkey-dev/latchkey/internal/seal"
	"github.com/latchkey-dev/latchkey/internal/token"
)

// login builds the flows and the OpenID provider over them.
func login(store *db.Store, reg *db.Hooks, issuer *token.Issuer, secrets *seal.Keys, log *slog.Logger) (*oidc.Provider, error) {
	hooks := auth.NewHooks(reg)
	hooks.Serve(auth.Services{Tokens: issuer, Opener: secrets})
	f, err := flows.New(flows.Config{Store: store, Hooks: hooks, Tokens: issuer, Keys: secrets, Logger: log})
	if err != nil {
		return nil, err
	}
	finder := &inbound.Finder{Store: store, Keys: secrets, Flows: f, Cookies: inbound.CookiesFor(issuer.URL())}
	return oidc.New(oidc.Config{Flows: f, Finder: finder, Tokens: issuer, Logger: log})
}
