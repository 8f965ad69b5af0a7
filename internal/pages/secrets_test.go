package pages_test

import (
	"net/http"
	"net/url"
	"testing"
)

// What a person types and what a mail brings is in no table and in no log line.
func TestSecretsAreKeptNowhere(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	const first, second, wrong = "PLANTED-password-1", "PLANTED-password-2", "PLANTED-password-3"
	b := s.browser()
	b.begin()
	b.follow("Sign up")
	b.submit("email", "ann@example.com")
	b.submit("password", first)
	b.wantDone()
	b.open(s.mail("ann@example.com", "Verify"))
	b.submit()
	b.begin()
	b.follow("Forgot your password?")
	b.submit("email", "ann@example.com")
	b.open(s.mail("ann@example.com", "Reset"))
	b.submit("password", second, "password_confirmation", second)
	b.begin()
	b.submit("identifier", "ann@example.com", "password", wrong)
	b.want(http.StatusOK, "Wrong email or password.")
	b.submit("identifier", "ann@example.com", "password", second)
	b.wantDone()
	code, err := url.Parse(b.at)
	s.ok(err)
	s.env.CatchUp()

	secrets := []string{"PLANTED-password", code.Query().Get("code")}
	for _, m := range s.box.Mails() {
		link, err := url.Parse(m.Link)
		s.ok(err)
		secrets = append(secrets, link.Query().Get("ticket"))
	}
	at, err := url.Parse(s.url)
	s.ok(err)
	for _, cookie := range b.client.Jar.Cookies(at) {
		secrets = append(secrets, cookie.Value)
	}
	if len(secrets) != 6 { // two mails, two cookies
		t.Fatalf("%d secrets", len(secrets))
	}
	s.requireHidden(secrets...)
}
