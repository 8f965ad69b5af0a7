package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/latchkey-dev/latchkey/internal/token"
)

// SigningKeys are the server's keys that sign tokens; [token.Issuer] has them. They are those of all tenants.
type SigningKeys interface {
	List(ctx context.Context) ([]token.Key, error)
	Rotate(ctx context.Context) error
	Revoke(ctx context.Context, kid string) error
}

type signingKey struct {
	KID          string     `json:"kid"`
	Alg          string     `json:"alg"`
	Current      bool       `json:"current" doc:"It signs."`
	Next         bool       `json:"next" doc:"It will."`
	Previous     bool       `json:"previous" doc:"It did; what it signed is valid still."`
	CurrentSince *time.Time `json:"current_since,omitempty"`
	CurrentUntil *time.Time `json:"current_until,omitempty"`
}

func signingKeyJSON(k *token.Key) signingKey {
	return signingKey{
		KID: k.KID, Alg: k.Alg, Current: k.State == token.Current, Next: k.State == token.Next, Previous: k.State == token.Retired,
		CurrentSince: k.Activated, CurrentUntil: k.Retired,
	}
}

type (
	keyInput struct {
		KID string `path:"kid" maxLength:"100"`
	}
	keysOutput struct {
		Body []signingKey `nullable:"false"`
	}
)

func (s *server) addSigningKeys() {
	add(s, operation{
		id: "list-signing-keys", method: http.MethodGet, path: "/keys/signing", scope: "read:signing_keys", tag: tagTenant, summary: "List the keys that sign tokens",
		about: "The public parts are in the JWKS.",
	}, func(ctx context.Context, _ *caller, _ *struct{}) (*keysOutput, error) {
		keys, err := s.cfg.Tokens.List(ctx)
		list := make([]signingKey, len(keys))
		for i := range keys {
			list[i] = signingKeyJSON(&keys[i])
		}
		return &keysOutput{list}, err
	})
	add(s, operation{
		id: "get-signing-key", method: http.MethodGet, path: "/keys/signing/{kid}", scope: "read:signing_keys", tag: tagTenant, summary: "Get a key that signs tokens",
	}, func(ctx context.Context, _ *caller, in *keyInput) (*shown[signingKey], error) {
		return s.signingKey(ctx, in.KID)
	})
	add(s, operation{
		id: "rotate-signing-keys", method: http.MethodPost, path: "/keys/signing/rotate", scope: "create:signing_keys", tag: tagTenant, summary: "Let the next key sign",
		status: http.StatusCreated, errors: []int{http.StatusConflict}, change: true,
		about: "The keys are those of all tenants, so it takes a control-plane token. 409: the next key isn't published for long enough.",
	}, s.rotateSigningKeys)
	add(s, operation{
		id: "revoke-signing-key", method: http.MethodPut, path: "/keys/signing/{kid}/revoke", scope: "update:signing_keys", tag: tagTenant, summary: "Revoke a previous key",
		status: http.StatusAccepted, errors: []int{http.StatusConflict}, change: true,
		about: "All that it signed fails from then on. It takes a control-plane token. 409: the key signs, or will.",
	}, s.revokeSigningKey)
}

func (s *server) signingKey(ctx context.Context, kid string) (*shown[signingKey], error) {
	keys, err := s.cfg.Tokens.List(ctx)
	if err != nil {
		return nil, err
	}
	for i := range keys {
		if keys[i].KID == kid || kid == "" && keys[i].State == token.Current {
			return &shown[signingKey]{signingKeyJSON(&keys[i])}, nil
		}
	}
	return nil, notFound(fmt.Sprintf("There is no key %q.", kid))
}

func ofControlPlane(c *caller) error {
	if c.TenantID != "" {
		return newProblem(http.StatusForbidden, "control_plane_only", "The keys are those of all tenants: it takes a token that is of none.")
	}
	return nil
}

func (s *server) rotateSigningKeys(ctx context.Context, c *caller, _ *struct{}) (*shown[signingKey], error) {
	if err := ofControlPlane(c); err != nil {
		return nil, err
	}
	err := s.cfg.Tokens.Rotate(ctx)
	var early *token.TooEarly
	if errors.As(err, &early) {
		return nil, conflict(fmt.Sprintf("Verifiers may not know the next key yet: rotate after %s.", early.At.UTC().Format(time.RFC3339)))
	}
	if err != nil {
		return nil, err
	}
	return s.signingKey(ctx, "")
}

func (s *server) revokeSigningKey(ctx context.Context, c *caller, in *keyInput) (*shown[signingKey], error) {
	if err := ofControlPlane(c); err != nil {
		return nil, err
	}
	key, err := s.signingKey(ctx, in.KID)
	if err != nil {
		return nil, err
	}
	if !key.Body.Previous {
		return nil, conflict("The key signs, or will: rotate first.")
	}
	return key, s.cfg.Tokens.Revoke(ctx, in.KID)
}
