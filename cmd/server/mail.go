package main

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/internal/mail"
)

// mailing is the flags that say how mails are sent.
type mailing struct {
	SMTPURL  string `name:"smtp-url" env:"LATCHKEY_SMTP_URL" placeholder:"URL" help:"Where mails are sent: smtp://user:password@host:587 or smtps://user:password@host:465. Without it: with the private Postgres they are kept in memory and shown at /dev/mail; otherwise there are none."`
	MailFrom string `name:"mail-from" env:"LATCHKEY_MAIL_FROM" placeholder:"ADDRESS" help:"The address that mails come from, for tenants that have no sender_email."`
}

// register registers the mails. private says that someone tries things out, whose mails are then kept in the mailbox that it returns.
// Without a way to send mails it registers none, and says which events nobody hears then: a program's own hooks may.
func (m *mailing) register(flows *auth.Hooks, pool *pgxpool.Pool, issuer string, private bool, log *slog.Logger) (*mail.Mailbox, error) {
	c := mail.Config{Database: pool, Issuer: issuer, From: m.MailFrom, Logger: log}
	if m.SMTPURL != "" {
		if m.MailFrom == "" {
			return nil, errors.New("LATCHKEY_SMTP_URL is set and LATCHKEY_MAIL_FROM isn't: set it (or --mail-from) to the address that mails come from")
		}
		via, err := mail.NewSMTP(m.SMTPURL)
		if err != nil {
			return nil, fmt.Errorf("LATCHKEY_SMTP_URL: %w", err)
		}
		c.Via = via
		return nil, mail.Register(flows, c)
	}
	if !private {
		if missing := mail.Missing(flows); len(missing) > 0 {
			log.Warn("no hook hears "+strings.Join(missing, ", ")+": links and codes are made and reach nobody; set LATCHKEY_SMTP_URL and LATCHKEY_MAIL_FROM", "events", missing)
		}
		return nil, nil //nolint:nilnil // no mailbox is an answer
	}
	box, err := mail.NewMailbox()
	if err != nil {
		return nil, err
	}
	c.Via = box
	if c.From == "" {
		c.From = "latchkey@localhost"
	}
	return box, mail.Register(flows, c)
}
