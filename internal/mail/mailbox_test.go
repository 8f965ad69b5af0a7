package mail_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/latchkey-dev/latchkey/internal/mail"
)

// get asks a mailbox for a page.
func get(t *testing.T, box *mail.Mailbox, path, host, remote string) (int, string) {
	t.Helper()
	mux := chi.NewRouter()
	box.Mount(mux)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	r.Host, r.RemoteAddr = host, remote
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestMailbox(t *testing.T) {
	t.Parallel()
	box, err := mail.NewMailbox()
	if err != nil {
		t.Fatal(err)
	}
	const here, me = "127.0.0.1:8080", "127.0.0.1:5000"
	if code, page := get(t, box, "/dev/mail", here, me); code != http.StatusOK || !strings.Contains(page, "There is none yet") {
		t.Errorf("empty: %d\n%s", code, page)
	}
	for n := range 101 {
		m := mail.Mail{To: fmt.Sprintf("u%d@x.com", n), Subject: "<script>alert(1)</script>", Text: "<img src=x>", Link: "javascript:alert(1)", At: time.Now()}
		if err := box.Send(t.Context(), &m); err != nil {
			t.Fatal(err)
		}
	}
	code, page := get(t, box, "/dev/mail", "localhost:8080", me)
	if code != http.StatusOK || strings.Contains(page, "u0@x.com") || strings.Count(page, "@x.com") != 100 || strings.Index(page, "u100@") > strings.Index(page, "u99@") || strings.Contains(page, "<script>") {
		t.Errorf("the list: %d\n%s", code, page)
	}
	code, page = get(t, box, "/dev/mail/101", here, me)
	if code != http.StatusOK || !strings.Contains(page, "u100@x.com") || strings.Contains(page, "<img") || strings.Contains(page, "javascript:") {
		t.Errorf("one: %d\n%s", code, page)
	}
	if mails := box.Mails(); len(mails) != 100 || mails[0].To != "u100@x.com" {
		t.Errorf("it has %d mails", len(mails))
	}
	for path, from := range map[string][2]string{
		"/dev/mail/1":   {here, me},                         // no longer kept
		"/dev/mail/x":   {here, me},                         //
		"/dev/mail/100": {here, "192.0.2.1:5000"},           // another machine
		"/dev/mail":     {"rebound.example.com:8080", me},   // another site's name for this one
		"/dev/mail/99":  {"127.0.0.1.example.com:8080", me}, //
	} {
		if code, page := get(t, box, path, from[0], from[1]); code != http.StatusNotFound || strings.Contains(page, "@x.com") {
			t.Errorf("%s by %v: %d\n%s", path, from, code, page)
		}
	}
}
