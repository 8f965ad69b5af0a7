package auth_test

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// Mistakes are gathered in the catalogue, with those of other hooks, and opening says all of them.
func TestMistakes(t *testing.T) {
	t.Parallel()
	logout := func(context.Context, hooks.Tx, hooks.Event, auth.Logout) error { return nil }
	for name, test := range map[string]struct {
		register func(*db.Hooks, *auth.Hooks)
		says     string
	}{
		"a typo": {func(_ *db.Hooks, f *auth.Hooks) {
			auth.On(f, auth.Named("after_lgoin"), "x", func(context.Context, hooks.Tx, hooks.Event, auth.Occurrence) error { return nil })
		}, `auth: hook "x": there is no event "after_lgoin": did you mean "after_login"?`},
		"nothing like it": {func(_ *db.Hooks, f *auth.Hooks) { auth.On(f, "zzzzzzzzzzzzzzzz", "x", logout) }, "there are after_register, send_verification_email"},
		"another's payload": {
			func(_ *db.Hooks, f *auth.Hooks) { auth.On(f, "after_login", "x", logout) },
			`auth: hook "x": after_login tells auth.Login, not auth.Logout: name the event by its constant, or by Named`,
		},
		"nil":      {func(_ *db.Hooks, f *auth.Hooks) { auth.On(f, auth.AfterLogout, "x", nil) }, `auth: hook "x" on after_logout: the function is nil`},
		"no name":  {func(_ *db.Hooks, f *auth.Hooks) { auth.On(f, auth.AfterLogout, "", logout) }, "a name is a letter"},
		"bad name": {func(_ *db.Hooks, f *auth.Hooks) { auth.On(f, auth.AfterLogout, "1", logout) }, `after insert hook "after_logout:1" of auth.auth_events: a name is a letter`},
		"a long name": {
			func(_ *db.Hooks, f *auth.Hooks) { auth.On(f, auth.AfterLogout, strings.Repeat("x", 51), logout) },
			"the name is longer than 50 characters",
		},
		"twice": {func(_ *db.Hooks, f *auth.Hooks) {
			auth.On(f, auth.AfterLogout, "x", logout)
			auth.On(f, auth.AfterLogout, "x", logout)
		}, `after insert hook "after_logout:x" of auth.auth_events: the name is taken`},
		"twice by two": {func(r *db.Hooks, f *auth.Hooks) {
			auth.On(f, auth.AfterLogout, "x", logout)
			auth.On(auth.NewHooks(r), auth.AfterLogout, "x", logout)
		}, "the name is taken"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := db.NewHooks()
			test.register(reg, auth.NewHooks(reg))
			if err := reg.Err(); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("it says %v, want %q", err, test.says)
			}
		})
	}
}

// A name may stand for several events, and beside the same name on the tables that they come from.
func TestOneNameForSeveral(t *testing.T) {
	t.Parallel()
	reg := db.NewHooks()
	flows, h := auth.NewHooks(reg), &heard{}
	all(flows, h)
	on(flows, h, auth.AfterLogout, strings.Repeat("x", 50), func(auth.Logout) string { return "" })
	reg.Users.AfterCreate("all", func(context.Context, hooks.Tx, hooks.Event, db.User) error { return nil })
	reg.AuthEvents.AfterCreate("all", func(context.Context, hooks.Tx, hooks.Event, db.AuthEvent) error { return nil })
	if err := reg.Err(); err != nil {
		t.Fatal(err)
	}
	if n := len(reg.Afters()); n != len(auth.Names())+3 {
		t.Errorf("%d hooks", n)
	}
}

// The compiler refuses a hook whose payload is another event's, and raising what only a row can.
func TestWrongPayloadDoesNotCompile(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "build", "./testdata/wrongpayload").CombinedOutput()
	if err == nil {
		t.Fatal("it compiled")
	}
	for _, says := range []string{"wrong.go:16:", "auth.Logout", "wrong.go:17:", "Registration does not satisfy"} {
		if !strings.Contains(string(out), says) {
			t.Errorf("the compiler doesn't say %s:\n%s", says, out)
		}
	}
}
