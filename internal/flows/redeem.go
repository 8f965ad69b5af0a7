package flows

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/token"
)

// Log lines of authorization codes.
const (
	logCode       = "seacft"
	logCodeFailed = "feacft"
)

// Redeem gives the tokens for an authorization code, once: to the client that it was made for, with the redirect URI that was asked with, and the
// verifier of the challenge. Whatever is wrong uses the code up. A second use revokes what the first gave: the refresh tokens, and by
// the grant the access tokens. No hook runs.
//
// Errors: [Refused], invalid_grant for all of that.
func (f *Flows) Redeem(ctx context.Context, c Caller, code, redirectURI, verifier string) (Tokens, error) {
	var g Grant
	tokens, err := f.redeem(ctx, c, code, redirectURI, verifier, &g)
	return tokens, f.exchanged(ctx, c, err, logCode, logCodeFailed, "An authorization code", &g.User)
}

func (f *Flows) redeem(ctx context.Context, c Caller, code, redirectURI, verifier string, g *Grant) (Tokens, error) {
	if c.Client == nil {
		return Tokens{}, errNoClient()
	}
	row, err := f.cfg.Store.LoginSessions.Redeem(ctx, c.Tenant.ID, code)
	switch {
	case errors.Is(err, db.ErrCodeUsed):
		return Tokens{}, errors.Join(invalidGrant("The authorization code was used before: what it gave is revoked."), f.revokeGrant(ctx, c.Tenant.ID, row.ID))
	case errors.Is(err, db.ErrNotFound):
		return Tokens{}, invalidGrant("There is no such authorization code, or it has expired.")
	case err != nil:
		return Tokens{}, err
	}
	login := &Login{LoginSession: row}
	if err := json.Unmarshal(row.Request, &login.Asked); err != nil {
		return Tokens{}, fmt.Errorf("request: %w", err)
	}
	switch {
	case row.ClientID != c.Client.ClientID:
		return Tokens{}, invalidGrant("The authorization code was made for another client.")
	case redirectURI != login.Asked.RedirectURI:
		return Tokens{}, invalidGrant("redirect_uri is another than the one that the code was asked for with.")
	case !verifies(login.Asked.CodeChallenge, verifier):
		return Tokens{}, invalidGrant("code_verifier is not that of the code_challenge, or only one of the two is there.")
	}
	if *g, err = f.grantOf(ctx, login); err != nil {
		return Tokens{}, err
	}
	tokens, err := f.issue(ctx, c, g)
	if err != nil || tokens.RefreshToken == "" {
		return tokens, err
	}
	return f.unlessRevoked(ctx, c, g.ID, tokens)
}

// unlessRevoked gives the tokens unless the code was used a second time while they were made: that use found no family to revoke yet. It
// revokes the grant first and the family then, so one of the two sees the other.
func (f *Flows) unlessRevoked(ctx context.Context, c Caller, grant string, tokens Tokens) (Tokens, error) {
	revoked, err := f.cfg.Store.Revocations.Any(ctx, c.Tenant.ID, grant)
	if err != nil || !revoked {
		return tokens, err
	}
	return Tokens{}, errors.Join(invalidGrant("The authorization code was used a second time."), f.cfg.Store.RefreshTokens.RevokeFamily(ctx, c.Tenant.ID, grant))
}

// revokeGrant ends the tokens of a login.
func (f *Flows) revokeGrant(ctx context.Context, tenantID, id string) error {
	ctx = context.WithoutCancel(ctx) // whoever misused it must not stop this by hanging up
	if err := f.cfg.Store.Revocations.Add(ctx, tenantID, f.cfg.Now().Add(token.MaxLifetime+token.Leeway), id); err != nil {
		return err
	}
	return f.cfg.Store.RefreshTokens.RevokeFamily(ctx, tenantID, id)
}

// verifies checks a verifier (RFC 7636, 4.6) in constant time. Where there was no challenge there must be no verifier, and the other way round.
func verifies(challenge, verifier string) bool {
	if challenge == "" || verifier == "" {
		return challenge == verifier
	}
	sum := sha256.Sum256([]byte(verifier))
	equal := subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge)) == 1
	return equal && regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`).MatchString(verifier)
}

func invalidGrant(description string) error { return &Refused{"invalid_grant", description} }

func errNoClient() error {
	return &Refused{"invalid_client", "A client is needed."}
}

// exchanged writes the line of an exchange at the token endpoint.
func (f *Flows) exchanged(ctx context.Context, c Caller, err error, success, failure, what string, user *db.User) error {
	of := logOf{user: user}
	if user == nil || user.UserID == "" {
		of.user = nil
	}
	var no *Refused
	switch err = refusal(err); {
	case err == nil:
		f.logLine(ctx, c, success, what+" was exchanged for tokens", of)
		return nil
	case errors.As(err, &no):
		f.logLine(ctx, c, failure, no.Description, of)
		return err
	}
	f.logLine(ctx, c, failure, what+" was not exchanged, by a fault of the server or of a hook", of)
	return fmt.Errorf("flows: exchange: %w", err)
}
