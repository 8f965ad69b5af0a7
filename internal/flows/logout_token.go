package flows

import (
	"context"
	"errors"
	"fmt"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
)

// LogoutToken is [Flows.Logout] by an access token that [Flows.Inspect] has told about: it ends the login that gave it, with its refresh
// tokens and access tokens, and the session, if it is of one. after_logout is raised in the same transaction. A login that was ended
// already is no error, and raises nothing.
func (f *Flows) LogoutToken(ctx context.Context, c Caller, i *Inspection) error {
	ctx = c.stamped(ctx)
	err := f.cfg.Store.InTx(ctx, func(tx *db.Tx) error {
		ended, err := f.endLogin(ctx, tx, &c, i)
		if err != nil || !ended {
			return err
		}
		if err := auth.Raise(ctx, tx.AuthEvents, c.Tenant.ID, auth.AfterLogout, auth.Logout{UserID: i.Subject}); err != nil {
			return err
		}
		return f.logIn(ctx, tx, c, logLogout, "The user logged out", logOf{user: i.User})
	})
	if err != nil {
		return fmt.Errorf("flows: logout by token: %w", err)
	}
	return nil
}

// endLogin reports whether it was what ended the login.
func (f *Flows) endLogin(ctx context.Context, tx *db.Tx, c *Caller, i *Inspection) (bool, error) {
	id, until := i.Claims.Grant, f.revokedUntil()
	if id == "" {
		id = i.ID
	}
	first, err := tx.Revocations.Once(ctx, c.Tenant.ID, until, id)
	if err != nil || !first {
		return false, err
	}
	if err := tx.RefreshTokens.RevokeFamily(ctx, c.Tenant.ID, id); err != nil || i.SessionID == "" {
		return true, err
	}
	if err := tx.Revocations.Add(ctx, c.Tenant.ID, until, i.SessionID); err != nil {
		return false, err
	}
	_, err = tx.Sessions.End(ctx, c.Tenant.ID, i.SessionID)
	if errors.Is(err, db.ErrNotFound) { // the user logged out of it already
		return false, nil
	}
	return true, err
}
