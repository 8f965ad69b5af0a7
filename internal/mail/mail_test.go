package mail_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks/hookstest"
	"github.com/latchkey-dev/latchkey/internal/mail"
	"github.com/latchkey-dev/latchkey/internal/seal"
	"github.com/latchkey-dev/latchkey/listener"
)

const (
	tenant  = hookstest.Tenant
	planted = "PLANTED-token_of-a-mail"
)

// post is the hooks on a database of their own, sending to a server.
type post struct {
	t      *testing.T
	env    *hookstest.Env
	server *smtpServer
	keys   *seal.Keys
	log    *lines
}

// lines is a log that may be read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newPost(t *testing.T, change func(*mail.Config)) *post {
	t.Helper()
	p := &post{t: t, server: newSMTPServer(t), log: &lines{}}
	reg := db.NewHooks()
	flows := auth.NewHooks(reg)
	var err error
	p.keys, err = seal.Parse(seal.New())
	p.ok(err)
	flows.Serve(auth.Services{Opener: p.keys})
	via, err := mail.NewSMTP("smtp://" + p.server.addr)
	p.ok(err)
	log := slog.New(slog.NewTextHandler(p.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	database := &lateDatabase{}
	c := mail.Config{Via: via, Database: database, Issuer: "https://id.example.com/", From: "noreply@example.com", Logger: log}
	if change != nil {
		change(&c)
	}
	p.ok(mail.Register(flows, c))
	p.env = hookstest.New(t, reg, hookstest.Logger(log), hookstest.Retry(listener.Retry{Attempts: 3, Base: time.Millisecond, Max: time.Millisecond}))
	database.pool.Store(p.env.Pool())
	return p
}

func (p *post) ok(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *post) raise(e auth.Event[auth.SendEmail], to string) {
	p.t.Helper()
	p.ok(auth.RaiseSendEmail(p.t.Context(), p.env.Store.AuthEvents, p.keys, tenant, e, auth.SendEmail{Email: to, Token: planted}))
}

// read parses a mail into its headers, its text and its HTML.
func (p *post) read(m taken) (netmail.Header, string, string) {
	p.t.Helper()
	msg, err := netmail.ReadMessage(strings.NewReader(m.data))
	p.ok(err)
	_, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	p.ok(err)
	var parts []string
	for r := multipart.NewReader(msg.Body, params["boundary"]); ; {
		part, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		p.ok(err)
		text, err := io.ReadAll(quotedprintable.NewReader(part))
		p.ok(err)
		parts = append(parts, string(text))
	}
	if len(parts) != 2 {
		p.t.Fatalf("the mail has %d parts", len(parts))
	}
	return msg.Header, parts[0], parts[1]
}

// Each event's mail goes to its address, with its link or code; and its token is nowhere else.
func TestMails(t *testing.T) {
	t.Parallel()
	p := newPost(t, nil)
	p.env.SQL(`update auth.tenants set friendly_name = 'Acme <&> Co'`)
	for event, want := range map[auth.Event[auth.SendEmail]]struct{ subject, text, html string }{
		auth.SendVerificationEmail:  {"Verify your e-mail address for Acme <&> Co", "https://id.example.com/u/email-verification?tenant=test&ticket=" + planted, "Acme &lt;&amp;&gt; Co"},
		auth.SendPasswordResetEmail: {"Reset your password for Acme <&> Co", "https://id.example.com/u/reset-verify?tenant=test&ticket=" + planted, `href="https://id.example.com/u/reset-verify?tenant=test&amp;ticket=` + planted},
		auth.SendLoginCode:          {"Your code to log in to Acme <&> Co", "\n" + planted + "\n", ">" + planted + "<"},
	} {
		p.raise(event, "ann@x.com")
		m := p.server.await()
		head, text, html := p.read(m)
		if !strings.HasPrefix(m.from, "FROM:<noreply@example.com>") || m.to != "TO:<ann@x.com>" || head.Get("To") != "<ann@x.com>" || head.Get("From") != `"Acme <&> Co" <noreply@example.com>` {
			t.Errorf("it goes from %s to %s; the headers say %v", m.from, m.to, head)
		}
		text = strings.ReplaceAll(text, "\r\n", "\n")
		if head.Get("Subject") != want.subject || !strings.Contains(text, want.text) || !strings.Contains(html, want.html) || !strings.HasSuffix(head.Get("Message-Id"), "@id.example.com>") {
			t.Errorf("%s: %v\n%s\n%s", event, head, text, html)
		}
	}
	p.env.CatchUp()
	p.env.Crash()
	p.env.CatchUp()
	if len(p.server.took) != 0 {
		t.Error("a mail was sent twice")
	}
	p.requireHidden(planted)
}

// requireHidden looks for a secret in every table and in the log.
func (p *post) requireHidden(secret string) {
	p.t.Helper()
	const all = `select table_schema || '.' || table_name from information_schema.tables where table_schema in ('auth', 'latchkey') and table_type = 'BASE TABLE'`
	rows, err := p.env.Pool().Query(p.t.Context(), all)
	p.ok(err)
	var tables []string
	for rows.Next() {
		var name string
		p.ok(rows.Scan(&name))
		tables = append(tables, name)
	}
	p.ok(rows.Err())
	for _, table := range tables {
		var found int
		err := p.env.Pool().QueryRow(p.t.Context(), `select count(*) from `+table+` t where strpos(t::text, $1) + strpos(t::text, encode($1::bytea, 'hex')) > 0`, secret).Scan(&found)
		if err != nil || found != 0 {
			p.t.Errorf("%d rows of %s have it, %v", found, table, err)
		}
	}
	if len(tables) < 30 || strings.Contains(p.log.String(), secret) {
		p.t.Errorf("it is in the log, or %d tables are not all", len(tables))
	}
}

// A mail that isn't taken is sent again, as the same; one that is taken isn't, whatever the server says then.
func TestMailIsRetried(t *testing.T) {
	t.Parallel()
	p := newPost(t, nil)
	p.server.next(func(c *textproto.Conn) bool { return c.PrintfLine("451 later") == nil })
	p.server.next(func(*textproto.Conn) bool { return false }) // taken perhaps: nobody knows
	p.server.next(func(c *textproto.Conn) bool { _ = c.PrintfLine("250 taken"); return false })
	p.raise(auth.SendLoginCode, "ann@x.com")
	var ids []string
	for range 3 {
		head, _, _ := p.read(p.server.await())
		ids = append(ids, head.Get("Message-Id"))
	}
	if ids[0] == "" || ids[0] != ids[1] || ids[1] != ids[2] {
		t.Errorf("the mail's ids are %q", ids)
	}
	p.raise(auth.SendLoginCode, "ann@x.com") // settles behind it
	head, _, _ := p.read(p.server.await())
	p.env.CatchUp()
	if head.Get("Message-Id") == ids[0] || len(p.server.took) != 0 {
		t.Error("it was sent again after it was taken, or two mails have one id")
	}
	if strings.Contains(p.log.String(), planted) {
		t.Error("the token is in the log")
	}
}

// A link that leads nowhere any more isn't mailed.
func TestLateMailIsNotSent(t *testing.T) {
	t.Parallel()
	p := newPost(t, func(c *mail.Config) { c.Now = func() time.Time { return time.Now().Add(time.Hour) } })
	p.raise(auth.SendLoginCode, "ann@x.com")
	p.raise(auth.SendPasswordResetEmail, "ann@x.com")
	p.raise(auth.SendVerificationEmail, "bob@x.com")
	if m := p.server.await(); m.to != "TO:<bob@x.com>" {
		t.Errorf("a mail went to %s", m.to)
	}
	p.env.CatchUp()
	if said := p.log.String(); len(p.server.took) != 0 || strings.Count(said, "no longer valid") != 2 {
		t.Errorf("the log says\n%s", said)
	}
}

// Nothing that a tenant or a user is called gets a header of its own, or another recipient.
func TestMailHeadersCannotBeInjected(t *testing.T) {
	t.Parallel()
	p := newPost(t, nil)
	p.env.SQL(`update auth.tenants set sender_email = 'mail@acme.com', sender_name = $1`, "Acme\r\nBcc: eve@x.com\r\n\r\nHello")
	p.raise(auth.SendLoginCode, "ann@x.com")
	m := p.server.await()
	head, _, _ := p.read(m)
	if head.Get("Bcc") != "" || m.to != "TO:<ann@x.com>" || head.Get("From") != `"Acme Bcc: eve@x.com Hello" <mail@acme.com>` {
		t.Errorf("it goes to %s; the headers say %v", m.to, head)
	}
	for _, to := range []string{"ann@x.com, eve@x.com", "Ann <ann@x.com>", "ann@x.com\r\nRCPT TO:<eve@x.com>", "\"a\r\nb\"@x.com", "ann"} {
		p.raise(auth.SendLoginCode, to)
	}
	p.env.CatchUp()
	p.raise(auth.SendLoginCode, "bob@x.com")
	if m := p.server.await(); m.to != "TO:<bob@x.com>" {
		t.Errorf("a mail went to %s", m.to)
	}
}
