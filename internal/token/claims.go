package token

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Claims is what a token says. Its issuer is always the server.
type Claims struct {
	ID              string // jti; made up by Mint
	Subject         string
	AuthorizedParty string // azp: the client that the token was given to
	Audience        []string
	TenantID        string // empty: of no tenant
	Scope           string // names, with spaces between them
	Permissions     []string
	IssuedAt        time.Time // set by Mint
	Expires         time.Time
}

// Allows reports whether the token has the scope, in its scope or in its permissions.
func (c Claims) Allows(scope string) bool {
	return scope != "" && (slices.Contains(strings.Fields(c.Scope), scope) || slices.Contains(c.Permissions, scope))
}

// payload is claims as JSON.
type payload struct {
	Issuer          string           `json:"iss"`
	Subject         string           `json:"sub"`
	AuthorizedParty string           `json:"azp,omitempty"`
	Audience        jwt.Audience     `json:"aud"`
	IssuedAt        *jwt.NumericDate `json:"iat"`
	NotBefore       *jwt.NumericDate `json:"nbf,omitempty"`
	Expires         *jwt.NumericDate `json:"exp"`
	ID              string           `json:"jti,omitempty"`
	TenantID        string           `json:"tenant_id,omitempty"`
	Scope           string           `json:"scope,omitempty"`
	Permissions     []string         `json:"permissions,omitempty"`
}

// Mint signs a token. Subject, Audience and Expires must be there, and Expires in the future, by [MaxLifetime] at most.
// No hook runs.
func (i *Issuer) Mint(ctx context.Context, c Claims) (string, error) {
	s, err := i.notOlderThan(ctx, readEvery)
	if err != nil {
		return "", fmt.Errorf("token: mint: %w", err)
	}
	raw, err := i.sign(s, c)
	if err != nil {
		return "", fmt.Errorf("token: mint: %w", err)
	}
	return raw, nil
}

func (i *Issuer) sign(s *keySet, c Claims) (string, error) {
	now := i.now()
	switch {
	case i.cfg.Issuer == "":
		return "", errors.New("a token needs an issuer: Config.Issuer is empty")
	case c.Subject == "":
		return "", errors.New("a token needs a subject")
	case len(c.Audience) == 0 || slices.Contains(c.Audience, ""):
		return "", errors.New("a token needs an audience")
	case !c.Expires.After(now):
		return "", errors.New("a token needs to expire in the future")
	case c.Expires.Sub(now) > MaxLifetime:
		return "", fmt.Errorf("a token lives for %v at most", MaxLifetime)
	}
	key := jose.SigningKey{Algorithm: jose.SignatureAlgorithm(s.current.Algorithm), Key: s.current}
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	return jwt.Signed(signer).Claims(payload{
		Issuer: i.cfg.Issuer, Subject: c.Subject, AuthorizedParty: c.AuthorizedParty, Audience: c.Audience,
		IssuedAt: jwt.NewNumericDate(now), Expires: jwt.NewNumericDate(c.Expires), ID: rand.Text(),
		TenantID: c.TenantID, Scope: c.Scope, Permissions: c.Permissions,
	}).Serialize()
}
