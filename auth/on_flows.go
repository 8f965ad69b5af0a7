package auth

import (
	"context"
	"errors"
	"fmt"

	"github.com/latchkey-dev/latchkey/hooks"
)

// The flows, as faults, traces and metrics name them.
const (
	validateRegistration = "validate-registration-username"
	postLogin            = "post-login"
	continuePostLogin    = "continue-post-login"
	credentialsExchange  = "credentials-exchange"
)

type (
	attemptHook  = func(ctx context.Context, ev *RegistrationAttempt, api ValidateRegistrationAPI) error
	loginHook    = func(ctx context.Context, ev *PostLogin, api PostLoginAPI) error
	exchangeHook = func(ctx context.Context, ev *CredentialsExchange, api CredentialsExchangeAPI) error

	loginFlow = hooks.Flow[loginHook]
)

var errNil = errors.New("the function is nil")

// ValidateRegistrationUsername runs fn when someone enters an address to sign up with, before there is a user and with no transaction
// open: so it may call other services. Refusing, or failing in any way, ends the signup. Hooks run in the order of their registration,
// with a deadline of 5 s each unless [hooks.Timeout] says otherwise.
func (h *Hooks) ValidateRegistrationUsername(name string, fn func(ctx context.Context, ev *RegistrationAttempt, api ValidateRegistrationAPI) error, opts ...hooks.Option) {
	h.attempt.Add(name, fn == nil, fn, opts...)
}

// PostLogin runs fn after a user authenticated and before there is a session or any token, with no transaction open: so it may call
// other services. It may refuse, send the user elsewhere or to a form, add claims, and set metadata. Failing in any way ends the login.
// Hooks run in the order of their registration, each once for a login, with a deadline of 5 s each unless [hooks.Timeout] says
// otherwise; one that suspends the login holds up those behind it until the user comes back.
func (h *Hooks) PostLogin(name string, fn func(ctx context.Context, ev *PostLogin, api PostLoginAPI) error, opts ...hooks.Option) {
	h.login.Add(name, fn == nil, fn, opts...)
}

// OnContinuePostLogin runs fn when the user comes back whom the PostLogin hook of the same name sent elsewhere or to a form; register that
// one first. It may do all that a PostLogin hook may, also suspend the login again, and then runs again. Otherwise as PostLogin.
func (h *Hooks) OnContinuePostLogin(name string, fn func(ctx context.Context, ev *PostLogin, api PostLoginAPI) error, opts ...hooks.Option) {
	if !h.login.Has(name) {
		h.reg.Problem(fmt.Errorf("auth: %s hook %q continues no hook: register PostLogin(%[2]q, ...) before it", continuePostLogin, name))
		return
	}
	h.continued.Add(name, fn == nil, fn, opts...)
}

// CredentialsExchange runs fn before an application gets a token in its own name, with no transaction open. It may refuse, and add
// claims. Failing in any way leaves the application without a token. Otherwise as PostLogin.
func (h *Hooks) CredentialsExchange(name string, fn func(ctx context.Context, ev *CredentialsExchange, api CredentialsExchangeAPI) error, opts ...hooks.Option) {
	h.exchange.Add(name, fn == nil, fn, opts...)
}

// HasValidateRegistrationUsername reports whether there is such a hook, for a server that makes the event only for one.
func (h *Hooks) HasValidateRegistrationUsername() bool { return len(h.attempt.Names()) > 0 }

// HasPostLogin is the same for PostLogin.
func (h *Hooks) HasPostLogin() bool { return len(h.login.Names()) > 0 }

// HasCredentialsExchange is the same for CredentialsExchange.
func (h *Hooks) HasCredentialsExchange() bool { return len(h.exchange.Names()) > 0 }
