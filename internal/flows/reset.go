package flows

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
)

// RequestPasswordReset sends a mail that resets a password, by the event send_password_reset_email, if a user of the connection has the
// address. It answers the same if not, and takes as long. Errors: [Refused] with too_many_attempts (from one IP address), invalid_request.
func (f *Flows) RequestPasswordReset(ctx context.Context, c Caller, connection, email string) error {
	ctx, began, email := c.stamped(ctx), time.Now(), normal(email)
	con, err := f.connection(ctx, &c, connection, strategyDatabase)
	if err != nil {
		return err
	}
	if err := f.limit(ctx, &c, "reset/address", network(c.Request.IP), mostMailsFromIP); err != nil {
		return err
	}
	u, err := f.userIn(ctx, &c, &con, email)
	if err == nil {
		err = f.mailReset(ctx, &c, &con, u, email)
	}
	if err != nil {
		return err
	}
	return evenly(ctx, began)
}

// mailReset mails to a user, if there is one.
func (f *Flows) mailReset(ctx context.Context, c *Caller, con *usable, u *db.User, email string) error {
	silent, err := f.limited(ctx, c, "reset/mail", con.Name+"\n"+email, mostMails)
	if err != nil {
		return err
	}
	of := logOf{user: u, typed: email}.in(&con.Connection)
	switch {
	case u == nil || u.Email == nil:
		f.logLine(ctx, *c, logResetAskedFailed, "Nobody has this e-mail address.", of)
		return nil
	case silent:
		f.logLine(ctx, *c, logResetAskedFailed, "Too many mails were sent to this address.", of)
		return nil
	}
	return f.cfg.Store.InTx(ctx, func(tx *db.Tx) error {
		if err := f.mailTicket(ctx, tx, c, u, db.ChangePassword); err != nil {
			return err
		}
		return f.logIn(ctx, tx, *c, logResetAsked, "A mail to reset the password was asked for.", of)
	})
}

// ResetPassword takes a token that was mailed, once, and sets another password: all sessions and refresh tokens end, tries are forgotten,
// and the address is verified, as its mail was read (of a ticket by the management API: if it says mark_email_as_verified). The event
// after_password_reset is raised in the same transaction. A password that the connection refuses doesn't use the token up.
// Errors: [Refused] with invalid_ticket, invalid_password; hooks.Rejection.
func (f *Flows) ResetPassword(ctx context.Context, c Caller, token, password string) (db.User, db.Ticket, error) {
	ctx = c.stamped(ctx)
	u, t, err := f.resetPassword(ctx, &c, token, password)
	if err != nil {
		f.logLine(ctx, c, logPasswordFailed, reasonOf(err, "The password could not be reset."), logOf{}.about(&u))
	}
	return u, t, err
}

func (f *Flows) resetPassword(ctx context.Context, c *Caller, token, password string) (u db.User, t db.Ticket, err error) {
	if t, u, err = f.ticket(ctx, c, db.ChangePassword, token); err != nil {
		return u, t, err
	}
	if err := f.acceptable(ctx, &u, password); err != nil {
		return u, t, err
	}
	hash, err := f.hash(ctx, password)
	if err != nil {
		return u, t, err
	}
	err = again(func() error {
		if t, u, err = f.ticket(ctx, c, db.ChangePassword, token); err != nil {
			return err
		}
		verify := func(*db.Tx, *db.User) (bool, error) { return false, nil }
		if proves(&t) {
			if verify, err = f.asksToVerify(ctx, &u); err != nil {
				return err
			}
		}
		return f.cfg.Store.InTx(ctx, func(tx *db.Tx) error {
			if err := use(ctx, tx, &t, token); err != nil {
				return err
			}
			if _, err := verify(tx, &u); err != nil {
				return err
			}
			if err := f.setPassword(ctx, tx, &u, hash, ""); err != nil {
				return err
			}
			if err := unblock(ctx, tx, c, &u); err != nil {
				return err
			}
			if err := auth.Raise(ctx, tx.AuthEvents, u.TenantID, auth.AfterPasswordReset, auth.PasswordReset{User: u}); err != nil {
				return err
			}
			return f.logIn(ctx, tx, *c, logPasswordChanged, "The password was reset.", logOf{}.about(&u))
		})
	})
	return u, t, err
}

