package main

import (
	"log/slog"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/authapi"
	"github.com/latchkey-dev/latchkey/internal/flows"
	"github.com/latchkey-dev/latchkey/internal/inbound"
	"github.com/latchkey-dev/latchkey/internal/oidc"
	"github.com/latchkey-dev/latchkey/internal/pages"
	"github.com/latchkey-dev/latchkey/internal/seal"
	"github.com/latchkey-dev/latchkey/internal/token"
)

// newLogins is what people sign up and log in by, on the server's parts: the OpenID provider, the endpoints for applications that show
// pages of their own, and the server's own pages.
func newLogins(store *db.Store, authHooks *auth.Hooks, issuer *token.Issuer, secrets *seal.Keys, log *slog.Logger) ([]mountable, error) {
	flow, err := flows.New(flows.Config{Store: store, Hooks: authHooks, Tokens: issuer, Keys: secrets, Logger: log})
	if err != nil {
		return nil, err
	}
	finder := &inbound.Finder{Store: store, Keys: secrets, Flows: flow, Cookies: inbound.CookiesFor(issuer.URL())}
	provider, err := oidc.New(oidc.Config{Flows: flow, Finder: finder, Tokens: issuer, Logger: log})
	if err != nil {
		return nil, err
	}
	api, err := authapi.New(authapi.Config{Flows: flow, Finder: finder, Logger: log})
	if err != nil {
		return nil, err
	}
	own, err := pages.New(pages.Config{Finder: finder, Answer: provider, Issuer: issuer.URL(), Logger: log})
	if err != nil {
		return nil, err
	}
	return []mountable{provider, api, own}, nil
}
