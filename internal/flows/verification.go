package flows

import (
	"context"
	"time"

	"github.com/latchkey-dev/latchkey/db"
)

// RequestVerification sends a mail that verifies an address, by the event send_verification_email, if a user of the connection has it and
// hasn't verified it. It answers the same if not, and takes as long. Errors: [Refused] with too_many_attempts (from one IP
// address), invalid_request.
func (f *Flows) RequestVerification(ctx context.Context, c Caller, connection, email string) error {
	ctx, began, email := c.stamped(ctx), time.Now(), normal(email)
	con, err := f.connection(ctx, &c, connection, strategyDatabase)
	if err != nil {
		return err
	}
	if err := f.limit(ctx, &c, "verify/address", network(c.Request.IP), mostMailsFromIP); err != nil {
		return err
	}
	silent, err := f.limited(ctx, &c, "verify/mail", con.Name+"\n"+email, mostMails)
	if err != nil {
		return err
	}
	u, err := f.userIn(ctx, &c, &con, email)
	if err != nil {
		return err
	}
	of := logOf{user: u, typed: email}.in(&con.Connection)
	switch {
	case u == nil || u.Email == nil:
		f.logLine(ctx, c, logVerifyAskedFailed, "Nobody has this e-mail address.", of)
	case u.EmailVerified:
		f.logLine(ctx, c, logVerifyAskedFailed, "The e-mail address is verified already.", of)
	case silent:
		f.logLine(ctx, c, logVerifyAskedFailed, "Too many mails were sent to this address.", of)
	default:
		err = f.cfg.Store.InTx(ctx, func(tx *db.Tx) error {
			if err := f.mailTicket(ctx, tx, &c, u, db.VerifyEmail); err != nil {
				return err
			}
			return f.logIn(ctx, tx, c, logVerifyAsked, "A mail to verify the address was asked for.", of)
		})
	}
	if err != nil {
		return err
	}
	return evenly(ctx, began)
}

// VerifyEmail takes a token that was mailed, once, and makes the address that it was mailed to verified: an update of the user with all its
// hooks, which links accounts. Where it joins the identity to another account, its password and sessions end: whoever made the
// identity may be another than who reads the mail. Errors: [Refused] with invalid_ticket; hooks.Rejection.
func (f *Flows) VerifyEmail(ctx context.Context, c Caller, token string) (db.User, db.Ticket, error) {
	ctx = c.stamped(ctx)
	u, t, err := f.verifyEmail(ctx, &c, token)
	if err != nil {
		f.logLine(ctx, c, logVerifyFailed, reasonOf(err, "The e-mail address could not be verified."), logOf{}.about(&u))
	}
	return u, t, err
}

func (f *Flows) verifyEmail(ctx context.Context, c *Caller, token string) (u db.User, t db.Ticket, err error) {
	err = again(func() error {
		if t, u, err = f.ticket(ctx, c, db.VerifyEmail, token); err != nil {
			return err
		}
		verify, err := f.asksToVerify(ctx, &u)
		if err != nil {
			return err
		}
		return f.cfg.Store.InTx(ctx, func(tx *db.Tx) error {
			if err := use(ctx, tx, &t, token); err != nil {
				return err
			}
			joined, err := verify(tx, &u)
			if err == nil && joined {
				if err = tx.Users.DropPassword(ctx, u.TenantID, u.UserID); err == nil {
					err = f.EndAll(ctx, tx, u.TenantID, u.UserID, "")
				}
			}
			if err != nil {
				return err
			}
			return f.logIn(ctx, tx, *c, logVerified, "The e-mail address was verified.", logOf{}.about(&u))
		})
	})
	return u, t, err
}

// asksToVerify asks the webhooks about making a user's address verified, with no transaction open. What it returns does it in one, and
// reports whether that joined the user to another account.
func (f *Flows) asksToVerify(ctx context.Context, u *db.User) (func(*db.Tx, *db.User) (bool, error), error) {
	if u.EmailVerified {
		return func(*db.Tx, *db.User) (bool, error) { return false, nil }, nil
	}
	permit, err := f.cfg.Store.Users.AskUpdate(ctx, u.TenantID, u.UserID, db.UpdateUser{EmailVerified: db.Set(true)})
	if err != nil {
		return nil, err
	}
	return func(tx *db.Tx, u *db.User) (joined bool, err error) {
		account := u.UserID
		if u.LinkedTo != nil {
			account = *u.LinkedTo
		}
		before, err := tx.Users.Identities(ctx, u.TenantID, account)
		if err != nil {
			return false, err
		}
		if *u, err = tx.Users.UpdateAsked(ctx, permit); err != nil {
			return false, err
		}
		if u.LinkedTo != nil {
			return *u.LinkedTo != account, nil
		}
		after, err := tx.Users.Identities(ctx, u.TenantID, account)
		return len(after) > len(before), err
	}, nil
}
