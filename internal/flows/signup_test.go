package flows_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/flows"
)

func TestSignup(t *testing.T) {
	t.Parallel()
	a := newAccounts(t, nil)
	u := a.signup(" Ann@Example.com ")
	if *u.Email != "ann@example.com" || u.EmailVerified || u.Connection != "db" || !strings.HasPrefix(u.UserID, "auth0|") {
		t.Errorf("signed up %+v", u)
	}
	a.wantRan([]string{"validate ann@example.com", "pre-registration by app from 203.0.113.7"}, "after_register", "post-registration", "send_verification_email")
	a.wantLines("ss")
	if got := a.text(`select user_name || ' ' || client_id || ' ' || ip || ' ' || hostname || ' ' || connection || ' ' || strategy from auth.logs`); got != "ann@example.com app 203.0.113.7 id.example.com db auth0" {
		t.Errorf("the line says %s", got)
	}
	who, err := a.check("ann@example.com", secret)
	a.ok(err)
	if who.User.UserID != u.UserID || who.Methods[0].Name != "pwd" {
		t.Errorf("authenticated %+v", who)
	}
	a.wantRan(nil)

	_, err = a.Signup(t.Context(), a.caller, flows.Signup{Email: "ANN@example.com", Password: secret})
	a.wantRefused(err, "user_exists")
	a.wantLines("fs ss")
}

func TestSignupRefuses(t *testing.T) {
	t.Parallel()
	a := newAccounts(t, nil)
	a.options("db", `{"requires_username": true}`)
	_, err := a.env.Store.Connections.Create(t.Context(), "test", db.CreateConnection{ID: "closed", Name: "closed", Strategy: "auth0", EnabledClients: []string{"app"}, Options: []byte(`{"disable_signup": true}`)})
	a.ok(err)
	_, err = a.env.Store.Connections.Create(t.Context(), "test", db.CreateConnection{ID: "others", Name: "others", Strategy: "auth0"})
	a.ok(err)
	for code, tries := range map[string][]flows.Signup{
		"invalid_request": {{Connection: "others"}, {Connection: "none"}, {Connection: "mail"}},
		"unauthorized":    {{Connection: "closed", Email: "ann@example.com", Password: secret}},
		"invalid_signup": {
			{Connection: "db", Email: "ann@example.com", Password: secret},
			{Connection: "db", Email: "ann@example.com", Username: "a@b", Password: secret},
			{Connection: "db", Email: "Ann <ann@example.com>", Username: "ann", Password: secret},
		},
		"invalid_password": {
			{Connection: "db", Email: "ann@example.com", Username: "ann", Password: "short"},
			{Connection: "db", Email: "ann@example.com", Username: "ann", Password: "ann@Example.com"},
			{Connection: "db", Email: "ann@example.com", Username: "ann", Password: strings.Repeat("x", 257)},
		},
	} {
		for _, in := range tries {
			_, err := a.Signup(t.Context(), a.caller, in)
			a.wantRefused(err, code)
		}
	}
	a.wantRan(nil)
	if n := a.text(`select count(*)::text from auth.logs where type = 'fs'`); n != "10" {
		t.Errorf("%s lines", n)
	}
}

// Of two at once one wins, and nothing of the other stays.
func TestSignupRace(t *testing.T) {
	t.Parallel()
	var both sync.WaitGroup
	both.Add(2)
	a := newAccounts(t, func(a *accounts) {
		a.hooks.ValidateRegistrationUsername("meet", func(context.Context, *auth.RegistrationAttempt, auth.ValidateRegistrationAPI) error {
			both.Done()
			both.Wait()
			return nil
		})
		a.reg.Users.BeforeCreate("write", func(ctx context.Context, tx hooks.Tx, u *db.User) error {
			_, err := tx.Exec(ctx, `insert into auth.roles (tenant_id, name) values ($1, $2)`, u.TenantID, "of "+u.UserID)
			return err
		})
	})
	errs := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := a.Signup(t.Context(), a.caller, flows.Signup{Email: "ann@example.com", Password: secret})
			errs <- err
		}()
	}
	first, second := <-errs, <-errs
	if first != nil {
		first, second = second, first
	}
	a.ok(first)
	a.wantRefused(second, "user_exists")
	a.env.CatchUp()
	for _, table := range []string{"users", "passwords", "roles", "tickets", "auth_events"} {
		if n := a.text(`select count(*)::text from auth.` + table); n != "1" {
			t.Errorf("%s rows in %s", n, table)
		}
	}
	a.env.RequireRuns("post-user-registration:note", 1)
	a.env.RequireRuns("after_register:note", 1)
	a.wantLines("fs ss")
}

func TestSignupDenied(t *testing.T) {
	t.Parallel()
	a := newAccounts(t, func(a *accounts) {
		a.hooks.PreUserRegistration("deny", func(_ context.Context, _ hooks.Tx, _ *auth.PreUserRegistration, api auth.PreUserRegistrationAPI) error {
			api.Deny("not you")
			return nil
		})
	})
	_, err := a.Signup(t.Context(), a.caller, flows.Signup{Email: "ann@example.com", Password: secret})
	var no *hooks.Rejection
	if !errors.As(err, &no) || no.Reason != "not you" {
		t.Errorf("got %v", err)
	}
	a.wantLines("fs")
	if n := a.text(`select count(*)::text from auth.users`); n != "0" {
		t.Errorf("%s users", n)
	}
}

// Where the connection asks for it, an address that is taken is answered as another, and only its owner is told.
func TestSignupPreventsEnumeration(t *testing.T) {
	t.Parallel()
	a := newAccounts(t, nil)
	a.options("db", `{"prevent_enumeration": true}`)
	ann, again := a.signup("ann@example.com"), a.signup("ann@example.com")
	if again.UserID == ann.UserID || len(again.UserID) != len(ann.UserID) || *again.Email != *ann.Email || string(again.UserMetadata) != string(ann.UserMetadata) ||
		string(again.AppMetadata) != string(ann.AppMetadata) || again.Provider != ann.Provider || again.Connection != ann.Connection {
		t.Errorf("they can be told apart: %+v, %+v", ann, again)
	}
	a.mail("send_password_reset_email", "ann@example.com")
	_, err := a.check("ann@example.com", secret) // as it is for who signed up second
	a.wantRefused(err, "invalid_grant")
	_, _, err = a.VerifyEmail(t.Context(), a.caller, a.mail("send_verification_email", "ann@example.com"))
	a.ok(err)
	_, err = a.check("ann@example.com", secret)
	a.ok(err)
}
