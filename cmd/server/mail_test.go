package main

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/latchkey-dev/latchkey/internal/pgtest"
)

// With a database of one's own there is no mailbox; without SMTP the start says which mails reach nobody, and what to set.
func TestServeWithoutMails(t *testing.T) {
	t.Parallel()
	b := serve(t, pgtest.New(t).URL)
	said := b.stderr.String()
	for _, word := range []string{"send_verification_email", "send_password_reset_email", "send_login_code", "LATCHKEY_SMTP_URL"} {
		if !strings.Contains(said, word) {
			t.Errorf("it doesn't name %s:\n%s", word, said)
		}
	}
	line := b.stdout.await(t, 1, `^Latchkey is running at http://`)[0]
	if status, page := fetch(t, strings.TrimPrefix(line, "Latchkey is running at ")+"/dev/mail"); status != http.StatusNotFound {
		t.Errorf("/dev/mail answers %d\n%s", status, page)
	}
	if strings.Contains(b.stdout.String(), "/dev/mail") {
		t.Error("it names a mailbox that isn't there")
	}
}

func TestServeMailFlags(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t).URL
	for says, flags := range map[string][]string{
		"--mail-from":                           {"--smtp-url", "smtp://mail.example.com"},
		"must be smtp://user:password@host:587": {"--smtp-url", "smtp://user:PLANTED@mail.example.com/x", "--mail-from", "a@example.com"},
		"give it the address":                   {"--smtp-url", "smtp://mail.example.com", "--mail-from", "Acme"},
	} {
		r := latchkey(t, append([]string{"serve", "--addr", "127.0.0.1:0", "--database-url", url}, flags...)...)
		r.require(t, exitError, says)
		if strings.Contains(r.stdout+r.stderr, "PLANTED") {
			t.Errorf("it shows the password: %s", r.stderr)
		}
	}
	b := serve(t, url, "--smtp-url", "smtp://mail.example.com", "--mail-from", "noreply@example.com")
	if said := b.stderr.String(); strings.Contains(said, "LATCHKEY_SMTP_URL") {
		t.Errorf("it warns:\n%s", said)
	}
}

// fetch asks for a page.
func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(page)
}
