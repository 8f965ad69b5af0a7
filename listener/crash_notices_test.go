//go:build unix

package listener_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latchkey-dev/latchkey/internal/pgtest"
)

// TestCrashTestNotices runs the crash tests, in short, on a listener that is broken on purpose: without its acks, and
// without its fence. They must fail, and for that reason; and pass with the listener as it is.
func TestCrashTestNotices(t *testing.T) {
	if crashKills(t) < crashFull {
		t.Skip("`make test/crash` runs this: it builds binaries")
	}
	t.Parallel()
	server := pgtest.AdminURL(t)
	const twice = "ran twice to effect"
	for _, test := range []struct{ name, tag, run, want string }{
		{"whole", "", "^TestCrash(FrozenOwner)?$", "PASS"},
		{"without acks", "latchkey_noack", "^TestCrash$", twice},
		{"without fence", "latchkey_nofence", "^TestCrashFrozenOwner$", twice},
	} {
		t.Run(test.name, func(t *testing.T) {
			binary := os.Args[0]
			if test.tag != "" {
				binary = filepath.Join(t.TempDir(), "broken.test")
				newCrashCommand(t, "go", "test", "-c", "-tags", test.tag, "-o", binary, ".").must(t)
			}
			// What is broken does harm in a race: a process that was frozen writes, or hears first that its lease is over.
			tries := 1
			if test.tag != "" {
				tries = 3
			}
			for try := 1; ; try++ {
				c := newCrashCommand(t, binary, "-test.run="+test.run, "-test.v")
				c.cmd.Env = append(os.Environ(), "LATCHKEY_TEST_POSTGRES="+server, crashKillsEnv+"=5")
				err := c.run()
				if (err != nil) == (test.tag != "") && strings.Contains(c.said.String(), test.want) {
					break
				}
				if try == tries {
					t.Fatalf("ended with %v, and should have said %q, %d times:\n%s", err, test.want, tries, c.said)
				}
			}
		})
	}
}

type crashCommand struct {
	cmd  *exec.Cmd
	said *logged
}

func newCrashCommand(t *testing.T, name string, args ...string) *crashCommand {
	t.Helper()
	// Not the test's context: a test's binary that is killed leaves its database behind.
	c := &crashCommand{cmd: exec.CommandContext(context.WithoutCancel(t.Context()), name, args...), said: &logged{}}
	c.cmd.Stdout, c.cmd.Stderr = c.said, c.said
	return c
}

func (c *crashCommand) run() error { return c.cmd.Run() }

func (c *crashCommand) must(t *testing.T) {
	t.Helper()
	if err := c.run(); err != nil {
		t.Fatalf("%v: %v\n%s", c.cmd, err, c.said)
	}
}
