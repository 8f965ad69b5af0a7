package pages_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/hooks/hookstest"
)

func TestSignupAndVerify(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(h *auth.Hooks) {
		h.ValidateRegistrationUsername("no-eve", func(_ context.Context, ev *auth.RegistrationAttempt, api auth.ValidateRegistrationAPI) error {
			if strings.HasPrefix(ev.User.Email, "eve@") {
				api.Deny("Not <b>you</b>, Eve.")
			}
			return nil
		})
	})
	s.env.SQL(`insert into auth.tenants (id) values ('other')`) // links say whose they are
	b := s.browser()
	b.begin()
	b.want(http.StatusOK, "Log in", "Orders", `autocomplete="current-password"`)
	b.follow("Sign up")
	b.submit("email", "eve@example.com")
	b.want(http.StatusOK, "Not <b>you</b>, Eve.", `value="eve@example.com"`)
	if strings.Contains(b.page, "<b>you") {
		t.Errorf("a hook's reason isn't escaped:\n%s", b.page)
	}
	b.submit("email", " Ann@Example.com ")
	b.want(http.StatusOK, `value="Ann@Example.com"`, `autocomplete="new-password"`)
	b.submit("password", "short")
	b.want(http.StatusOK, "The password must have 8 characters at least.", `value="Ann@Example.com"`)
	b.submit("password", secret)
	b.wantDone()

	mailed := s.mail("ann@example.com", "Verify")
	elsewhere := s.browser() // mails are read in other browsers, too
	elsewhere.open(mailed)
	elsewhere.want(http.StatusOK, "Verify")
	if got := s.text(`select email_verified::text from auth.users`); got != "false" {
		t.Error("opening the link verified the address: a mail scanner does that")
	}
	link := elsewhere.page
	elsewhere.submit()
	elsewhere.want(http.StatusOK, "Your e-mail address is verified")
	if strings.Contains(elsewhere.at, "ticket") || s.text(`select email_verified::text from auth.users`) != "true" {
		t.Errorf("at %s the address is not verified", elsewhere.at)
	}
	elsewhere.page = link // the same form once more
	elsewhere.submit()
	elsewhere.want(http.StatusOK, "The link was used, or is too old.")

	again := s.browser()
	again.begin()
	again.follow("Sign up")
	again.submit("email", "ann@example.com")
	again.submit("password", secret)
	again.want(http.StatusOK, "The user already exists.", `name="email"`)
}

func TestLogin(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.browser().signUp("ann@example.com")
	b := s.browser()
	var said []string
	for _, who := range []string{"ann@example.com", "nobody@example.com"} {
		b.begin()
		b.submit("identifier", who, "password", "PLANTED-password")
		b.want(http.StatusOK, `value="`+who+`"`)
		if strings.Contains(b.page+b.at, "PLANTED") || strings.Contains(b.at, who) {
			t.Errorf("what was typed is in %s\n%s", b.at, b.page)
		}
		said = append(said, b.problem(), strings.ReplaceAll(strings.Split(b.page, "<form")[0], who, ""))
	}
	if said[0] != "Wrong email or password." || said[0] != said[2] || said[1] != said[3] {
		t.Errorf("a wrong password and an unknown user are told apart: %q", said)
	}
	b.submit("identifier", "ANN@example.com", "password", secret)
	b.wantDone()
	if n := s.text(`select count(*)::text from auth.auth_events where type = 'after_login'`); n != "2" {
		t.Errorf("%s logins", n)
	}
}

func TestForgottenPassword(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.browser().signUp("ann@example.com")
	b := s.browser()
	var said []string
	for _, who := range []string{"nobody@example.com", "ann@example.com"} {
		b.begin()
		b.follow("Forgot your password?")
		b.submit("email", who)
		b.want(http.StatusOK, "If there is an account with this address")
		said = append(said, strings.Split(b.page, "<ul>")[0])
	}
	if said[0] != said[1] {
		t.Errorf("they are told apart:\n%s\n%s", said[0], said[1])
	}
	link := s.mail("ann@example.com", "Reset")
	b.open(link)
	b.submit("password", another, "password_confirmation", another+"x")
	b.want(http.StatusOK, "The two passwords are not the same.")
	b.submit("password", "short", "password_confirmation", "short")
	b.want(http.StatusOK, "The password must have 8 characters at least.")
	b.submit("password", another, "password_confirmation", another)
	b.want(http.StatusOK, "Your password is changed")
	b.begin()
	b.submit("identifier", "ann@example.com", "password", secret)
	b.want(http.StatusOK, "Wrong email or password.")
	b.submit("identifier", "ann@example.com", "password", another)
	b.wantDone()
	b.open(link)
	b.submit("password", secret, "password_confirmation", secret)
	b.want(http.StatusOK, "The link was used, or is too old.")
}

