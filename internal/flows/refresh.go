package flows

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
)

// Log lines of refresh tokens.
const (
	logRefresh       = "sertft"
	logRefreshFailed = "fertft"
	logRefreshReused = "ferrt"
)

// kept is the claims of db.RefreshToken: what its tokens say beside what its columns do.
type kept struct {
	OrganizationID string `json:"organization_id,omitempty"`
}

// firstRefreshToken begins the family of a grant.
func (f *Flows) firstRefreshToken(ctx context.Context, c Caller, g *Grant, scope []string) (string, error) {
	lifetime, how := refreshing(c.Client)
	methods, err := json.Marshal(g.Methods)
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(kept{g.OrganizationID})
	if err != nil {
		return "", err
	}
	_, raw, err := f.cfg.Store.RefreshTokens.Create(ctx, c.Tenant.ID, db.CreateRefreshToken{
		FamilyID: g.ID, ClientID: g.ClientID, UserID: g.User.UserID, SessionID: given(g.SessionID), Audience: g.Audience, Scope: scope, Methods: methods,
		Claims: claims, AuthenticatedAt: g.AuthenticatedAt, Idle: how.Idle, Lifetime: lifetime,
	})
	return raw, err
}

// Refresh gives new tokens for a refresh token, and the one that follows it, of the same family. PostLogin's hooks run, with the
// protocol oauth2-refresh-token, and make the claims anew; what they set of the user is written. It is no login: it isn't counted and raises
// no after_login. scope may be less than what was granted, and none is all of it.
//
// A token that was used before, longer ago than the client's leeway, is in two hands: its family and its grant are revoked.
//
// Errors: [Refused]: invalid_grant for a token that isn't good, or not the client's, and for a user who is blocked, gone, or linked to another
// account; invalid_scope; access_denied by a hook; interaction_required where a hook suspends.
func (f *Flows) Refresh(ctx context.Context, c Caller, refreshToken string, scope []string) (Tokens, error) {
	a := &attempt{Caller: c}
	tokens, err := f.refresh(c.stamped(ctx), a, refreshToken, scope)
	failure := logRefreshFailed
	if errors.Is(err, db.ErrReused) {
		failure, err = logRefreshReused, errors.Join(invalidGrant("The refresh token was used before: all of its family is revoked."), f.revokeGrant(ctx, c.Tenant.ID, a.direct.ID))
	}
	return tokens, f.exchanged(ctx, c, err, logRefresh, failure, "A refresh token", &a.who.User)
}

func (f *Flows) refresh(ctx context.Context, a *attempt, raw string, scope []string) (Tokens, error) {
	if a.Client == nil {
		return Tokens{}, errNoClient()
	}
	row, err := f.findRefresh(ctx, a, raw)
	if err != nil {
		return Tokens{}, err
	}
	_, how := refreshing(a.Client)
	if row.UsedAt != nil && f.cfg.Now().Sub(*row.UsedAt) > how.Leeway { // hooks needn't hear of it
		_, _, err := f.cfg.Store.RefreshTokens.Rotate(ctx, a.Tenant.ID, raw, how)
		return Tokens{}, gone(err)
	}
	g, err := f.regrant(ctx, a, &row, scope)
	if err != nil {
		return Tokens{}, err
	}
	if f.cfg.Hooks.HasPostLogin() {
		stats, err := f.cfg.Store.Users.Stats(ctx, a.Tenant.ID, g.User.UserID)
		if err != nil {
			return Tokens{}, err
		}
		if err := f.askAlone(ctx, a, stats.LoginCount); err != nil {
			return Tokens{}, err
		}
		g.User, g.IDToken, g.AccessToken = a.who.User, a.hooks.IDToken, a.hooks.AccessToken
	}
	_, next, err := f.cfg.Store.RefreshTokens.Rotate(ctx, a.Tenant.ID, raw, how)
	if err != nil {
		return Tokens{}, gone(err)
	}
	tokens, err := f.issue(ctx, a.Caller, &g)
	if err != nil {
		return Tokens{}, err
	}
	tokens.RefreshToken = next
	if slices.Contains(g.Scope, offlineAccess) {
		tokens.Scope += " " + offlineAccess
	}
	return f.unlessRevoked(ctx, a.Caller, row.FamilyID, tokens)
}

// findRefresh finds a refresh token of the caller's client that nobody revoked.
func (f *Flows) findRefresh(ctx context.Context, a *attempt, raw string) (db.RefreshToken, error) {
	row, err := f.cfg.Store.RefreshTokens.Find(ctx, a.Tenant.ID, raw)
	if err != nil {
		return row, gone(err)
	}
	if row.ClientID != a.Client.ClientID || row.RevokedAt != nil {
		return row, gone(db.ErrNotFound)
	}
	a.direct = auth.Transaction{ID: row.FamilyID, Audience: row.Audience, RequestedScopes: row.Scope, Protocol: protocolRefresh}
	revoked, err := f.cfg.Store.Revocations.Any(ctx, a.Tenant.ID, row.FamilyID)
	if err == nil && revoked {
		err = gone(db.ErrNotFound)
	}
	return row, err
}

func gone(err error) error {
	if errors.Is(err, db.ErrNotFound) {
		return invalidGrant("There is no such refresh token, or it has expired or was revoked.")
	}
	return err
}

// regrant is the grant of a refresh token: as it was, of the user as it is now.
func (f *Flows) regrant(ctx context.Context, a *attempt, row *db.RefreshToken, scope []string) (g Grant, err error) {
	for _, name := range scope {
		if !slices.Contains(row.Scope, name) {
			return g, &Refused{"invalid_scope", fmt.Sprintf("The refresh token doesn't have the scope %q.", name)}
		}
	}
	if len(scope) == 0 {
		scope = row.Scope
	}
	var claims kept
	if err := errors.Join(json.Unmarshal(row.Claims, &claims), json.Unmarshal(row.Methods, &a.who.Methods)); err != nil {
		return g, fmt.Errorf("refresh token: %w", err)
	}
	user, err := f.grantee(ctx, a.Tenant.ID, row.UserID)
	if err != nil {
		return g, err
	}
	if a.who.User = user; claims.OrganizationID != "" {
		if a.in, err = f.stillOf(ctx, a.Tenant.ID, claims.OrganizationID, user.UserID); err != nil {
			return g, err
		}
	}
	if a.who.Connection, err = f.connectionNamed(ctx, a.Tenant.ID, user.Connection); err != nil {
		return g, err
	}
	g = Grant{
		ID: row.FamilyID, User: user, ClientID: row.ClientID, OrganizationID: claims.OrganizationID, Audience: row.Audience, Scope: scope,
		Methods: a.who.Methods, AuthenticatedAt: row.AuthenticatedAt,
	}
	if row.SessionID == nil {
		return g, nil
	}
	ended, err := f.cfg.Store.Revocations.Any(ctx, a.Tenant.ID, *row.SessionID) // after a logout what comes is of no session
	if err == nil && !ended {
		g.SessionID = *row.SessionID
	}
	return g, err
}
