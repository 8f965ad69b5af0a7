package flows

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/token"
)

// Revoke ends a token of the caller's client (RFC 7009): a refresh token with its family and its grant's access tokens, or an access
// token by itself. One that isn't good is revoked already, which is no error. Errors: [Refused], for a token of another client.
func (f *Flows) Revoke(ctx context.Context, c Caller, raw string) error {
	if err := f.revoke(ctx, c, raw); err != nil {
		return fmt.Errorf("flows: revoke: %w", err)
	}
	return nil
}

func (f *Flows) revoke(ctx context.Context, c Caller, raw string) error {
	if c.Client == nil {
		return errNoClient()
	}
	other := &Refused{"unauthorized_client", "The token was given to another client."}
	row, err := f.cfg.Store.RefreshTokens.Find(ctx, c.Tenant.ID, raw)
	switch {
	case err == nil && row.ClientID != c.Client.ClientID:
		return other
	case err == nil:
		return f.revokeGrant(ctx, c.Tenant.ID, row.FamilyID)
	case !errors.Is(err, db.ErrNotFound):
		return err
	}
	claims, err := f.cfg.Tokens.Inspect(ctx, raw)
	switch {
	case errors.Is(err, token.ErrInvalid), err == nil && claims.TenantID != c.Tenant.ID:
		return nil
	case err != nil:
		return err
	case claims.AuthorizedParty != c.Client.ClientID:
		return other
	}
	return f.cfg.Store.Revocations.Add(ctx, c.Tenant.ID, claims.Expires.Add(token.Leeway), claims.ID)
}

// Logout ends a session, with its access tokens, raises after_logout and writes the line, in one transaction. Refresh tokens go on: the user
// gave the application offline access. A session that has ended already is no error, and raises nothing.
func (f *Flows) Logout(ctx context.Context, c Caller, s db.Session) error {
	ctx = c.stamped(ctx)
	err := f.cfg.Store.InTx(ctx, func(tx *db.Tx) error {
		if _, err := tx.Sessions.End(ctx, c.Tenant.ID, s.ID); err != nil {
			return err
		}
		if err := f.revokeIn(ctx, tx, c.Tenant.ID, s.ID); err != nil {
			return err
		}
		if err := auth.Raise(ctx, tx.AuthEvents, c.Tenant.ID, auth.AfterLogout, auth.Logout{UserID: s.UserID}); err != nil {
			return err
		}
		return f.logIn(ctx, tx, c, logLogout, "The user logged out", logOf{user: &db.User{UserID: s.UserID}, connection: s.Connection})
	})
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return fmt.Errorf("flows: logout: %w", err)
	}
	return nil
}

// EndAll ends what a user is logged in by, in the transaction of what makes it so (a reset or a change of the password, a block): logins under
// way, codes that weren't redeemed, sessions but one, or all where that is "", refresh tokens, and the access tokens of these. No hook runs. Access tokens of a login that had neither, by the
// password grant, go on until they expire, though not for a user who is blocked.
func (f *Flows) EndAll(ctx context.Context, tx *db.Tx, tenantID, userID, butSession string) error {
	if err := tx.LoginSessions.EndOf(ctx, tenantID, userID, butSession); err != nil { // first: who waits here for a login's end sees its session
		return fmt.Errorf("flows: end all: %w", err)
	}
	sessions, err := tx.Sessions.EndOf(ctx, tenantID, userID, butSession)
	if err != nil {
		return fmt.Errorf("flows: end all: %w", err)
	}
	families, err := tx.RefreshTokens.RevokeOf(ctx, tenantID, userID)
	if err == nil {
		err = f.revokeIn(ctx, tx, tenantID, append(sessions, families...)...)
	}
	if err != nil {
		return fmt.Errorf("flows: end all: %w", err)
	}
	return nil
}

// revokeIn revokes ids for as long as a token may live that carries one.
func (f *Flows) revokeIn(ctx context.Context, tx *db.Tx, tenantID string, ids ...string) error {
	return tx.Revocations.Add(ctx, tenantID, f.revokedUntil(), ids...)
}

func (f *Flows) revokedUntil() time.Time { return f.cfg.Now().Add(token.MaxLifetime + token.Leeway) }