// proves reports whether whoever has a ticket reads the user's mail.
func proves(t *db.Ticket) bool {
	var options struct {
		Mark bool `json:"mark_email_as_verified"`
	}
	return t.Email != nil && json.Unmarshal(t.Options, &options) == nil && options.Mark
}

// ChangePassword sets another password for a user who is logged in and knows the one before: of the user's own identity, or of a linked
// one. All sessions but keep (a session's id; "" for none) and all refresh tokens end; the event after_password_change is raised in the
// same transaction. Errors: [Refused] with invalid_grant, too_many_attempts, invalid_password.
func (f *Flows) ChangePassword(ctx context.Context, c Caller, user db.User, old, password, keep string) error {
	ctx = c.stamped(ctx)
	err := f.changePassword(ctx, &c, &user, old, password, keep)
	if err != nil {
		f.logLine(ctx, c, logPasswordFailed, reasonOf(err, "The password could not be changed."), logOf{}.about(&user))
	}
	return err
}

func (f *Flows) changePassword(ctx context.Context, c *Caller, user *db.User, old, password, keep string) error {
	if err := f.limit(ctx, c, "change/account", user.UserID, mostOfAccount); err != nil {
		return err
	}
	u, err := f.withPassword(ctx, user)
	if err != nil {
		return err
	}
	match, err := f.hasPassword(ctx, u, old)
	if err != nil {
		return err
	}
	if !match {
		return &Refused{"invalid_grant", "The password is wrong."}
	}
	if err := f.cfg.Store.Tries.Clear(ctx, c.Tenant.ID, "change/account", user.UserID); err != nil {
		return err
	}
	if err := f.acceptable(ctx, u, password); err != nil {
		return err
	}
	hash, err := f.hash(ctx, password)
	if err != nil {
		return err
	}
	return f.cfg.Store.InTx(ctx, func(tx *db.Tx) error {
		if err := f.setPassword(ctx, tx, u, hash, keep); err != nil {
			return err
		}
		if err := auth.Raise(ctx, tx.AuthEvents, u.TenantID, auth.AfterPasswordChange, auth.PasswordChange{User: *u}); err != nil {
			return err
		}
		return f.logIn(ctx, tx, *c, logPasswordChanged, "The password was changed.", logOf{}.about(u))
	})
}

// setPassword sets it and ends what was opened with the one before, of the identity and of its account.
func (f *Flows) setPassword(ctx context.Context, tx *db.Tx, u *db.User, hash, keep string) error {
	if err := tx.Users.SetPassword(ctx, u.TenantID, u.UserID, hash); err != nil {
		return err
	}
	if u.LinkedTo != nil {
		if err := f.EndAll(ctx, tx, u.TenantID, *u.LinkedTo, keep); err != nil {
			return err
		}
	}
	return f.EndAll(ctx, tx, u.TenantID, u.UserID, keep)
}

// withPassword is the identity of an account that has the password: its own before those that are linked. nil: none has.
func (f *Flows) withPassword(ctx context.Context, user *db.User) (*db.User, error) {
	identities, err := f.cfg.Store.Users.Identities(ctx, user.TenantID, user.UserID)
	for i := range identities {
		_, err = f.cfg.Store.Users.PasswordHash(ctx, user.TenantID, identities[i].UserID)
		if !errors.Is(err, db.ErrNotFound) {
			return &identities[i], err
		}
	}
	if errors.Is(err, db.ErrNotFound) {
		err = nil
	}
	return nil, err
}

// acceptable holds a new password of a user against its connection's policy. The default connection needn't be there.
func (f *Flows) acceptable(ctx context.Context, u *db.User, password string) error {
	var con usable
	page, err := f.cfg.Store.Connections.List(ctx, u.TenantID, db.ListOptions{Filter: []db.Filter{db.Equal("name", u.Connection)}})
	if err != nil {
		return err
	}
	if len(page.Rows) > 0 {
		con.Connection = page.Rows[0]
		if err := json.Unmarshal(con.Options, &con.options); err != nil {
			return fmt.Errorf("flows: options of connection %s: %w", con.Name, err)
		}
	}
	return con.checkPassword(password, u.Email, u.Username)
}
