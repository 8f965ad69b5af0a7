package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/postgres"
	"github.com/latchkey-dev/latchkey/listener"
)

// console prints what happens, a line each, for a person who watches.
type console struct {
	mu    sync.Mutex
	out   io.Writer
	color bool
}

func newConsole(out io.Writer) *console {
	return &console{out: out, color: isTerminal(out) && os.Getenv("NO_COLOR") == ""}
}

func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// ANSI colours.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

func (c *console) paint(color, s string) string {
	if !c.color {
		return s
	}
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}

func (c *console) line(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = fmt.Fprintf(c.out, format+"\n", args...) // a watcher that has gone away stops nothing
}

// welcome says where everything is, and how to see a hook fire.
// token is for the management API; without one, the command that makes them is named.
// mails says that they are kept in the mailbox.
func (c *console) welcome(url, admin, token string, mails bool, d *database, server *postgres.Server) {
	source := "LATCHKEY_DATABASE_URL"
	if server != nil {
		source = fmt.Sprintf("a private Postgres %s from %s, data in %s", server.Version(), server.Source(), server.Dir())
	}
	c.line("%s %s", c.paint(bold, "Latchkey is running at"), c.paint(cyan, url))
	c.line("Database: %s", source)
	c.line("  psql '%s'", d.DatabaseURL)
	if admin != "" {
		c.line("Metrics and profiles: %s/metrics, %s/debug/pprof/", admin, admin)
	}
	if token != "" {
		c.line("A token for the management API, valid for a day (latchkey token makes others): %s", token)
	} else {
		c.line("Tokens for the management API: latchkey token")
	}
	c.line("The API: %s/docs", url)
	if mails {
		c.line("Mails are not sent, and shown here: %s/dev/mail", url)
	}
	if server != nil {
		c.line("Webhooks may go to this machine (%s), as this is a private Postgres; with a database of your own they need --webhook-allow.", strings.Join(thisMachine(), ", "))
	}
	c.line("To see a hook fire, paste this into another terminal:")
	c.line("")
	c.line(`psql '%s' -c "insert into auth.roles (tenant_id, name) values ('%s', 'editor ' || now())"`, d.DatabaseURL, defaultTenant)
	c.line("")
	c.line("%s", c.paint(dim, "Events and hooks appear below as they happen. Ctrl-C stops."))
}

// standingBy says why nothing happens.
func (c *console) standingBy(url string, d *database) {
	c.line("%s %s", c.paint(bold, "Latchkey is standing by at"), c.paint(cyan, url))
	c.line("Another process owns group %s; this one takes over when that ends.", d.Group)
}

func (c *console) stored(events []*hooks.Event) {
	for _, ev := range events {
		stamp := ev.Stamp()
		by := stamp.Origin
		for _, who := range []string{stamp.Actor, stamp.Role, stamp.ApplicationName} {
			if who != "" {
				by += " " + who
			}
		}
		c.line("%s %s %s %s %s", c.paint(dim, "event"), ev.Table, c.paint(cyan, ev.Operation.String()), ev.Key, c.paint(dim, fmt.Sprintf("#%d by %s", ev.Seq, by)))
	}
}

func (c *console) ran(r listener.Run) {
	what := fmt.Sprintf("%s %s %s %s", r.Hook.Name, r.Event.Table, r.Event.Operation, r.Event.Key)
	switch {
	case r.Err == nil:
		c.line("%s %s", c.paint(green, "hook"), what)
	case r.Dead:
		c.line("%s %s failed for good: %s", c.paint(red, "hook"), what, firstLine(r.Err))
	default:
		c.line("%s %s failed, next try in %v: %s", c.paint(yellow, "hook"), what, time.Until(r.Retry).Round(time.Millisecond), firstLine(r.Err))
	}
}

func (c *console) sent(s listener.Sent) {
	what := fmt.Sprintf("%s %s %s %s %s", s.TriggerID, s.HookID, s.Event.Table, s.Event.Operation, s.Event.Key)
	switch {
	case s.Err == nil:
		c.line("%s %s", c.paint(green, "webhook"), what)
	case s.Dead:
		c.line("%s %s failed for good: %s", c.paint(red, "webhook"), what, firstLine(s.Err))
	default:
		c.line("%s %s failed, next try in %v: %s", c.paint(yellow, "webhook"), what, time.Until(s.Retry).Round(time.Millisecond), firstLine(s.Err))
	}
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
