package flows_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/alexedwards/argon2id"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/flows"
)

func TestCheckPassword(t *testing.T) {
	t.Parallel()
	a := newAccounts(t, nil)
	ctx := t.Context()
	u, err := a.Signup(ctx, a.caller, flows.Signup{Email: "ann@example.com", Username: "Ann", Password: secret})
	a.ok(err)
	for _, identifier := range []string{"ann@example.com", " ANN@Example.com", "ann"} {
		who, err := a.check(identifier, secret)
		a.ok(err)
		if who.Identity.UserID != u.UserID || who.Connection.Name != "db" || who.New {
			t.Errorf("%s is %+v", identifier, who)
		}
	}
	wrong := func(identifier, password string) string {
		t.Helper()
		_, err := a.check(identifier, password)
		a.wantRefused(err, "invalid_grant")
		return err.Error()
	}
	if wrong("ann", another) != wrong("bob", secret) {
		t.Error("whether there is a user can be told")
	}
	wrong("ann", strings.Repeat("x", 10_000))
	wrong("", "")
	a.wantLines("fp fp fu fu ss")
	if n := a.text(`select count(*)::text from auth.logs where (type = 'fp') = (user_id is null) and type <> 'ss' or user_name = 'bob'`); n != "0" {
		t.Errorf("%s lines name a user wrongly", n)
	}

	a.env.SQL(`update auth.users set blocked = true`)
	wrong("ann", another)
	_, err = a.check("ann", secret)
	a.wantRefused(err, "access_denied")
	a.wantLines("f fp fp fp fu fu ss")
	other := a.caller
	other.Client = &db.Client{ClientID: "other"}
	_, err = a.CheckPassword(ctx, other, "db", "ann", secret)
	a.wantRefused(err, "invalid_request")
}

// A linked identity's login is its account's, and blocked where either is.
func TestCheckPasswordOfLinked(t *testing.T) {
	t.Parallel()
	a := newAccounts(t, nil)
	a.env.SQL(`insert into auth.users (tenant_id, user_id, provider, connection) values ('test', 'google|ann', 'google', 'google')`)
	u := a.signup("ann@example.com")
	_, err := a.env.Store.Users.Link(t.Context(), "test", "google|ann", u.UserID)
	a.ok(err)
	who, err := a.check("ann@example.com", secret)
	a.ok(err)
	if who.User.UserID != "google|ann" || who.Identity.UserID != u.UserID {
		t.Errorf("authenticated %+v", who)
	}
	a.env.SQL(`update auth.users set blocked = true where user_id = 'google|ann'`)
	_, err = a.check("ann@example.com", secret)
	a.wantRefused(err, "access_denied")
}

// A hash that was made with other parameters is made again, unless a reset came in between, and that is no reset.
func TestRehash(t *testing.T) {
	t.Parallel()
	a := newAccounts(t, nil)
	a.signup("ann@example.com")
	hash, err := argon2id.CreateHash(secret, params(32, 1))
	a.ok(err)
	a.env.SQL(`update auth.passwords set hash = $1`, hash)
	_, err = a.check("ann@example.com", another)
	a.wantRefused(err, "invalid_grant")
	if got := a.text(`select hash from auth.passwords`); got != hash {
		t.Errorf("a wrong password made it %s", got)
	}
	_, err = a.check("ann@example.com", secret)
	a.ok(err)
	if got := a.text(`select hash from auth.passwords`); !strings.HasPrefix(got, "$argon2id$v=19$m=64,") {
		t.Errorf("it is still %s", got)
	}
	_, err = a.check("ann@example.com", secret)
	a.ok(err)
	if n := a.text(`select count(*)::text from auth.user_stats where last_password_reset is not null`); n != "0" {
		t.Error("it counts as a reset")
	}

	for _, bad := range []string{"none", "$argon2id$v=19$m=64,t=0,p=0$c2FsdHNhbHQ$aGFzaA", "$argon2id$v=19$m=4294967295,t=1,p=1$c2FsdHNhbHQ$aGFzaA"} {
		a.env.SQL(`update auth.passwords set hash = $1`, bad)
		if _, err := a.check("ann@example.com", secret); err == nil || strings.Contains(err.Error(), "aGFzaA") || errors.As(err, new(*flows.Refused)) {
			t.Errorf("by hash %s: %v", bad, err)
		}
	}
}

