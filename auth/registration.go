package auth

import (
	"context"
	"strings"
)

// RegistrationAttempt is what ValidateRegistrationUsername hooks are told: someone entered an address, and there is no user yet.
type RegistrationAttempt struct {
	Tenant  Tenant
	Client  Client
	Request Request
	User    NewUser
}

// NewUser is what is known of someone who isn't a user yet.
type NewUser struct {
	Email      string // trimmed and lowercased
	Connection string
}

// ValidateRegistrationAPI is what a ValidateRegistrationUsername hook may do.
type ValidateRegistrationAPI struct {
	Token Tokens

	said *said
}

// Deny refuses the registration, as [PreUserRegistrationAPI.Deny].
func (a ValidateRegistrationAPI) Deny(reason string) {
	a.said.refuse("registration_denied", reason, noRegistration)
}

// RunValidateRegistrationUsername runs the ValidateRegistrationUsername hooks, for a server: with no transaction open, beside the
// webhooks, which db.Store.AskRegistration asks. Errors: a refusal, a hooks.Rejection; a hook that failed, a hooks.Fault.
func (h *Hooks) RunValidateRegistrationUsername(ctx context.Context, ev *RegistrationAttempt) error {
	for _, name := range h.attempt.Names() {
		own, s := *ev, &said{}
		own.User.Email = strings.ToLower(strings.TrimSpace(ev.User.Email))
		if err := h.attempt.Run(ctx, name, func(ctx context.Context, fn attemptHook) error {
			return s.verdict(fn(ctx, &own, ValidateRegistrationAPI{Token: Tokens{h, ev.Tenant.ID}, said: s}))
		}); err != nil {
			return err
		}
	}
	return nil
}
