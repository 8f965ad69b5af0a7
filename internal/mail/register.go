package mail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/hooks"
)

// hookName is the name of the hooks: send_verification_email:mail, send_password_reset_email:mail, send_login_code:mail.
const hookName = "mail"

// Database has the tenants, in whose names mails are sent. A pool or a connection is one.
type Database interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Config is what [Register] needs.
type Config struct {
	Via      Sender
	Database Database
	Issuer   string           // the server's URL, which ends in a slash: links begin with it
	From     string           // the address of tenants that have no sender_email
	Logger   *slog.Logger     // nil: slog.Default
	Now      func() time.Time // nil: time.Now
}

// Register registers the mails as hooks on auth's send_* events. A mail that can't be sent is tried again as any hook's delivery is, and
// may be retried by hand when it is dead; it holds back no other mail when it is. One whose link or code is no longer valid is not
// sent any more: after a long outage, or in a replay. No transaction is open while a mail is sent.
func Register(flows *auth.Hooks, c Config) error {
	switch {
	case c.Via == nil:
		return errors.New("mail: Config.Via is nil: make a sender by NewSMTP, or a Mailbox")
	case c.Database == nil:
		return errors.New("mail: Config.Database is nil: give it a pool")
	case !strings.HasSuffix(c.Issuer, "/"):
		return fmt.Errorf("mail: Config.Issuer is %q: give it the server's URL, with a slash at its end", c.Issuer)
	case !isAddress(c.From):
		return fmt.Errorf("mail: Config.From is %q: give it the address that mails come from", c.From)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	t, err := parseTexts()
	if err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	for _, k := range kinds() {
		auth.On(flows, k.event, hookName, func(ctx context.Context, _ hooks.Tx, ev hooks.Event, e auth.SendEmail) error {
			return c.send(ctx, k, t, ev, e)
		}, hooks.PassDead())
	}
	return nil
}

func (c *Config) send(ctx context.Context, k kind, t texts, ev hooks.Event, e auth.SendEmail) error {
	if late := c.Now().Sub(ev.CommittedAt); late > k.valid {
		c.Logger.WarnContext(ctx, "a mail is not sent: what it carries is no longer valid", "event", string(k.event), "tenant", ev.TenantID, "id", ev.Key, "late", late)
		return nil
	}
	by, err := c.sender(ctx, ev.TenantID)
	if err != nil {
		return err
	}
	m, err := c.compose(k, t, ev.TenantID, ev.Key, by, e, ev.CommittedAt)
	if err != nil {
		return err
	}
	return c.Via.Send(ctx, m)
}

// sender reads in whose name a tenant's mails are sent. It is no transaction of the hook's: that would be open while the mail is sent.
func (c *Config) sender(ctx context.Context, tenantID string) (s sender, err error) {
	const query = `select sender_email, coalesce(nullif(sender_name, ''), friendly_name) from auth.tenants where id = $1`
	if err := c.Database.QueryRow(ctx, query, tenantID).Scan(&s.address, &s.name); err != nil {
		return s, fmt.Errorf("mail: read the sender of tenant %s: %w", tenantID, err)
	}
	return s, nil
}

// Missing lists the send_* events that no hook hears: their tokens are made, and reach nobody.
func Missing(flows *auth.Hooks) []string {
	var missing []string
	for _, k := range kinds() {
		if !flows.Registered(string(k.event)) {
			missing = append(missing, string(k.event))
		}
	}
	return missing
}
