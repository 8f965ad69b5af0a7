package mail

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	netmail "net/mail"
	"net/url"
	"strings"
	text "text/template"
	"time"
	"unicode"

	"github.com/latchkey-dev/latchkey/auth"
)

// kind is one of the mails that there are.
type kind struct {
	event   auth.Event[auth.SendEmail]
	name    string // of its templates
	subject string // %s is who sends it
	page    string // under the issuer, that its link opens; empty: its token is a code
	valid   time.Duration
}

// kinds are all. How long what they carry is valid is the flows' to say; a mail that comes later would only lead nowhere.
func kinds() []kind {
	return []kind{
		{auth.SendVerificationEmail, "verification", "Verify your e-mail address for %s", "u/email-verification", 24 * time.Hour},
		{auth.SendPasswordResetEmail, "reset", "Reset your password for %s", "u/reset-verify", 15 * time.Minute},
		{auth.SendLoginCode, "code", "Your code to log in to %s", "", 10 * time.Minute},
	}
}

// sender is in whose name a tenant's mails are sent.
type sender struct {
	address string // empty: the server's
	name    string
}

//go:embed templates
var templates embed.FS

// texts are the parsed templates: a text and an HTML for each kind.
type texts struct {
	plain *text.Template
	html  *template.Template
}

func parseTexts() (texts, error) {
	plain, err := text.ParseFS(templates, "templates/*.txt")
	if err != nil {
		return texts{}, err
	}
	html, err := template.ParseFS(templates, "templates/*.html")
	return texts{plain, html}, err
}

// said is what a template is given.
type said struct{ Sender, Subject, Link, Code string }

// compose makes the mail of an event.
func (c *Config) compose(k kind, t texts, tenantID, key string, by sender, e auth.SendEmail, at time.Time) (*Mail, error) {
	if e.Token == "" {
		return nil, errors.New("mail: the event has no token to send")
	}
	m := &Mail{ID: c.messageID(tenantID, key), From: cmp.Or(by.address, c.From), FromName: oneLine(by.name), To: e.Email, At: at}
	switch {
	case !isAddress(m.From):
		return nil, fmt.Errorf("mail: tenant %s: its sender_email is no e-mail address: %q", tenantID, m.From)
	case !isAddress(m.To):
		return nil, fmt.Errorf("mail: the user's address is no e-mail address: %q", m.To)
	}
	s := said{Sender: cmp.Or(m.FromName, "your account"), Code: e.Token}
	m.Subject = fmt.Sprintf(k.subject, s.Sender)
	s.Subject = m.Subject
	if k.page != "" {
		s.Link, s.Code = c.Issuer+k.page+"?"+url.Values{"ticket": {e.Token}, "tenant": {tenantID}}.Encode(), ""
		m.Link = s.Link
	}
	var plain, html bytes.Buffer
	if err := errors.Join(t.plain.ExecuteTemplate(&plain, k.name+".txt", s), t.html.ExecuteTemplate(&html, k.name+".html", s)); err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	m.Text, m.HTML = plain.String(), html.String()
	return m, nil
}

// messageID is the same whenever the event's mail is sent, and tells nothing of the event.
func (c *Config) messageID(tenantID, key string) string {
	sum := sha256.Sum256([]byte(tenantID + "\n" + key))
	host := "localhost"
	if u, err := url.Parse(c.Issuer); err == nil && u.Hostname() != "" && !strings.Contains(u.Hostname(), ":") {
		host = u.Hostname()
	}
	return hex.EncodeToString(sum[:16]) + "@" + host
}

// isAddress takes an address alone: no name beside it, no list, nothing that ends a line.
func isAddress(address string) bool {
	a, err := netmail.ParseAddress(address)
	return err == nil && a.Address == address && !strings.ContainsFunc(address, unicode.IsControl)
}

// oneLine is a name as it may stand in a header and a subject.
func oneLine(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, name)
	return strings.Join(strings.Fields(name), " ")
}
