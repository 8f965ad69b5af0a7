package auth

import (
	"context"
	"slices"
)

// CredentialsExchange is what its hooks are told: an application asks for a token in its own name.
type CredentialsExchange struct {
	Tenant       Tenant
	Client       Client
	Audience     string        // the identifier of the resource server
	Scopes       []string      // those that the token will have
	Organization *Organization // nil where the token is for none
	Request      Request
}

// CredentialsExchangeAPI is what a CredentialsExchange hook may do.
type CredentialsExchangeAPI struct {
	Access      Access
	AccessToken TokenClaims
	Token       Tokens
}

// ExchangeOutcome is what CredentialsExchange hooks made of a token.
type ExchangeOutcome struct {
	AccessToken Members // claims
}

// RunCredentialsExchange runs the CredentialsExchange hooks, for a server: before it mints the token, with no transaction open.
// Errors: as [Hooks.RunPostLogin]; there is no token then.
func (h *Hooks) RunCredentialsExchange(ctx context.Context, ev *CredentialsExchange) (ExchangeOutcome, error) {
	var out ExchangeOutcome
	for _, name := range h.exchange.Names() {
		own, s := *ev, &said{}
		own.Scopes = slices.Clone(ev.Scopes)
		err := h.exchange.Run(ctx, name, func(ctx context.Context, fn exchangeHook) error {
			return s.verdict(fn(ctx, &own, CredentialsExchangeAPI{
				Access: Access{s}, AccessToken: TokenClaims{s, func(s *said) *Members { return &s.access }}, Token: Tokens{h, ev.Tenant.ID},
			}))
		})
		if err != nil {
			return ExchangeOutcome{}, err
		}
		out.AccessToken = out.AccessToken.with(s.take().access)
	}
	return out, nil
}
