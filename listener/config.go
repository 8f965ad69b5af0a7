package listener

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"regexp"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/listener/webhook"
	"github.com/latchkey-dev/latchkey/listener/webhook/sender"
)

// Catalogue is what the listener needs of the hooks; *db.Hooks is one.
type Catalogue interface {
	Tables() []string            // schema.table, to be published
	OwnTables() []hooks.OwnTable // those of them that are the service's own, to be made ready
	Sets() map[string][]string   // those whose changes come together, and the columns that name the owner
	Abouts() map[string]string   // those whose events keep their order among another table's, and the column that has the other's key
	Afters() []*hooks.After      // in the order of registration
	Err() error                  // what was registered wrongly
}

// Config is what [Open] needs. The zero value of a field is its default.
type Config struct {
	// DatabaseURL reaches the database, directly or through a pooler.
	DatabaseURL string
	// ReplicationURL reaches the server for replication, never through a pooler. Default: DatabaseURL.
	ReplicationURL string
	// Group names the listeners that share one slot, of which one works and the others stand by. Services with different
	// hooks are different groups. Default: "default".
	Group string
	// Hooks are the hooks to run.
	Hooks Catalogue
	// Webhooks sends the tenants' webhooks (auth.hooks) for what was committed. Default: none are sent. Of the groups of a
	// database, one is to have it: each that has it sends them all. The caller closes it after Run has returned.
	Webhooks *sender.Sender
	// WebhookSchedule says when failed deliveries of webhooks are tried again. Default: webhook.DefaultSchedule, 12 attempts
	// over 73 hours and more.
	WebhookSchedule webhook.Schedule
	// Logger gets what an operator should see. Default: none.
	Logger *slog.Logger
	// Trace gets what happens.
	Trace Trace
	// TracerProvider makes the spans of batches and hooks. Default: otel's global one, which makes none by default.
	TracerProvider trace.TracerProvider

	// Lanes is how many entities' hooks run at once. Default: 64.
	Lanes int
	// HookConnections bounds the transactions of hooks that are open at once. Default: 16.
	HookConnections int
	// Retry says how failed deliveries are tried again.
	Retry Retry
	// Retention is how long events are kept at least. Default: 7 days. What a hook has still to get is kept for longer.
	Retention time.Duration
	// PausedRetention is how long a paused hook holds the log up, from when it was paused. After that the log goes on
	// without it, and resuming it has to accept the gap. Default: 30 days.
	PausedRetention time.Duration
	// SlotTimeout bounds the creation of the slot, which waits for every open transaction that has written. Default: 30 s.
	SlotTimeout time.Duration
	// StopTimeout is what running hooks have when the listener stops. Default: 3 s.
	StopTimeout time.Duration
}

// Retry is a schedule: the wait before attempt n+1 is a random part of Base doubled n-1 times, at most Max.
type Retry struct {
	Attempts int           // default 12; after the last one the delivery is dead
	Base     time.Duration // default 1 s
	Max      time.Duration // default 10 min
}

// wait is how long to wait after the attempt-th failure: full jitter, so that deliveries that failed together don't
// return together.
func (r Retry) wait(attempt int) time.Duration {
	ceiling := r.Max
	if shift := attempt - 1; shift < 32 && r.Base < r.Max>>shift { // Base<<shift could overflow
		ceiling = r.Base << shift
	}
	return min(rand.N(ceiling)+time.Millisecond, r.Max)
}

var validGroup = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)

func (c Config) withDefaults() (Config, error) {
	if c.DatabaseURL == "" {
		return c, errors.New("Config.DatabaseURL is empty: give it a postgres:// URL")
	}
	if c.Hooks == nil {
		return c, errors.New("Config.Hooks is nil: give it db.NewHooks()")
	}
	if err := c.Hooks.Err(); err != nil {
		return c, err
	}
	setDefault(&c.ReplicationURL, c.DatabaseURL)
	setDefault(&c.Group, "default")
	if !validGroup.MatchString(c.Group) {
		return c, fmt.Errorf("Config.Group %q: it is a lowercase letter, then up to 31 lowercase letters, digits or underscores", c.Group)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	setDefault(&c.Lanes, 64)
	setDefault(&c.HookConnections, 16)
	setDefault(&c.Retention, 7*24*time.Hour)
	setDefault(&c.PausedRetention, 30*24*time.Hour)
	setDefault(&c.SlotTimeout, 30*time.Second)
	setDefault(&c.StopTimeout, 3*time.Second)
	if c.WebhookSchedule == nil {
		c.WebhookSchedule = webhook.DefaultSchedule()
	}
	if err := c.WebhookSchedule.Check(); err != nil {
		return c, fmt.Errorf("Config.WebhookSchedule: %w", err)
	}
	setDefault(&c.Retry.Attempts, 12)
	setDefault(&c.Retry.Base, time.Second)
	setDefault(&c.Retry.Max, 10*time.Minute)
	for _, field := range []struct {
		name     string
		negative bool
	}{
		{"Lanes", c.Lanes < 0},
		{"HookConnections", c.HookConnections < 0},
		{"Retention", c.Retention < 0},
		{"PausedRetention", c.PausedRetention < 0},
		{"SlotTimeout", c.SlotTimeout < 0},
		{"StopTimeout", c.StopTimeout < 0},
		{"Retry.Attempts", c.Retry.Attempts < 0},
		{"Retry.Base", c.Retry.Base < 0},
		{"Retry.Max", c.Retry.Max < 0},
	} {
		if field.negative {
			return c, fmt.Errorf("the field Config.%s is negative: 0 means its default", field.name)
		}
	}
	return c, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// instanceName tells people which process it is.
func instanceName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s/%d", host, os.Getpid())
}
