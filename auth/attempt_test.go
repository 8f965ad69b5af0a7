package auth_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/seal"
	"github.com/latchkey-dev/latchkey/internal/token"
)

type attempted = func(context.Context, *auth.RegistrationAttempt, auth.ValidateRegistrationAPI) error

// The hooks are asked in order about the address as it would be stored, and the first no ends it.
func TestValidateRegistrationUsername(t *testing.T) {
	t.Parallel()
	var heard []string
	h := flowsOf(t, func(h *auth.Hooks) {
		h.ValidateRegistrationUsername("one", func(_ context.Context, ev *auth.RegistrationAttempt, _ auth.ValidateRegistrationAPI) error {
			heard = append(heard, ev.User.Email)
			ev.User.Email = "changed"
			return nil
		})
		h.ValidateRegistrationUsername("two", func(_ context.Context, ev *auth.RegistrationAttempt, api auth.ValidateRegistrationAPI) error {
			heard = append(heard, ev.User.Email)
			api.Deny("")
			return nil
		})
		h.ValidateRegistrationUsername("three", func(context.Context, *auth.RegistrationAttempt, auth.ValidateRegistrationAPI) error {
			heard = append(heard, "three")
			return nil
		})
	})
	ev := &auth.RegistrationAttempt{User: auth.NewUser{Email: " Ann@X.com "}}
	err := h.RunValidateRegistrationUsername(t.Context(), ev)
	requireRejected(t, err, "two", "registration_denied", "The registration was refused")
	if len(heard) != 2 || heard[0] != "ann@x.com" || heard[1] != "ann@x.com" || ev.User.Email != " Ann@X.com " || !h.HasValidateRegistrationUsername() {
		t.Errorf("they heard %q", heard)
	}
}

func TestValidateRegistrationUsernameFails(t *testing.T) {
	t.Parallel()
	for says, fn := range map[string]attempted{
		"broken": func(context.Context, *auth.RegistrationAttempt, auth.ValidateRegistrationAPI) error {
			return errors.New("broken")
		},
		"panic: boo": func(context.Context, *auth.RegistrationAttempt, auth.ValidateRegistrationAPI) error { panic("boo") },
		"deadline (10ms)": func(ctx context.Context, _ *auth.RegistrationAttempt, _ auth.ValidateRegistrationAPI) error {
			<-ctx.Done()
			return ctx.Err()
		},
	} {
		h := flowsOf(t, func(h *auth.Hooks) { h.ValidateRegistrationUsername("x", fn, hooks.Timeout(10*time.Millisecond)) })
		requireFault(t, h.RunValidateRegistrationUsername(t.Context(), &auth.RegistrationAttempt{}), "x", says)
	}
}

// A client's token: refused, or with more claims.
func TestCredentialsExchange(t *testing.T) {
	t.Parallel()
	h := flowsOf(t, func(h *auth.Hooks) {
		h.CredentialsExchange("claims", func(_ context.Context, ev *auth.CredentialsExchange, api auth.CredentialsExchangeAPI) error {
			api.AccessToken.SetCustomClaim("scopes", len(ev.Scopes))
			ev.Scopes[0] = "changed"
			return nil
		})
		h.CredentialsExchange("guard", func(_ context.Context, ev *auth.CredentialsExchange, api auth.CredentialsExchangeAPI) error {
			api.AccessToken.SetCustomClaim("first", ev.Scopes[0])
			if ev.Audience == "secret" {
				api.Access.Deny("Not for you")
			}
			return nil
		})
	})
	out, err := h.RunCredentialsExchange(t.Context(), &auth.CredentialsExchange{Scopes: []string{"read", "write"}})
	if err != nil || len(out.AccessToken) != 2 || string(out.AccessToken["scopes"]) != "2" || string(out.AccessToken["first"]) != `"read"` || !h.HasCredentialsExchange() {
		t.Errorf("%s, %v", out.AccessToken, err)
	}
	out, err = h.RunCredentialsExchange(t.Context(), &auth.CredentialsExchange{Scopes: []string{"read"}, Audience: "secret"})
	requireRejected(t, err, "guard", "access_denied", "Not for you")
	if out.AccessToken != nil {
		t.Errorf("%s", out.AccessToken)
	}
}

// minted makes tokens that say what they were made of.
type minted struct{}

func (minted) ServiceToken(_ context.Context, tenantID, scope string, expiresIn time.Duration) (string, error) {
	return tenantID + " " + scope + " " + expiresIn.String(), nil
}

// Each API makes service tokens in its tenant's name, by what the program serves.
func TestServiceToken(t *testing.T) {
	t.Parallel()
	var token string
	var failed error
	use := func(ctx context.Context, tokens auth.Tokens) error {
		token, failed = tokens.CreateServiceToken(ctx, auth.ServiceToken{Scope: "read:users", ExpiresIn: time.Minute})
		return nil
	}
	h := flowsOf(t, func(h *auth.Hooks) {
		h.PostLogin("x", func(ctx context.Context, _ *auth.PostLogin, api auth.PostLoginAPI) error { return use(ctx, api.Token) })
		h.ValidateRegistrationUsername("x", func(ctx context.Context, _ *auth.RegistrationAttempt, api auth.ValidateRegistrationAPI) error {
			return use(ctx, api.Token)
		})
		h.CredentialsExchange("x", func(ctx context.Context, _ *auth.CredentialsExchange, api auth.CredentialsExchangeAPI) error {
			return use(ctx, api.Token)
		})
	})
	run := map[string]func() error{
		"post login": func() error { _, err := h.RunPostLogin(t.Context(), login()); return err },
		"validate": func() error {
			return h.RunValidateRegistrationUsername(t.Context(), &auth.RegistrationAttempt{Tenant: auth.Tenant{ID: tenant}})
		},
		"exchange": func() error {
			_, err := h.RunCredentialsExchange(t.Context(), &auth.CredentialsExchange{Tenant: auth.Tenant{ID: tenant}})
			return err
		},
	}
	for name, run := range run {
		if err := run(); err != nil || failed == nil {
			t.Errorf("%s, unserved: %v, %v", name, err, failed)
		}
	}
	h.Serve(auth.Services{Tokens: minted{}})
	for name, run := range run {
		token = ""
		if err := run(); err != nil || failed != nil || token != "test read:users 1m0s" {
			t.Errorf("%s: %q, %v, %v", name, token, err, failed)
		}
	}
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	object := []byte(`{"locked": true, "null": null, "text": "yes"}`)
	for key, want := range map[string]bool{"locked": true, "null": false, "none": false} {
		if got, err := auth.Metadata[bool](object, key); err != nil || got != want {
			t.Errorf("%s: %v, %v", key, got, err)
		}
	}
	if got, err := auth.Metadata[bool](object, "text"); err == nil || got {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := auth.Metadata[bool]([]byte(`[]`), "x"); err == nil {
		t.Error("an array is no object")
	}
	if got, err := auth.Metadata[string](nil, "x"); err != nil || got != "" {
		t.Errorf("%q, %v", got, err)
	}
}

// What the server has is what hooks need.
var (
	_ auth.ServiceTokens = (*token.Issuer)(nil)
	_ auth.Opener        = (*seal.Keys)(nil)
	_ auth.Sealer        = (*seal.Keys)(nil)
)