func TestCode(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	b := s.browser()
	b.begin()
	b.follow("Log in by a code instead")
	b.submit("email", "no address")
	b.want(http.StatusOK, "The e-mail address is none.", `value="no address"`)
	b.submit("email", "ann@example.com")
	b.want(http.StatusOK, "If ann@example.com can be logged in with", `autocomplete="one-time-code"`)
	code := s.mail("ann@example.com", "code")
	wrong := "000000"
	if code == wrong {
		wrong = "000001"
	}
	b.submit("code", wrong)
	b.want(http.StatusOK, "Wrong email or verification code.", "ann@example.com")
	b.submit("code", code)
	b.wantDone()
	if got := s.text(`select email || email_verified from auth.users`); got != "ann@example.comtrue" {
		t.Errorf("the user is %s", got)
	}
}

// The pages offer what the application may use, and nothing else.
func TestWays(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.env.SQL(`update auth.connections set enabled_clients = '{}' where id = 'db'`)
	b := s.browser()
	b.begin()
	b.want(http.StatusOK, "Log in by a code")
	if !strings.Contains(b.at, "/u/login/code?") || strings.Contains(b.page, "password") {
		t.Errorf("%s offers a password:\n%s", b.at, b.page)
	}
	s.env.SQL(`update auth.connections set enabled_clients = '{app}', options = '{"disable_signup": true, "requires_username": true}' where id = 'db'`)
	b.begin()
	b.want(http.StatusOK, "Forgot")
	state := b.at
	if strings.Contains(b.page, "Sign up") {
		t.Errorf("it offers a signup:\n%s", b.page)
	}
	b.open(strings.Replace(state, "/u/login", "/u/signup", 1))
	b.want(http.StatusBadRequest, "Nobody can sign up here.")
	s.env.SQL(`update auth.connections set options = '{"requires_username": true}' where id = 'db'`)
	b.open(s.url + "/begin?screen_hint=signup")
	b.want(http.StatusOK, "Sign up", "Go on")
	b.follow("Log in instead")
	b.want(http.StatusOK, "Log in", "Forgot")
	b.open(strings.Replace(state, "/u/login", "/u/signup", 1))
	b.submit("email", "ann@example.com")
	b.submit("username", "ann", "password", secret)
	b.wantDone()

	// Of several, the tenant's default.
	s.env.SQL(`insert into auth.connections (tenant_id, id, name, strategy, enabled_clients) values ($1, 'db2', 'db2', 'auth0', '{app}')`, hookstest.Tenant)
	s.env.SQL(`update auth.connections set enabled_clients = '{}' where id = 'mail'`)
	b.begin()
	b.want(http.StatusOK, "Log in")
	if strings.Contains(b.page, "Forgot") || strings.Contains(b.page, "code") {
		t.Errorf("it offers what can't be told apart:\n%s", b.page)
	}
	b.submit("identifier", "ann", "password", secret)
	b.want(http.StatusOK, "There is no such connection, or the application may not use it.")
	s.env.SQL(`update auth.tenants set default_directory = 'db'`)
	b.begin()
	b.want(http.StatusOK, "Forgot")
	b.submit("identifier", "ann", "password", secret)
	b.wantDone()
}

// An address that is taken is concealed where the connection asks for it.
func TestSignupConceals(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.env.SQL(`update auth.connections set options = '{"prevent_enumeration": true}' where id = 'db'`)
	b := s.browser()
	for range 2 {
		b.begin()
		b.follow("Sign up")
		b.submit("email", "ann@example.com")
		b.submit("password", secret)
		b.want(http.StatusOK, "Look into your mail", `value="ann@example.com"`)
	}
	b.open(s.mail("ann@example.com", "Verify"))
	b.submit()
	b.begin()
	b.submit("identifier", "ann@example.com", "password", secret)
	b.wantDone()
}
