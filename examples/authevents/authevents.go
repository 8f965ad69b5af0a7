// Package authevents has hooks on authentication's events that many services want: mails, and an audit log.
package authevents

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/hooks"
)

// Mail is one to be sent. A mail service that has seen its ID drops it: a hook runs again if its process dies after the mail
// was sent and before that is recorded.
type Mail struct {
	ID, To, Subject, Body string
}

// Welcome mails everyone who registers, whoever inserted the user.
func Welcome(flows *auth.Hooks, send func(context.Context, Mail) error) {
	auth.On(flows, auth.AfterRegister, "welcome", func(ctx context.Context, _ hooks.Tx, ev hooks.Event, e auth.Registration) error {
		if e.User.Email == nil {
			return nil
		}
		return send(ctx, Mail{ID: "welcome-" + strconv.FormatInt(ev.Seq, 10), To: *e.User.Email, Subject: "Welcome!"})
	})
}

// Links mails the links with which users verify their address and reset their password; site is where they lead. Without these
// hooks the tokens are made, and never delivered.
func Links(flows *auth.Hooks, site string, send func(context.Context, Mail) error) {
	auth.On(flows, auth.SendVerificationEmail, "link", func(ctx context.Context, _ hooks.Tx, ev hooks.Event, e auth.SendEmail) error {
		link := site + "/verify?token=" + url.QueryEscape(e.Token)
		return send(ctx, Mail{ID: "verify-" + strconv.FormatInt(ev.Seq, 10), To: e.Email, Subject: "Verify your email", Body: "Click here to verify: " + link})
	})
	auth.On(flows, auth.SendPasswordResetEmail, "link", func(ctx context.Context, _ hooks.Tx, ev hooks.Event, e auth.SendEmail) error {
		link := site + "/reset-password?token=" + url.QueryEscape(e.Token)
		return send(ctx, Mail{ID: "reset-" + strconv.FormatInt(ev.Seq, 10), To: e.Email, Subject: "Reset your password", Body: "Click here to reset: " + link})
	})
}

// NoteLogins writes each login into auth.logs, exactly once: the line commits together with the record that the hook ran.
func NoteLogins(flows *auth.Hooks) {
	auth.On(flows, auth.AfterLogin, "note", func(ctx context.Context, tx hooks.Tx, ev hooks.Event, e auth.Login) error {
		by := ev.Stamp()
		_, err := tx.Exec(ctx, `insert into auth.logs (tenant_id, type, description, user_id, ip, connection) values ($1, 's', 'login', $2, $3, $4)`,
			ev.TenantID, e.User.UserID, by.IP, e.Connection)
		return err
	})
}

// Audit writes whichever events its caller names, as a service whose configuration lists them does. A name that there isn't is
// an error when the store opens.
func Audit(flows *auth.Hooks, events ...string) {
	for _, name := range events {
		auth.On(flows, auth.Named(name), "audit", func(ctx context.Context, tx hooks.Tx, ev hooks.Event, e auth.Occurrence) error {
			details, err := json.Marshal(map[string]string{"event": e.Event, "origin": ev.Stamp().Origin})
			if err != nil {
				return err
			}
			_, err = tx.Exec(ctx, `insert into auth.logs (tenant_id, type, description, user_id, details) values ($1, 'audit', $2, $3, $4)`,
				e.TenantID, e.Event, e.UserID, details)
			return err
		})
	}
}
