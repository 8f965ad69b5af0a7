package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/wneessen/go-mail"
)

const (
	connectWithin = 10 * time.Second // and answer each command
	sendWithin    = 25 * time.Second // all of it; a hook has 30
)

// SMTP sends mails to a server, one connection each. It is safe for concurrent use.
type SMTP struct {
	host    string
	tls     *tls.Config
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	options []mail.Option
}

// NewSMTP takes a URL: smtp://user:password@host:587, whose connection turns to TLS by STARTTLS, or smtps://user:password@host:465, which is TLS
// from the start. A server that offers no STARTTLS is given no mail, unless it is this machine. Errors never show the password.
func NewSMTP(rawURL string) (*SMTP, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Hostname() == "" || (u.Scheme != "smtp" && u.Scheme != "smtps") || (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("mail: the URL of the SMTP server must be smtp://user:password@host:587 or smtps://user:password@host:465 (a % in the password is %25, an @ is %40)")
	}
	s := &SMTP{host: u.Hostname(), tls: &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}, dial: (&net.Dialer{}).DialContext}
	port := 587
	if u.Scheme == "smtps" {
		port = 465
		s.dial = (&tls.Dialer{Config: s.tls}).DialContext
		s.options = append(s.options, mail.WithSSL())
	} else {
		policy := mail.TLSMandatory
		if isLoopback(s.host) {
			policy = mail.TLSOpportunistic
		}
		s.options = append(s.options, mail.WithTLSPolicy(policy))
	}
	if p := u.Port(); p != "" {
		if port, err = strconv.Atoi(p); err != nil {
			return nil, errors.New("mail: the port of the SMTP server is no number")
		}
	}
	s.options = append(s.options, mail.WithPort(port), mail.WithTimeout(connectWithin), mail.WithTLSConfig(s.tls))
	if password, has := u.User.Password(); u.User.Username() != "" {
		if !has {
			return nil, errors.New("mail: the URL of the SMTP server has a user and no password: smtp://user:password@host:587")
		}
		s.options = append(s.options,
			// Of what the server offers the first; a password in clear only inside of TLS, or to this machine.
			mail.WithOpportunisticSMTPAuth(mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthSCRAMSHA1, mail.SMTPAuthPlain, mail.SMTPAuthLogin, mail.SMTPAuthCramMD5),
			mail.WithUsername(u.User.Username()), mail.WithPassword(password))
	}
	if _, err := mail.NewClient(s.host, s.options...); err != nil {
		return nil, fmt.Errorf("mail: SMTP server %s: %w", s.host, err)
	}
	return s, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Send implements [Sender]. It fails unless the server took the mail; what it says afterwards is no failure.
func (s *SMTP) Send(ctx context.Context, m *Mail) error {
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	msg, err := message(m)
	if err != nil {
		return err
	}
	var used net.Conn
	dial := func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		if used, err = s.dial(ctx, network, address); err != nil {
			return nil, err
		}
		return used, nil
	}
	client, err := mail.NewClient(s.host, append(slices.Clip(s.options), mail.WithDialContextFunc(dial))...)
	if err != nil {
		return fmt.Errorf("mail: SMTP server %s: %w", s.host, err)
	}
	defer func() {
		if used != nil {
			_ = used.Close() // go-mail leaves open what it didn't come to terms with
		}
	}()
	conn, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return fmt.Errorf("mail: connect to SMTP server %s: %w", s.host, err)
	}
	defer func() { _ = client.CloseWithSMTPClient(conn) }() // the mail was taken, or it wasn't
	if err := client.SendWithSMTPClient(conn, msg); err != nil && !msg.IsDelivered() {
		return fmt.Errorf("mail: SMTP server %s: %w", s.host, err)
	}
	return nil
}

// message is a mail in MIME: plain text, and HTML beside it.
func message(m *Mail) (*mail.Msg, error) {
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := errors.Join(msg.FromFormat(m.FromName, m.From), msg.To(m.To)); err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	msg.SetMessageIDWithValue(m.ID)
	msg.SetDateWithValue(m.At)
	msg.Subject(m.Subject)
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetBodyString(mail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(mail.TypeTextHTML, m.HTML)
	return msg, nil
}
