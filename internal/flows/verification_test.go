package flows_test

import (
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/db"
)

func TestVerifyEmail(t *testing.T) {
	t.Parallel()
	a := newAccounts(t, nil)
	a.signup("ann@example.com")
	first := a.mail("send_verification_email", "ann@example.com")
	a.wantRan([]string{"validate ann@example.com", "pre-registration by app from 203.0.113.7"}, "after_register", "post-registration", "send_verification_email")
	a.ok(a.RequestVerification(t.Context(), a.caller, "db", " Ann@example.com"))
	a.wantRan([]string{"send_verification_email"})
	u, ticket, err := a.VerifyEmail(t.Context(), a.caller, a.mail("send_verification_email", "ann@example.com"))
	a.ok(err)
	if !u.EmailVerified || *ticket.ClientID != "app" || ticket.ExpiresAt.Sub(ticket.CreatedAt) != 24*time.Hour {
		t.Errorf("verified %+v by %+v", u, ticket)
	}
	a.wantRan([]string{"pre-update of email_verified"}, "after_email_verify")
	_, _, err = a.VerifyEmail(t.Context(), a.caller, first)
	a.wantRefused(err, "invalid_ticket")
	for _, nothing := range []string{"ann@example.com", "nobody@example.com"} {
		began := time.Now()
		a.ok(a.RequestVerification(t.Context(), a.caller, "db", nothing))
		if took := time.Since(began); took < 50*time.Millisecond {
			t.Errorf("%s was answered after %v", nothing, took)
		}
	}
	a.wantRan(nil)
	a.wantLines("fv fvr fvr ss sv svr")
	if _, err := a.check("ann@example.com", secret); err != nil {
		t.Error(err)
	}
}

// A link for the address that the user had before verifies nothing.
func TestVerifyFormerEmail(t *testing.T) {
	t.Parallel()
	a := newAccounts(t, nil)
	u := a.signup("ann@example.com")
	token := a.mail("send_verification_email", "ann@example.com")
	_, err := a.env.Store.Users.Update(t.Context(), "test", u.UserID, db.UpdateUser{Email: db.Set("bob@example.com")})
	a.ok(err)
	_, _, err = a.VerifyEmail(t.Context(), a.caller, token)
	a.wantRefused(err, "invalid_ticket")
	if n := a.text(`select count(*)::text from auth.users where email_verified`); n != "0" {
		t.Error("it is verified")
	}
}

// Who made an account of another's address, before or after its owner came, gets nothing of the owner's: not even if the
// owner follows the link in the mail.
func TestPreHijack(t *testing.T) {
	t.Parallel()
	a := newAccounts(t, nil)
	theirs := a.signup("ann@example.com") // with the attacker's password
	token := a.mail("send_verification_email", "ann@example.com")
	session, _, err := a.env.Store.Sessions.Create(t.Context(), "test", db.CreateSession{UserID: theirs.UserID, ClientID: "app", Idle: time.Hour, Lifetime: time.Hour})
	a.ok(err)
	who, err := a.checkCode("ann@example.com", a.code("ann@example.com"))
	a.ok(err)
	if who.User.UserID == theirs.UserID {
		t.Error("ann got into the attacker's account")
	}
	if who, err := a.check("ann@example.com", secret); err != nil || who.User.UserID != theirs.UserID {
		t.Errorf("the attacker is %+v, %v", who, err)
	}

	_, _, err = a.VerifyEmail(t.Context(), a.caller, token) // by ann, whose mail it is
	a.ok(err)
	if n := a.text(`select count(*)::text from auth.users where linked_to is not null`); n != "1" {
		t.Errorf("%s are linked", n)
	}
	_, err = a.check("ann@example.com", secret)
	a.wantRefused(err, "invalid_grant")
	if n := a.text(`select count(*)::text from auth.sessions where id = $1 and ended_at is null`, session.ID); n != "0" {
		t.Error("the attacker's session goes on")
	}
}
