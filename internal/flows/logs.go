package flows

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// The types of log lines, as Auth0 has them.
const (
	logLogin             = "s"        // a login
	logLoginFailed       = "f"        // one that came to nothing for another reason than those below
	logWrongPassword     = "fp"       // of a user that there is
	logUnknownUser       = "fu"       // nobody has the e-mail address or username
	logTooManyOfAccount  = "limit_wc" // too many wrong passwords for one account: it is blocked for a while
	logTooManyOfAddress  = "limit_mu" // too many from one IP address
	logSignup            = "ss"
	logSignupFailed      = "fs"
	logLogout            = "slo"
	logCodeSent          = "cls"
	logVerifyAsked       = "svr"
	logVerifyAskedFailed = "fvr"
	logVerified          = "sv"
	logVerifyFailed      = "fv"
	logResetAsked        = "scpr"
	logResetAskedFailed  = "fcpr"
	logPasswordChanged   = "scp"
	logPasswordFailed    = "fcp"
)

// logOf is whom and what a line is about, as far as that is known.
type logOf struct {
	user       *db.User // nil: nobody is known to have what was typed
	typed      string   // what was typed in the place of a user
	connection string
	strategy   string
	details    json.RawMessage // an object; nothing secret
}

// in says that a connection is what a line is about.
func (o logOf) in(c *db.Connection) logOf {
	o.connection, o.strategy = c.Name, c.Strategy
	return o
}

// about says whom a line is about, if that is known by now.
func (o logOf) about(u *db.User) logOf {
	if u.UserID != "" {
		o.user, o.connection, o.strategy = u, u.Connection, u.Provider
	}
	return o
}

// inUsable is in, where the connection was found.
func (o logOf) inUsable(con *usable) logOf {
	if con.ID == "" {
		return o
	}
	return o.in(&con.Connection)
}

// line makes a line of the tenant's log.
func (c *Caller) line(kind, description string, of *logOf) db.CreateLog {
	l := db.CreateLog{
		Type: kind, Description: description, IP: given(c.Request.IP), UserAgent: given(c.Request.UserAgent), Connection: given(of.connection),
		Strategy: given(of.strategy), Hostname: given(c.Request.Hostname), Details: of.details,
	}
	if c.Client != nil {
		l.ClientID = given(c.Client.ClientID)
	}
	switch {
	case of.user != nil:
		l.UserID, l.UserName = &of.user.UserID, nameOf(of.user)
	case strings.Contains(of.typed, "@") && len(of.typed) <= 320: // what isn't an address may be a password in the wrong field
		l.UserName = &of.typed
	}
	return l
}

// logLine writes a line about what is over and is no part of a transaction: a failure, or what changed nothing. It is written also
// when whoever asked is gone. Where it can't be, the program's own log has it: what it tells of is so nevertheless.
//
// A success that changes something has its line in its transaction, by [Flows.logIn]: neither is there without the other.
func (f *Flows) logLine(ctx context.Context, c Caller, kind, description string, of logOf) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), logPatience)
	defer cancel()
	line := c.line(kind, description, &of)
	if err := f.cfg.Store.WriteLogs(ctx, []db.LogLine{{TenantID: c.Tenant.ID, CreateLog: line}}); err != nil {
		user := ""
		if line.UserID != nil {
			user = *line.UserID
		}
		f.log.ErrorContext(ctx, "a log line could not be written", "tenant", c.Tenant.ID, "type", kind, "description", description, "user", user,
			"ip", c.Request.IP, "connection", of.connection, "error", err)
	}
}

const logPatience = 5 * time.Second

// logIn writes a line in the transaction of what it tells of.
func (f *Flows) logIn(ctx context.Context, tx *db.Tx, c Caller, kind, description string, of logOf) error {
	_, err := tx.Logs.Create(ctx, c.Tenant.ID, c.line(kind, description, &of))
	return err
}

// stamped says in the context on whose behalf writes are made: events, hooks and webhooks are told.
func (c *Caller) stamped(ctx context.Context) context.Context {
	s := hooks.Stamp{RequestID: c.Request.ID, IP: c.Request.IP, UserAgent: c.Request.UserAgent}
	if c.Request.GeoIP != (hooks.GeoIP{}) {
		s.GeoIP = &c.Request.GeoIP
	}
	if c.Client != nil {
		s.ClientID = c.Client.ClientID
	}
	return db.WithStamp(ctx, s)
}

// nameOf is how a person would name a user.
func nameOf(u *db.User) *string {
	for _, name := range []*string{u.Email, u.Username, u.Name} {
		if name != nil {
			return name
		}
	}
	return nil
}

func given(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
