//go:build unix

package listener_test

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pglogrepl"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/listener"
)

// The child of the crash test is the test's binary once more, with the database's URL in crashChildEnv. It runs a
// listener with hooks until it is killed, by its parent or by itself at the step that crashAtEnv names. What happens
// it reports in lines on file 3, one write a line, so that what was reported survives it.
const (
	crashChildEnv = "LATCHKEY_CRASH_CHILD"
	crashAtEnv    = "LATCHKEY_CRASH_AT"
	crashLeaseEnv = "LATCHKEY_CRASH_LEASE"
)

// stepHookWrote is the one step that a hook takes: it has written through its transaction, and has not returned.
const stepHookWrote = "hook-wrote"

// crashPoint is where a child ends itself: at the n-th pass of a step, or some time after it.
type crashPoint struct {
	step   string
	pass   int
	after  time.Duration
	freeze bool // SIGSTOP in place of SIGKILL
}

func (p crashPoint) String() string {
	return fmt.Sprintf("%s:%d:%s:%t", p.step, p.pass, p.after, p.freeze)
}

func parseCrashPoint(s string) (p crashPoint, err error) {
	parts := strings.Split(s, ":")
	if s == "" || len(parts) > 4 {
		return p, fmt.Errorf("%s=%q: it is step:pass, or step:pass:delay:freeze", crashAtEnv, s)
	}
	p = crashPoint{step: parts[0], pass: 1}
	if len(parts) > 1 {
		p.pass, err = strconv.Atoi(parts[1])
	}
	if len(parts) > 2 && err == nil {
		p.after, err = time.ParseDuration(parts[2])
	}
	if len(parts) > 3 && err == nil {
		p.freeze, err = strconv.ParseBool(parts[3])
	}
	return p, err
}

type crashChild struct {
	report *os.File
	at     crashPoint

	mu     sync.Mutex
	passes int
}

// runCrashChild doesn't return.
func runCrashChild(t *testing.T, url string) {
	t.Helper()
	c := &crashChild{report: os.NewFile(3, "report")}
	if at := os.Getenv(crashAtEnv); at != "" {
		var err error
		if c.at, err = parseCrashPoint(at); err != nil {
			t.Fatal(err)
		}
	}
	lease, err := time.ParseDuration(cmp.Or(os.Getenv(crashLeaseEnv), "3s"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.run(url, lease); err != nil {
		fmt.Fprintln(os.Stderr, "the child ended:", err)
		os.Exit(3)
	}
	os.Exit(0)
}

func (c *crashChild) run(url string, lease time.Duration) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	l, err := listener.Open(ctx, listener.Config{
		DatabaseURL: url, Hooks: crashHooks(c), Lanes: 8, HookConnections: 4, StopTimeout: time.Second,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Retry:  listener.Retry{Attempts: 1000, Base: time.Millisecond, Max: 20 * time.Millisecond},
		Trace: listener.Trace{
			Owning:  func(epoch int64) { c.say("owning", epoch) },
			Stopped: func(epoch int64, reason error) { c.say("stopped", epoch, fmt.Sprintf("%q", fmt.Sprint(reason))) },
			Ran:     func(r listener.Run) { c.say("ran", r.Hook.Name, r.Event.Seq) },
		},
	})
	if err != nil {
		return err
	}
	l.OnStep(c.step)
	l.SetTiming(lease, lease/5, 15*time.Millisecond, 50*time.Millisecond)
	go func() {
		defer cancel()
		c.obey(ctx, l)
	}()
	err = l.Run(ctx)
	l.Close()
	return err
}

// obey takes orders: "wait" and a position, or "stop". The end of the parent ends the child too.
func (c *crashChild) obey(ctx context.Context, l *listener.Listener) {
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		order, argument, _ := strings.Cut(in.Text(), " ")
		switch order {
		case "stop":
			return
		case "wait":
			lsn, err := pglogrepl.ParseLSN(argument)
			if err == nil {
				err = l.WaitFor(ctx, lsn)
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, "the child can't wait:", err)
				return
			}
			c.say("settled", argument)
		}
	}
}

