package listener

import (
	"errors"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/latchkey-dev/latchkey/hooks"
)

// catalogue is a Catalogue without hooks.
type catalogue struct{ err error }

func (c catalogue) Tables() []string            { return nil }
func (c catalogue) OwnTables() []hooks.OwnTable { return nil }
func (c catalogue) Sets() map[string][]string   { return nil }
func (c catalogue) Abouts() map[string]string   { return nil }
func (c catalogue) Afters() []*hooks.After      { return nil }
func (c catalogue) Err() error                  { return c.err }

func TestConfigDefaults(t *testing.T) {
	t.Parallel()
	c, err := Config{DatabaseURL: "postgres://db", Hooks: catalogue{}}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if c.ReplicationURL != "postgres://db" || c.Group != "default" || c.Lanes != 64 || c.HookConnections != 16 || c.SlotTimeout != 30*time.Second ||
		c.StopTimeout != 3*time.Second || c.Retry != (Retry{12, time.Second, 10 * time.Minute}) || c.Logger == nil {
		t.Errorf("the defaults are %+v", c)
	}
	set := Config{
		DatabaseURL: "postgres://db", ReplicationURL: "postgres://direct", Group: "g", Hooks: catalogue{}, Lanes: 1, HookConnections: 2,
		SlotTimeout: 3, StopTimeout: 4, Retry: Retry{5, 6, 7}, Logger: c.Logger,
	}
	if got, err := set.withDefaults(); err != nil || got.ReplicationURL != set.ReplicationURL || got.Group != set.Group || got.Lanes != 1 ||
		got.HookConnections != 2 || got.SlotTimeout != 3 || got.StopTimeout != 4 || got.Retry != set.Retry || got.Logger != set.Logger {
		t.Errorf("what was set became %+v, %v", got, err)
	}
}

func TestConfigRefuses(t *testing.T) {
	t.Parallel()
	wrong := errors.New("a hook is registered twice")
	for want, change := range map[string]func(*Config){
		"Config.DatabaseURL":     func(c *Config) { c.DatabaseURL = "" },
		"Config.Hooks":           func(c *Config) { c.Hooks = nil },
		wrong.Error():            func(c *Config) { c.Hooks = catalogue{wrong} },
		"Config.Group":           func(c *Config) { c.Group = "No" },
		"Config.Lanes":           func(c *Config) { c.Lanes = -1 },
		"Config.HookConnections": func(c *Config) { c.HookConnections = -1 },
		"Config.SlotTimeout":     func(c *Config) { c.SlotTimeout = -1 },
		"Config.StopTimeout":     func(c *Config) { c.StopTimeout = -1 },
		"Config.Retry.Attempts":  func(c *Config) { c.Retry.Attempts = -1 },
		"Config.Retry.Base":      func(c *Config) { c.Retry.Base = -1 },
		"Config.Retry.Max":       func(c *Config) { c.Retry.Max = -1 },
	} {
		c := Config{DatabaseURL: "postgres://db", Hooks: catalogue{}}
		change(&c)
		if _, err := c.withDefaults(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that names %s", err, want)
		}
	}
}

func TestValidGroup(t *testing.T) {
	t.Parallel()
	for group, want := range map[string]bool{
		"a": true, "billing": true, "a_1": true, "a" + strings.Repeat("b", 31): true,
		"": false, "1a": false, "_a": false, "A": false, "a-b": false, "a b": false, "a'b": false, "a\n": false, "é": false, "a" + strings.Repeat("b", 32): false,
	} {
		if got := validGroup.MatchString(group); got != want {
			t.Errorf("group %q: valid is %t, want %t", group, got, want)
		}
	}
}

// Full jitter: the wait is anywhere between nothing and a ceiling that doubles until it is Max.
func TestRetryWait(t *testing.T) {
	t.Parallel()
	r := Retry{Attempts: 40, Base: time.Second, Max: 10 * time.Minute}
	ceiling := r.Base
	for attempt := 1; attempt <= 40; attempt++ {
		low, high := time.Duration(math.MaxInt64), time.Duration(0)
		for range 500 {
			w := r.wait(attempt)
			low, high = min(low, w), max(high, w)
		}
		if low <= 0 || high > ceiling+time.Millisecond || high > r.Max {
			t.Errorf("attempt %d: waits from %v to %v, want above 0 and at most %v", attempt, low, high, ceiling)
		}
		// 500 draws that all miss a quarter of the range: one chance in 10^62.
		if low > ceiling/4 || high < ceiling*3/4 {
			t.Errorf("attempt %d: waits from %v to %v do not fill 0 to %v", attempt, low, high, ceiling)
		}
		ceiling = min(2*ceiling, r.Max)
	}
}

// No schedule makes a wait panic, whatever its numbers: the process would end, and end again after the next start.
func TestRetryWaitExtremes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := Retry{
			Base: time.Duration(rapid.Int64Range(1, math.MaxInt64).Draw(t, "base")),
			Max:  time.Duration(rapid.Int64Range(1, math.MaxInt64-int64(time.Millisecond)).Draw(t, "max")),
		}
		if w := r.wait(rapid.IntRange(1, 1000).Draw(t, "attempt")); w <= 0 || w > r.Max {
			t.Fatalf("it waits %v, and Max is %v", w, r.Max)
		}
	})
}

var validSlot = regexp.MustCompile(`^[a-z0-9_]{1,63}$`)

func TestSlotName(t *testing.T) {
	t.Parallel()
	if got := slotName("app", "default"); got != "latchkey_app_default" {
		t.Errorf("an ordinary name is %s", got)
	}
	long, group := strings.Repeat("d", 63), "g"+strings.Repeat("x", 31)
	databases := []string{"app", "App", "APP", "app-1", "app_1", "app.1", "app 1", "äpp", "☃", "a", "a_b", "a_b_c", "", "a\"'b", long, long[:62] + "e", long[:62], long[:30], long[:40]}
	groups := []string{"default", "b", "c", "b_c", group, group[:31], "x"}
	seen := map[string]string{}
	for _, database := range databases {
		for _, group := range groups {
			name, of := slotName(database, group), database+" / "+group
			if !validSlot.MatchString(name) {
				t.Errorf("%s: Postgres takes no slot %q", of, name)
			}
			if other, taken := seen[name]; taken {
				t.Errorf("%s and %s have one slot: %s", other, of, name)
			}
			seen[name] = of
			if again := slotName(database, group); again != name {
				t.Errorf("%s: %s, and then %s", of, name, again)
			}
		}
	}
}

func TestSlotNameAlwaysValid(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		database := rapid.StringN(0, 63, 63).Draw(t, "database")
		group := rapid.StringMatching(validGroup.String()).Draw(t, "group")
		if name := slotName(database, group); !validSlot.MatchString(name) {
			t.Fatalf("Postgres takes no slot %q", name)
		}
	})
}
