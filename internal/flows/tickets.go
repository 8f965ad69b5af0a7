package flows

import (
	"context"
	"errors"
	"net/mail"
	"time"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
)

const (
	verifyLifetime = 24 * time.Hour
	resetLifetime  = 15 * time.Minute

	mostMails       = 5  // of one kind to one address, in a window of tries
	mostMailsFromIP = 50 // from one IP address

	// evenTime is what a request that may or may not send a mail takes at least, so that it tells nothing.
	evenTime = 50 * time.Millisecond
)

// mailTicket makes a ticket for the address that a user has, and raises the event that sends it.
func (f *Flows) mailTicket(ctx context.Context, tx *db.Tx, c *Caller, u *db.User, kind string) error {
	in := db.CreateTicket{Type: kind, UserID: u.UserID, Email: u.Email, TTL: verifyLifetime}
	event := auth.SendVerificationEmail
	if kind == db.ChangePassword {
		event, in.TTL, in.Options = auth.SendPasswordResetEmail, resetLifetime, []byte(`{"mark_email_as_verified": true}`)
	}
	if c.Client != nil {
		in.ClientID = &c.Client.ClientID
	}
	_, token, err := tx.Tickets.Create(ctx, c.Tenant.ID, in)
	if err != nil {
		return err
	}
	return auth.RaiseSendEmail(ctx, tx.AuthEvents, f.cfg.Keys, c.Tenant.ID, event, auth.SendEmail{Email: *u.Email, UserID: u.UserID, Token: token})
}

// ticket reads a ticket and whose it is. One for an address that the user no longer has is none.
func (f *Flows) ticket(ctx context.Context, c *Caller, kind, token string) (db.Ticket, db.User, error) {
	t, err := f.cfg.Store.Tickets.Find(ctx, c.Tenant.ID, kind, token)
	if errors.Is(err, db.ErrNotFound) {
		return t, db.User{}, errNoTicket()
	}
	if err != nil {
		return t, db.User{}, err
	}
	u, err := f.cfg.Store.Users.Get(ctx, c.Tenant.ID, t.UserID)
	if err == nil && t.Email != nil && (u.Email == nil || normal(*t.Email) != normal(*u.Email)) {
		err = errNoTicket()
	}
	return t, u, err
}

// use takes a ticket, in the transaction of what it is for.
func use(ctx context.Context, tx *db.Tx, t *db.Ticket, token string) error {
	_, err := tx.Tickets.Use(ctx, t.TenantID, t.Type, token)
	if errors.Is(err, db.ErrNotFound) {
		err = errNoTicket()
	}
	return err
}

// evenly returns when a request has taken as long as each does.
func evenly(ctx context.Context, began time.Time) error {
	rest := time.NewTimer(evenTime - time.Since(began))
	defer rest.Stop()
	select {
	case <-rest.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func isAddress(email string) bool {
	a, err := mail.ParseAddress(email)
	return err == nil && a.Address == email && len(email) <= 320
}

func errNoTicket() error {
	return &Refused{"invalid_ticket", "The link was used, or is too old. Ask for another."}
}