func (c *crashChild) say(what ...any) {
	if _, err := c.report.WriteString(fmt.Sprintln(what...)); err != nil {
		os.Exit(4) // the parent is gone
	}
}

func (c *crashChild) step(name string) {
	if name != c.at.step {
		return
	}
	c.mu.Lock()
	c.passes++
	here := c.passes == c.at.pass
	c.mu.Unlock()
	switch {
	case !here:
	case c.at.after > 0:
		time.AfterFunc(c.at.after, c.end)
	default:
		c.end()
	}
}

func (c *crashChild) end() {
	c.say("at", c.at.step)
	signal := syscall.SIGKILL
	if c.at.freeze {
		signal = syscall.SIGSTOP
	}
	_ = syscall.Kill(os.Getpid(), signal) // a process may always signal itself
}

// crashTables are what the hooks write: plain tables, without anything that would hide a second run.
const crashTables = `
	create schema crash;
	create table crash.runs (id bigint generated always as identity, hook text, seq bigint, operation text, key text, mark text)`

var errNowAndThen = errors.New("this hook fails now and then")

// crashHooks are two hooks with a transaction on roles, of which one fails now and then, one without on the same, and one
// with a transaction on role permissions. Of rows that are written in bulk, those with a transaction want every tenth.
func crashHooks(c *crashChild) *db.Hooks {
	reg := db.NewHooks()
	record := func(ctx context.Context, tx hooks.Tx, hook string, ev hooks.Event, mark string) error {
		// A hook may ignore its context, and one of a frozen process has never heard that it is over.
		_, err := tx.Exec(context.WithoutCancel(ctx), `insert into crash.runs (hook, seq, operation, key, mark) values ($1, $2, $3, $4, $5)`,
			hook, ev.Seq, ev.Operation.String(), ev.Key, mark)
		if err == nil && c != nil {
			c.step(stepHookWrote)
		}
		return err
	}
	roles := func(name string, do func(ctx context.Context, tx hooks.Tx, ev hooks.Event, row db.Role) error, opts ...hooks.Option) {
		reg.Roles.AfterCreate(name, do, opts...)
		reg.Roles.AfterUpdate(name, func(ctx context.Context, tx hooks.Tx, ev hooks.Event, _, row db.Role) error {
			return do(ctx, tx, ev, row)
		})
		reg.Roles.AfterDelete(name, do)
	}
	some := hooks.Filter(func(ev *hooks.Event) bool { return crashWants(ev.Key) })
	roles("ledger", func(ctx context.Context, tx hooks.Tx, ev hooks.Event, row db.Role) error {
		return record(ctx, tx, "ledger", ev, row.Description)
	}, some)
	roles("flaky", func(ctx context.Context, tx hooks.Tx, ev hooks.Event, row db.Role) error {
		if err := record(ctx, tx, "flaky", ev, row.Description); err != nil {
			return err
		}
		if ev.Seq%9 == 0 && ev.Attempt < 3 {
			return errNowAndThen
		}
		return nil
	}, some)
	roles("notify", func(_ context.Context, _ hooks.Tx, ev hooks.Event, _ db.Role) error {
		c.say("sent", ev.Seq)
		return nil
	})
	sets := func(ctx context.Context, tx hooks.Tx, ev hooks.Event, _ db.RoleRef, permissions []db.PermissionRef) error {
		return record(ctx, tx, "sets", ev, permissionNames(permissions))
	}
	reg.RolePermissions.AfterAssign("sets", sets)
	reg.RolePermissions.AfterRemove("sets", sets)
	return reg
}

// crashWants is the filter of the hooks with a transaction.
func crashWants(role string) bool {
	return !strings.HasPrefix(role, "bulk-") || strings.HasSuffix(role, "0")
}

func permissionNames(permissions []db.PermissionRef) string {
	names := make([]string, len(permissions))
	for i, p := range permissions {
		names[i] = p.PermissionName
	}
	slices.Sort(names)
	return strings.Join(names, ",")
}
