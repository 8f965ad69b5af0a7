package token

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// ErrInvalid is in all errors that say that a token is no good. Others say that we could not tell.
var ErrInvalid = errors.New("token: not valid")

// What can be wrong with a token.
var (
	ErrMalformed  = fmt.Errorf("%w: it is no signed token of an allowed algorithm, or lacks a claim", ErrInvalid)
	ErrUnknownKey = fmt.Errorf("%w: its key is not ours, or retired long ago", ErrInvalid)
	ErrSignature  = fmt.Errorf("%w: its signature is wrong", ErrInvalid)
	ErrIssuer     = fmt.Errorf("%w: someone else has issued it", ErrInvalid)
	ErrAudience   = fmt.Errorf("%w: it is meant for another audience", ErrInvalid)
	ErrExpired    = fmt.Errorf("%w: it has expired", ErrInvalid)
	ErrNotYet     = fmt.Errorf("%w: it is from the future", ErrInvalid)
)

const (
	// Leeway is for clocks of several machines: so long after its end a token is still good.
	Leeway     = 10 * time.Second
	maxRawSize = 16 << 10
)

// Verify reads a token and checks its key, algorithm, signature, issuer, audience and times, in this order. Errors: those
// above, all of them [ErrInvalid]; any other is of the database, asked once a minute or for a key that isn't known.
func (i *Issuer) Verify(ctx context.Context, raw, audience string) (Claims, error) {
	return i.verify(ctx, raw, func(p payload) bool { return audience != "" && slices.Contains(p.Audience, audience) })
}

// Inspect is [Issuer.Verify] for whoever tells about tokens of any audience, such as introspection. An ID token is ErrMalformed
// to it: it gives access to nothing.
func (i *Issuer) Inspect(ctx context.Context, raw string) (Claims, error) {
	c, err := i.verify(ctx, raw, func(p payload) bool { return len(p.Audience) > 0 })
	if err == nil && c.idToken {
		return Claims{}, ErrMalformed
	}
	return c, err
}

// ReadHint reads an ID token that says who somebody is, such as id_token_hint: it may have expired long ago, and gives access to nothing. Errors:
// [ErrInvalid], also for an access token.
func (i *Issuer) ReadHint(ctx context.Context, raw string) (Claims, error) {
	if len(raw) > maxRawSize {
		return Claims{}, ErrMalformed
	}
	p, err := i.read(ctx, raw)
	switch {
	case err != nil:
		return Claims{}, err
	case p.Issuer == "" || p.Issuer != i.cfg.Issuer:
		return Claims{}, ErrIssuer
	case p.AccessTokenHash == "" || p.Subject == "" || len(p.Audience) != 1:
		return Claims{}, ErrMalformed
	}
	return Claims{Subject: p.Subject, AuthorizedParty: p.AuthorizedParty, Audience: p.Audience, TenantID: p.TenantID, SessionID: p.SessionID}, nil
}

func (i *Issuer) verify(ctx context.Context, raw string, meant func(payload) bool) (Claims, error) {
	if len(raw) > maxRawSize {
		return Claims{}, ErrMalformed
	}
	p, err := i.read(ctx, raw)
	if err != nil {
		return Claims{}, err
	}
	if err := i.check(p, meant); err != nil {
		return Claims{}, err
	}
	return Claims{
		ID: p.ID, Subject: p.Subject, AuthorizedParty: p.AuthorizedParty, Audience: p.Audience, TenantID: p.TenantID,
		Scope: p.Scope, Permissions: p.Permissions, SessionID: p.SessionID, Grant: p.Grant, OrganizationID: p.OrganizationID,
		IssuedAt: p.IssuedAt.Time(), Expires: p.Expires.Time(), idToken: p.AccessTokenHash != "",
	}, nil
}

// read checks the signature and reads what is signed. One that was checked before isn't checked again as long as its key is
// in force; times and all else are.
func (i *Issuer) read(ctx context.Context, raw string) (payload, error) {
	if seen, ok := i.seen.find(raw); ok {
		_, err := i.keyOf(ctx, seen.key)
		return seen.payload, err
	}
	parsed, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.RS256, jose.EdDSA})
	if err != nil || len(parsed.Headers) != 1 || parsed.Headers[0].KeyID == "" {
		return payload{}, ErrMalformed
	}
	header := parsed.Headers[0]
	key, err := i.keyOf(ctx, header.KeyID)
	if err != nil {
		return payload{}, err
	}
	if key.Algorithm != header.Algorithm {
		return payload{}, ErrSignature
	}
	var p payload
	if err := parsed.Claims(key.Key, &p); errors.Is(err, jose.ErrCryptoFailure) {
		return payload{}, ErrSignature
	} else if err != nil {
		return payload{}, ErrMalformed
	}
	i.seen.note(raw, verified{p, header.KeyID})
	return p, nil
}

// keyOf finds a public key; for one that isn't known the keys are read again, though not for every such token.
func (i *Issuer) keyOf(ctx context.Context, kid string) (jose.JSONWebKey, error) {
	for _, age := range []time.Duration{readEvery, unknownEvery} {
		s, err := i.notOlderThan(ctx, age)
		if err != nil {
			return jose.JSONWebKey{}, fmt.Errorf("token: verify: %w", err)
		}
		if key, found := s.find(kid); found {
			return key, nil
		}
	}
	return jose.JSONWebKey{}, ErrUnknownKey
}

func (i *Issuer) check(p payload, meant func(payload) bool) error {
	now := i.now()
	switch {
	case p.Expires == nil || p.IssuedAt == nil || p.Subject == "":
		return ErrMalformed
	case p.Issuer == "" || p.Issuer != i.cfg.Issuer:
		return ErrIssuer
	case !meant(p):
		return ErrAudience
	case now.After(p.Expires.Time().Add(Leeway)):
		return ErrExpired
	case p.IssuedAt.Time().After(now.Add(Leeway)), p.NotBefore != nil && p.NotBefore.Time().After(now.Add(Leeway)):
		return ErrNotYet
	}
	return nil
}