func TestLockout(t *testing.T) {
	t.Parallel()
	a := newAccounts(t, nil)
	u := a.signup("ann@example.com")
	_, err := a.env.Store.Users.RecordLogin(t.Context(), "test", u.UserID, db.Login{IP: "198.51.100.1"})
	a.ok(err)
	a.caller.Request.IP = "203.0.113.66" // a stranger
	for _, name := range []string{"ann@example.com", "nobody@example.com"} {
		for range 10 {
			_, err := a.check(name, another)
			a.wantRefused(err, "invalid_grant")
		}
		_, err = a.check(name, secret)
		a.wantRefused(err, "too_many_attempts")
	}
	a.caller.Request.IP = "203.0.113.7" // from elsewhere
	_, err = a.check("ann@example.com", secret)
	a.wantRefused(err, "too_many_attempts")
	if n := a.text(`select count(*)::text from auth.logs where type = 'limit_wc'`); n != "3" {
		t.Errorf("%s lines", n)
	}

	a.caller.Request.IP = "198.51.100.1" // the owner
	_, err = a.check("ann@example.com", secret)
	a.ok(err)
	for range 10 {
		_, err = a.check("ann@example.com", another)
		a.wantRefused(err, "invalid_grant")
	}
	_, err = a.check("ann@example.com", secret)
	a.wantRefused(err, "too_many_attempts")

	a.ok(a.RequestPasswordReset(t.Context(), a.caller, "db", "ann@example.com"))
	_, _, err = a.ResetPassword(t.Context(), a.caller, a.mail("send_password_reset_email", "ann@example.com"), another)
	a.ok(err)
	for _, ip := range []string{"198.51.100.1", "203.0.113.7"} {
		a.caller.Request.IP = ip
		_, err = a.check("ann@example.com", another)
		a.ok(err)
	}
}

// Whoever hangs up, or tries all at once, gains nothing.
func TestLockoutHolds(t *testing.T) {
	t.Parallel()
	a := newAccounts(t, nil)
	a.signup("ann@example.com")
	gone, cancel := context.WithCancel(t.Context())
	errs := make(chan error, 30)
	for range cap(errs) {
		go func() {
			_, err := a.CheckPassword(gone, a.caller, "db", "ann@example.com", another)
			errs <- err
		}()
	}
	wrong := 0
	for range cap(errs) {
		if err := <-errs; err != nil && strings.HasPrefix(err.Error(), "invalid_grant") {
			wrong++
		}
	}
	cancel()
	if wrong != 10 {
		t.Errorf("%d tries at once were answered", wrong)
	}
	for n := range 100 { // from one address, at many names
		_, err := a.check(strings.Repeat("x", n+1), secret)
		if n < 70 {
			a.wantRefused(err, "invalid_grant")
		} else {
			a.wantRefused(err, "too_many_attempts")
		}
	}
	if n := a.text(`select count(*)::text from auth.logs where type = 'limit_mu'`); n != "30" {
		t.Errorf("%s lines", n)
	}
	a.caller.Request.IP = "2001:db8::1"
	_, err := a.check("bob@example.com", secret)
	a.wantRefused(err, "invalid_grant")
	if n := a.text(`select count(*)::text from auth.tries where kind = 'login/address'`); n != "2" {
		t.Errorf("%s addresses", n)
	}
}

// A user that there isn't costs what a wrong password does: a hash, beside which nothing else counts. It is the memory that is looked at,
// as time depends on who else is busy.
func TestCheckPasswordCostsTheSame(t *testing.T) {
	t.Parallel()
	a := newAccounts(t, nil)
	a.config.Passwords = params(64*1024, 1)
	var err error
	a.Flows, err = flows.New(a.config)
	a.ok(err)
	a.signup("ann@example.com")
	a.env.SQL(`insert into auth.users (tenant_id, user_id, connection, email) values ('test', 'auth0|bob', 'db', 'bob@example.com')`)
	for _, name := range []string{"ann@example.com", "bob@example.com", "nobody@example.com", strings.Repeat("x", 5000)} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := a.check(name, another)
		a.wantRefused(err, "invalid_grant")
		runtime.ReadMemStats(&after)
		if took := (after.TotalAlloc - before.TotalAlloc) >> 10; took < 64*1024 {
			t.Errorf("%.20s took %d KiB", name, took)
		}
	}
}
