package flows_test

import (
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/db"
)

// opened gives a user two sessions and a refresh token, and returns the first session's id.
func (a *accounts) opened(u db.User) string {
	a.t.Helper()
	in := db.CreateSession{UserID: u.UserID, ClientID: "app", Idle: time.Hour, Lifetime: time.Hour}
	first, _, err := a.env.Store.Sessions.Create(a.t.Context(), "test", in)
	a.ok(err)
	_, _, err = a.env.Store.Sessions.Create(a.t.Context(), "test", in)
	a.ok(err)
	_, _, err = a.env.Store.RefreshTokens.Create(a.t.Context(), "test", db.CreateRefreshToken{
		FamilyID: "f", ClientID: "app", UserID: u.UserID, AuthenticatedAt: time.Now(), Lifetime: time.Hour,
	})
	a.ok(err)
	return first.ID
}

func (a *accounts) wantOpen(sessions, tokens string) {
	a.t.Helper()
	if n := a.text(`select count(*)::text from auth.sessions where ended_at is null`); n != sessions {
		a.t.Errorf("%s sessions go on; want %s", n, sessions)
	}
	if n := a.text(`select count(*)::text from auth.refresh_tokens where revoked_at is null`); n != tokens {
		a.t.Errorf("%s refresh tokens go on; want %s", n, tokens)
	}
}

func TestResetPassword(t *testing.T) {
	t.Parallel()
	a := newAccounts(t, nil)
	u := a.signup("ann@example.com")
	a.wantRan([]string{"validate ann@example.com", "pre-registration by app from 203.0.113.7"}, "after_register", "post-registration", "send_verification_email")
	a.opened(u)
	a.ok(a.RequestPasswordReset(t.Context(), a.caller, "db", "ANN@example.com"))
	a.wantRan([]string{"send_password_reset_email"})
	token := a.mail("send_password_reset_email", "ann@example.com")
	_, _, err := a.ResetPassword(t.Context(), a.caller, token, "short")
	a.wantRefused(err, "invalid_password")
	a.wantOpen("2", "1")
	u, ticket, err := a.ResetPassword(t.Context(), a.caller, token, another)
	a.ok(err)
	if !u.EmailVerified || ticket.ExpiresAt.Sub(ticket.CreatedAt) != 15*time.Minute {
		t.Errorf("reset %+v by %+v", u, ticket)
	}
	a.wantOpen("0", "0")
	a.wantRan([]string{"pre-update of email_verified"}, "after_email_verify", "after_password_reset")
	_, err = a.check("ann@example.com", secret)
	a.wantRefused(err, "invalid_grant")
	_, err = a.check("ann@example.com", another)
	a.ok(err)
	_, _, err = a.ResetPassword(t.Context(), a.caller, token, secret)
	a.wantRefused(err, "invalid_ticket")
	_, _, err = a.VerifyEmail(t.Context(), a.caller, token)
	a.wantRefused(err, "invalid_ticket")
	a.wantLines("fcp fcp fp fv scp scpr ss")
}

func TestResetOfNobody(t *testing.T) {
	t.Parallel()
	a := newAccounts(t, nil)
	began := time.Now()
	a.ok(a.RequestPasswordReset(t.Context(), a.caller, "db", "nobody@example.com"))
	if took := time.Since(began); took < 50*time.Millisecond {
		t.Errorf("it was answered after %v", took)
	}
	a.wantRan(nil)
	a.wantLines("fcpr")
	a.signup("ann@example.com")
	for range 7 {
		a.ok(a.RequestPasswordReset(t.Context(), a.caller, "db", "ann@example.com"))
	}
	if n := a.text(`select count(*)::text from auth.auth_events where type = 'send_password_reset_email'`); n != "5" {
		t.Errorf("%s mails", n)
	}
}

// A ticket of the management API verifies the address only if it says so: it need not have gone by mail.
func TestResetByTicket(t *testing.T) {
	t.Parallel()
	a := newAccounts(t, nil)
	u := a.signup("ann@example.com")
	for _, options := range []string{`{}`, `{"mark_email_as_verified": true}`} {
		_, token, err := a.env.Store.Tickets.Create(t.Context(), "test", db.CreateTicket{Type: db.ChangePassword, UserID: u.UserID, Email: u.Email, Options: []byte(options)})
		a.ok(err)
		got, _, err := a.ResetPassword(t.Context(), a.caller, token, another)
		a.ok(err)
		if got.EmailVerified != (options != `{}`) {
			t.Errorf("by %s: %+v", options, got)
		}
	}
}

func TestChangePassword(t *testing.T) {
	t.Parallel()
	a := newAccounts(t, nil)
	u := a.signup("ann@example.com")
	keep := a.opened(u)
	a.wantRan([]string{"validate ann@example.com", "pre-registration by app from 203.0.113.7"}, "after_register", "post-registration", "send_verification_email")
	a.wantRefused(a.ChangePassword(t.Context(), a.caller, u, another, another, keep), "invalid_grant")
	a.wantRefused(a.ChangePassword(t.Context(), a.caller, u, secret, "ann@example.com", keep), "invalid_password")
	a.wantOpen("2", "1")
	a.ok(a.ChangePassword(t.Context(), a.caller, u, secret, another, keep))
	a.wantOpen("1", "0")
	a.wantRan([]string{"after_password_change"})
	_, err := a.check("ann@example.com", another)
	a.ok(err)
	a.wantLines("fcp fcp scp ss")
	for range 10 {
		a.wantRefused(a.ChangePassword(t.Context(), a.caller, u, secret, secret, keep), "invalid_grant")
	}
	a.wantRefused(a.ChangePassword(t.Context(), a.caller, u, another, secret, keep), "too_many_attempts")
}

// The password of a linked identity is the account's.
func TestChangePasswordOfLinked(t *testing.T) {
	t.Parallel()
	a := newAccounts(t, nil)
	a.env.SQL(`insert into auth.users (tenant_id, user_id, provider, connection) values ('test', 'google|ann', 'google', 'google')`)
	ann, err := a.env.Store.Users.Get(t.Context(), "test", "google|ann")
	a.ok(err)
	a.wantRefused(a.ChangePassword(t.Context(), a.caller, ann, secret, another, ""), "invalid_grant")
	u := a.signup("ann@example.com")
	_, err = a.env.Store.Users.Link(t.Context(), "test", "google|ann", u.UserID)
	a.ok(err)
	a.opened(ann)
	a.ok(a.ChangePassword(t.Context(), a.caller, ann, secret, another, ""))
	a.wantOpen("0", "0")
	_, err = a.check("ann@example.com", another)
	a.ok(err)
}
