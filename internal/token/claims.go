package token

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
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
	SessionID       string    // sid: the browser's session that it came of
	Grant           string    // the login, or the family of refresh tokens, that it came of
	OrganizationID  string    // org_id
	IssuedAt        time.Time // set by Mint
	Expires         time.Time

	// AccessToken is what an ID token comes with: its hash is the claim at_hash, by which an ID token is known as one, and so is
	// never taken for an access token.
	AccessToken string
	// Private is all other claims. A name that a field above has is not for it: minting fails.
	Private map[string]json.RawMessage
	// Type is the typ of the header; "" is JWT, which Auth0's clients expect also of access tokens, and AccessTokenType is RFC 9068's.
	Type string

	idToken bool // read of one
}

// AccessTokenType is the typ of access tokens by RFC 9068.
const AccessTokenType = "at+jwt"

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
	SessionID       string           `json:"sid,omitempty"`
	Grant           string           `json:"grant,omitempty"`
	OrganizationID  string           `json:"org_id,omitempty"`
	AccessTokenHash string           `json:"at_hash,omitempty"`
}

// own tells the names of the claims that are fields.
func own(name string) bool {
	return slices.Contains([]string{
		"iss", "sub", "azp", "aud", "iat", "nbf", "exp", "jti", "tenant_id", "scope", "permissions", "sid", "grant", "org_id", "at_hash",
	}, name)
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
	private := make(map[string]interface{}, len(c.Private)) // as jose takes it
	for name, value := range c.Private {
		if own(name) {
			return "", fmt.Errorf("the claim %q has a field of its own", name)
		}
		private[name] = value
	}
	if c.Type == "" {
		c.Type = "JWT"
	}
	key := jose.SigningKey{Algorithm: jose.SignatureAlgorithm(s.current.Algorithm), Key: s.current}
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType(jose.ContentType(c.Type)))
	if err != nil {
		return "", err
	}
	return jwt.Signed(signer).Claims(private).Claims(payload{
		Issuer: i.cfg.Issuer, Subject: c.Subject, AuthorizedParty: c.AuthorizedParty, Audience: c.Audience,
		IssuedAt: jwt.NewNumericDate(now), Expires: jwt.NewNumericDate(c.Expires), ID: rand.Text(),
		TenantID: c.TenantID, Scope: c.Scope, Permissions: c.Permissions, SessionID: c.SessionID, Grant: c.Grant, OrganizationID: c.OrganizationID,
		AccessTokenHash: hashFor(s.current.Algorithm, c.AccessToken),
	}).Serialize()
}

// hashFor is the left half of a token's hash (OpenID Connect Core 1.0, 3.1.3.6), by the hash of the key's algorithm: of Ed25519 it
// is SHA-512.
func hashFor(algorithm, token string) string {
	if token == "" {
		return ""
	}
	if algorithm == EdDSA {
		sum := sha512.Sum512([]byte(token))
		return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
	}
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}
