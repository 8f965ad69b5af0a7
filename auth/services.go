package auth

import (
	"context"
	"errors"
	"time"
)

// Services is what hooks need of the program that runs them. See [Hooks.Serve].
type Services struct {
	Tokens ServiceTokens // nil: CreateServiceToken fails
	Opener Opener        // nil: hooks on mails whose token is sealed fail
}

// ServiceTokens mints the tokens with which a tenant's hooks call other services. It runs no hook.
type ServiceTokens interface {
	ServiceToken(ctx context.Context, tenantID, scope string, expiresIn time.Duration) (string, error)
}

// Opener opens what a [Sealer] sealed under the same name.
type Opener interface {
	Open(sealed []byte, name string) ([]byte, error)
}

// Serve gives the hooks what their APIs need, in the program that runs them: before its listener runs and its flows begin. A
// later call replaces all of an earlier one.
func (h *Hooks) Serve(s Services) { h.services.Store(&s) }

func (h *Hooks) served() Services {
	if s := h.services.Load(); s != nil {
		return *s
	}
	return Services{}
}

// ServiceToken is what a service token is made of.
type ServiceToken struct {
	Scope     string        // separated by spaces
	ExpiresIn time.Duration // 5 minutes if 0; an hour at most
}

// Tokens is the part of every hook's API that makes tokens.
type Tokens struct {
	hooks    *Hooks
	tenantID string
}

// CreateServiceToken makes a token with which the hook calls other services in the tenant's name: its subject is auth-service, its
// audience the tenant's. No hook runs for it. A call of another service doesn't belong into a hook that holds a transaction open
// (PreUserRegistration, PreUserUpdate, PreUserDeletion): there, pass the token on. Errors: those of the program's keys; a lifetime that
// is too long; and a program that gave no [Services].
func (t Tokens) CreateServiceToken(ctx context.Context, token ServiceToken) (string, error) {
	if t.hooks == nil || t.hooks.served().Tokens == nil {
		return "", errors.New("auth: service token: this program makes none: give Hooks.Serve a Services with Tokens")
	}
	return t.hooks.served().Tokens.ServiceToken(ctx, t.tenantID, token.Scope, token.ExpiresIn)
}
