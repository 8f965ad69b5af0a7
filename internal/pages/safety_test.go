package pages_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/latchkey-dev/latchkey/auth"
)

// A login goes on in the browser that began it, once, in whichever of its tabs.
func TestTabs(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.browser().signUp("ann@example.com")
	b := s.browser()
	b.begin()
	one, at := b.page, b.at
	other := s.browser()
	other.open(at)
	other.want(http.StatusBadRequest, "There is no such login")
	other.page = one
	other.submit("identifier", "ann@example.com", "password", secret)
	other.want(http.StatusBadRequest, "There is no such login")

	b.begin() // a second tab with a login of its own
	two := b.page
	b.page = one
	b.submit("identifier", "ann@example.com", "password", secret)
	b.wantDone()
	b.page = one // sent again
	b.submit("identifier", "ann@example.com", "password", secret)
	b.want(http.StatusConflict, "This login went on already")
	b.open(at) // back
	b.want(http.StatusConflict, "This login went on already")
	b.page = two
	b.submit("identifier", "ann@example.com", "password", secret)
	b.wantDone()

	for path, status := range map[string]int{
		"/u/login": http.StatusBadRequest, "/u/login?state=x": http.StatusBadRequest, "/u/nothing": http.StatusNotFound,
		"/u/error": http.StatusOK, "/u/logged-out": http.StatusOK, "/u/style.css": http.StatusOK, "/u/reset-verify": http.StatusBadRequest,
	} {
		b.open(s.url + path)
		b.want(status)
	}
}

// What others wrote is text, wherever it is shown.
func TestHostileValuesAreEscaped(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	const hostile = `"><script>alert(1)</script>`
	s.env.SQL(`update auth.clients set name = $1`, "Orders"+hostile)
	b := s.browser()
	b.open(s.url + "/begin?login_hint=" + url.QueryEscape("ann"+hostile))
	b.want(http.StatusOK, `ann">`)
	pages := b.page
	b.submit("identifier", hostile, "password", hostile)
	b.want(http.StatusOK, "Wrong email")
	pages += b.page
	b.follow("Log in by a code instead")
	b.submit("email", hostile)
	pages += b.page
	b.open(b.at + "&note=" + url.QueryEscape(hostile))
	pages += b.page
	b.open(s.url + "/u/email-verification?ticket=" + url.QueryEscape(hostile))
	pages += b.page
	b.open(s.url + "/u/error?note=x&error_description=" + url.QueryEscape(hostile))
	pages += b.page
	if strings.Contains(pages, "<script") {
		t.Errorf("a script got in:\n%s", pages)
	}
	if b.header.Get("Content-Security-Policy") == "" || b.header.Get("Cache-Control") != "no-store" || b.header.Get("Referrer-Policy") != "same-origin" {
		t.Errorf("the headers are %v", b.header)
	}
}

// Nobody but the server makes a page say something, and no page takes the note of another, or of another login.
func TestNotesAreSealed(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	b := s.browser()
	b.begin()
	b.submit("identifier", "eve@example.com", "password", secret)
	b.want(http.StatusOK, "Wrong email", "eve@example.com")
	u, err := url.Parse(b.at)
	s.ok(err)
	noted := u.Query().Get("note")
	victim := s.browser()
	victim.begin()
	for _, note := range []string{noted, "x", "", noted[:len(noted)-2]} {
		victim.open(victim.at + "&note=" + url.QueryEscape(note))
		victim.want(http.StatusOK)
		if victim.problem() != "" || strings.Contains(victim.page, "eve@") {
			t.Errorf("the note of another login is shown:\n%s", victim.page)
		}
	}
}

// A form of another site is refused, and no page sends a browser where an address says.
func TestOtherSites(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	b := s.browser()
	b.signUp("ann@example.com")
	b.begin()
	for name, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example.com"} {
		r := b.form("identifier", "ann@example.com", "password", secret)
		r.Header.Del("Sec-Fetch-Site")
		r.Header.Set(name, value)
		page := b.page
		b.send(r)
		b.want(http.StatusForbidden, "The form was sent by another site.")
		b.page = page
	}
	r := b.form("identifier", "ann@example.com", "password", "wrong")
	query := r.URL.Query()
	for _, name := range []string{"redirect_uri", "returnTo", "result_url", "next"} {
		query.Set(name, "https://evil.example.com/")
	}
	r.URL.RawQuery = query.Encode()
	b.send(r)
	b.want(http.StatusOK, "Wrong email")

	// A ticket's result_url is the management API's to choose; one that is no web address leads nowhere.
	for result, want := range map[string]string{
		"https://app.example.com/done?a=b": "https://app.example.com/done?a=b&success=true",
		"javascript:alert(1)":              "", "//evil.example.com": "", "/u/login": "",
	} {
		s.env.SQL(`update auth.users set email_verified = false`)
		s.env.SQL(`delete from auth.tickets`)
		s.env.SQL(`insert into auth.tickets (tenant_id, id, hash, type, user_id, result_url, expires_at)
			select tenant_id, 'tkt_1', sha256('known'), 'verify_email', user_id, $1, now() + interval '1 hour' from auth.users`, result)
		b.open(s.url + "/u/email-verification?ticket=known")
		b.submit()
		if want != "" && b.at != want || want == "" && !strings.HasPrefix(b.at, s.url+"/u/email-verification?note=") {
			t.Errorf("a result_url %q leads to %s\n%s", result, b.at, b.page)
		}
	}
}

// A refusal goes to the application. A fault before the login is told to the log alone.
func TestHooksThatRefuseAndFail(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(h *auth.Hooks) {
		h.PostLogin("gate", func(_ context.Context, ev *auth.PostLogin, api auth.PostLoginAPI) error {
			if *ev.User.Email == "eve@example.com" {
				api.Access.Deny("Not today.")
			}
			return nil
		})
		h.ValidateRegistrationUsername("broken", func(_ context.Context, ev *auth.RegistrationAttempt, _ auth.ValidateRegistrationAPI) error {
			if ev.User.Email == "bob@example.com" {
				return errors.New("PLANTED detail")
			}
			return nil
		})
	})
	b := s.browser()
	b.begin()
	b.follow("Sign up")
	b.submit("email", "eve@example.com")
	b.submit("password", secret)
	if b.at != callback+"?error=access_denied&error_description=Not+today." {
		t.Errorf("the refusal is at %s\n%s", b.at, b.page)
	}
	b.open(s.url + "/begin?screen_hint=signup")
	b.submit("email", "bob@example.com")
	b.want(http.StatusInternalServerError, "This is a fault of the server's.")
	if strings.Contains(b.page, "PLANTED") || !strings.Contains(s.log.String(), "PLANTED detail") || strings.Contains(s.log.String(), secret) {
		t.Errorf("the page says\n%s\nand the log\n%s", b.page, s.log)
	}
}
