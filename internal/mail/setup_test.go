package mail_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/mail"
)

// lateDatabase is the test's, which is made after the hooks are registered.
type lateDatabase struct{ pool atomic.Pointer[pgxpool.Pool] }

func (d *lateDatabase) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return d.pool.Load().QueryRow(ctx, sql, args...)
}

func TestNewSMTPRefuses(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "mail.example.com", "http://mail.example.com", "smtp://", "smtp://user:SECRET%@mail.example.com", "smtp://user:SECRET@mail.example.com/x",
		"smtp://user:SECRET@mail.example.com?x", "smtp://user@mail.example.com", "smtp://user:SECRET@mail.example.com:99999",
	} {
		_, err := mail.NewSMTP(url)
		if err == nil || strings.Contains(err.Error(), "SECRET") || !strings.Contains(err.Error(), "mail: ") {
			t.Errorf("%s: %v", url, err)
		}
	}
	for _, url := range []string{"smtp://mail.example.com", "smtps://user:p%40ss@mail.example.com", "smtp://user:pass@127.0.0.1:2525", "smtp://[::1]:25"} {
		if _, err := mail.NewSMTP(url); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// A server elsewhere that offers no TLS is given neither password nor mail.
func TestSMTPNeedsTLS(t *testing.T) {
	t.Parallel()
	server := newSMTPServer(t)
	m := &mail.Mail{ID: "1@x", From: "a@x.com", To: "b@x.com", Subject: "s", Text: "t", HTML: "h"}
	for url, sent := range map[string]bool{"smtp://mail.example.com": false, "smtp://user:pass@mail.example.com": false, "smtp://localhost": true} {
		s, err := mail.NewSMTP(url)
		if err != nil {
			t.Fatal(err)
		}
		s.DialTo(server.addr)
		if err := s.Send(t.Context(), m); (err == nil) != sent || !sent && !strings.Contains(err.Error(), "STARTTLS") {
			t.Errorf("%s: %v", url, err)
		}
	}
	if len(server.took) != 1 {
		t.Errorf("%d mails were taken", len(server.took))
	}
}

// The password is given inside of TLS, or to this machine.
func TestSMTPLogsIn(t *testing.T) {
	t.Parallel()
	web := httptest.NewUnstartedServer(nil) // has a certificate for example.com
	web.StartTLS()
	t.Cleanup(web.Close)
	clear := newSMTPServer(t)
	sealed := serveSMTP(t, func(l net.Listener) net.Listener { return tls.NewListener(l, web.TLS) })
	for _, test := range []struct {
		url    string
		server *smtpServer
		says   string
	}{
		{"smtp://user:p%40ss@localhost", clear, ""},
		{"smtps://user:p%40ss@example.com", sealed, ""},
		{"smtps://user:SECRET@example.com", sealed, "535"},
		{"smtps://user:p%40ss@mail.other.com", sealed, "certificate"},
	} {
		s, err := mail.NewSMTP(test.url)
		if err != nil {
			t.Fatal(err)
		}
		s.DialTo(test.server.addr)
		s.Trust(web.Certificate())
		err = s.Send(t.Context(), &mail.Mail{ID: "1@x", From: "a@x.com", To: "b@x.com", Subject: "s", Text: "t", HTML: "h"})
		if test.says == "" && err != nil || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "SECRET")) {
			t.Errorf("%s: %v", test.url, err)
		}
	}
	if clear.logins.Load() != 1 || sealed.logins.Load() != 2 || len(clear.took) != 1 || len(sealed.took) != 1 {
		t.Errorf("%d and %d logins; %d and %d mails", clear.logins.Load(), sealed.logins.Load(), len(clear.took), len(sealed.took))
	}
}

func TestRegisterRefuses(t *testing.T) {
	t.Parallel()
	box, err := mail.NewMailbox()
	if err != nil {
		t.Fatal(err)
	}
	good := mail.Config{Via: box, Database: &lateDatabase{}, Issuer: "https://id.example.com/", From: "noreply@example.com"}
	for field, spoil := range map[string]func(*mail.Config){
		"Config.Via":      func(c *mail.Config) { c.Via = nil },
		"Config.Database": func(c *mail.Config) { c.Database = nil },
		"Config.Issuer":   func(c *mail.Config) { c.Issuer = "https://id.example.com" },
		"Config.From":     func(c *mail.Config) { c.From = "Acme <noreply@example.com>" },
	} {
		c := good
		spoil(&c)
		if err := mail.Register(auth.NewHooks(db.NewHooks()), c); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("without %s it says %v", field, err)
		}
	}
	flows := auth.NewHooks(db.NewHooks())
	if missing := mail.Missing(flows); len(missing) != 3 {
		t.Errorf("missing: %q", missing)
	}
	if err := mail.Register(flows, good); err != nil || len(mail.Missing(flows)) != 0 {
		t.Errorf("%v; missing: %q", err, mail.Missing(flows))
	}
}
