package main

import (
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/latchkey-dev/latchkey/internal/pgtest"
	"github.com/latchkey-dev/latchkey/listener"
)

func TestUsage(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args  []string
		code  int
		words []string
	}{
		"help":               {[]string{"--help"}, exitOK, []string{"Usage: latchkey", "serve", "migrate", "status", "tail", "reset", "skip"}},
		"help of a command":  {[]string{"serve", "--help"}, exitOK, []string{"--addr", "--log-retention", "--auth-event-retention", "--job-retention", "--ticket-retention", "--[no-]migrate", "LATCHKEY_DATABASE_URL"}},
		"nothing":            {nil, exitUsage, []string{"expected one of", "--help"}},
		"unknown command":    {[]string{"server"}, exitUsage, []string{"server", "--help"}},
		"unknown flag":       {[]string{"serve", "--adr", ":80"}, exitUsage, []string{"--adr", "--addr", "--help"}},
		"flag without value": {[]string{"serve", "--addr"}, exitUsage, []string{"--addr", "--help"}},
		"skip without LSN":   {[]string{"skip"}, exitUsage, []string{"--lsn", "--help"}},
		"skip with no LSN":   {[]string{"skip", "--lsn", "x"}, exitError, []string{`"x" is no LSN`}},
		"no number":          {[]string{"migrate", "--down", "x"}, exitUsage, []string{"--down"}},
		"one argument more":  {[]string{"status", "all"}, exitUsage, []string{"all"}},
		"unconfirmed reset":  {[]string{"reset"}, exitError, []string{"--accept-gap"}},
		"no database":        {[]string{"status", "--dir", "/nonexistent"}, exitError, []string{"no database", "--database-url", "latchkey serve"}},
		"no URL":             {[]string{"status", "--database-url", "pg:nothing"}, exitError, nil},
		"nobody listens":     {[]string{"status", "--database-url", "postgres://127.0.0.1:1/x"}, exitError, []string{"127.0.0.1"}},
		"no replication URL": {[]string{"serve", "--database-url", "postgres://127.0.0.1:1/x", "--addr", "127.0.0.1:0"}, exitError, []string{"127.0.0.1"}},
		"migrate, no server": {[]string{"migrate", "--database-url", "postgres://127.0.0.1:1/x"}, exitError, []string{"127.0.0.1"}},
		"tail, no server":    {[]string{"tail", "--database-url", "postgres://127.0.0.1:1/x"}, exitError, []string{"127.0.0.1"}},
		"reset, no server":   {[]string{"reset", "--accept-gap", "--database-url", "postgres://127.0.0.1:1/x"}, exitError, []string{"127.0.0.1"}},
		"skip, no server":    {[]string{"skip", "--lsn", "0/1", "--database-url", "postgres://127.0.0.1:1/x"}, exitError, []string{"127.0.0.1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			latchkey(t, test.args...).require(t, test.code, test.words...)
		})
	}
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	d := pgtest.NewEmpty(t)
	latchkey(t, "serve", "--no-migrate", "--addr", "127.0.0.1:0", "--database-url", d.URL).require(t, exitError, "no Latchkey schema", "latchkey migrate")
	latchkey(t, "status", "--database-url", d.URL).require(t, exitError, "latchkey migrate")
	first := latchkey(t, "migrate", "--database-url", d.URL)
	first.require(t, exitOK, "00001_engine.sql\n", "schema version ")
	if second := latchkey(t, "migrate", "--database-url", d.URL); second.code != exitOK || strings.Contains(second.stdout, ".sql") || !strings.HasSuffix(first.stdout, second.stdout) {
		t.Errorf("a second migrate ended with %d and said: %s%s", second.code, second.stdout, second.stderr)
	}
	latchkey(t, "migrate", "--down", "0", "--database-url", d.URL).require(t, exitOK, "schema version 0\n")
	serve(t, d.URL).stop().require(t, exitOK) // it migrates by itself
}

func TestSchemaOfANewerProgram(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	d.Exec(t, `insert into public.latchkey_migrations (version_id, is_applied) values (99999, true)`)
	for _, command := range []string{"serve", "migrate", "status", "tail"} {
		latchkey(t, command, "--database-url", d.URL).require(t, exitError, "version 99999", "run a newer latchkey")
	}
}

// The commands beside a server that works, and after it.
func TestOperate(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	at := []string{"--database-url", d.URL}
	run := func(args ...string) result { return latchkey(t, append(args, at...)...) }
	run("status").require(t, exitError, `group "default" is unknown`)
	run("reset", "--accept-gap").require(t, exitError, "group default is unknown")

	s := serve(t, d.URL)
	tail := start(t, append([]string{"tail", "--after", "0"}, at...)...)
	d.Exec(t, `insert into auth.roles (tenant_id, id, name) values ('default', 'a', 'a')`)
	s.stdout.await(t, 1, `^hook audit auth\.roles insert a$`)
	tail.stdout.await(t, 1, `auth\.roles insert a default #\d+ by external$`)
	tail.stop().require(t, exitOK)

	run("status").require(t, exitOK, "group", "owned by", "epoch 1", "auth.roles", "audit", "auth.users")
	var status listener.Status
	out := run("status", "--json")
	if err := json.Unmarshal([]byte(out.stdout), &status); err != nil || out.code != exitOK {
		t.Fatalf("status --json: %v, code %d:\n%s", err, out.code, out.stdout)
	}
	if status.Group != "default" || status.Owner == "" || !status.Active || len(status.Hooks) != 2 || status.Stored < 1 {
		t.Errorf("status --json says %+v", status)
	}
	run("status", "--group", "other").require(t, exitError, `group "other" is unknown`)
	run("reset", "--accept-gap").require(t, exitError, "owned by a running process: stop it first")
	run("skip", "--lsn", "F/0").require(t, exitError, "owned by a running process: stop it first")

	s.stop().require(t, exitOK)
	run("status").require(t, exitOK, "owned by nobody")
	run("skip", "--lsn", "0/1").require(t, exitError, "past already")
	run("reset", "--accept-gap").require(t, exitOK, "the slot of group default was reset", status.Done[:2])
	s = serve(t, d.URL)
	d.Exec(t, `insert into auth.roles (tenant_id, id, name) values ('default', 'b', 'b')`)
	s.stdout.await(t, 1, `^hook audit auth\.roles insert b$`)
	if again := s.stdout.lines(`insert a`); len(again) > 0 {
		t.Errorf("after the reset: %v", again)
	}
	s.stop().require(t, exitOK)
}

// Where the listener can't go on, the program ends with an error that says what to do; which then works.
func TestServeStops(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		harm  string
		words []string
		fix   string
	}{
		"slot dropped": {
			`select pg_drop_replication_slot(slot) from latchkey.position`,
			[]string{"is gone", "latchkey reset --accept-gap"},
			"",
		},
		"table not ready": {
			`alter table auth.roles replica identity default`,
			[]string{"select latchkey.watch('auth.roles')"},
			`select latchkey.watch('auth.roles')`,
		},
		"restored": {
			`update latchkey.position set system_identifier = '1'`,
			[]string{"another cluster", "latchkey reset --accept-gap"},
			"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := pgtest.New(t)
			serve(t, d.URL).stop().require(t, exitOK)
			// A walsender ends a moment after its client.
			d.Exec(t, `do $$ begin while exists (select from pg_replication_slots where database = current_database() and active) loop perform pg_sleep(0.01); end loop; end $$`)
			d.Exec(t, test.harm)
			stopped := start(t, "serve", "--addr", "127.0.0.1:0", "--database-url", d.URL).end()
			stopped.require(t, exitError, append(test.words, "to go on: ")...)
			if strings.Contains(stopped.stdout, "running at") {
				t.Errorf("it said that it runs:\n%s", stopped.stdout)
			}
			if test.fix != "" {
				d.Exec(t, test.fix)
			} else {
				latchkey(t, "reset", "--accept-gap", "--database-url", d.URL).require(t, exitOK)
			}
			serve(t, d.URL).stop().require(t, exitOK)
		})
	}
}

func TestBusyPort(t *testing.T) {
	t.Parallel()
	var config net.ListenConfig
	taken, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	latchkey(t, "serve", "--addr", taken.Addr().String(), "--database-url", pgtest.New(t).URL).
		require(t, exitError, taken.Addr().String(), "address already in use", "choose another address with --addr")
}

// Two servers of a group share the work: one has it, the other follows.
func TestSecondServerStandsBy(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	first := serve(t, d.URL)
	second := start(t, "serve", "--addr", "127.0.0.1:0", "--database-url", d.URL)
	d.Exec(t, `insert into auth.roles (tenant_id, id, name) values ('default', 'a', 'a')`)
	first.stdout.await(t, 1, `^hook audit auth\.roles insert a$`)
	ready := second.urlIn(`^Latchkey is standing by at`) + "/readyz" // a rolling deploy waits for it
	if status, text := get(t, ready); status != http.StatusOK || text != "ready: standing by\n" {
		t.Errorf("the second server's /readyz answers %d %s", status, text)
	}
	first.stop().require(t, exitOK)
	d.Exec(t, `insert into auth.roles (tenant_id, id, name) values ('default', 'b', 'b')`)
	second.stdout.await(t, 1, `^hook audit auth\.roles insert b$`)
	if again := second.stdout.lines(`^hook audit auth\.roles insert a$`); len(again) > 0 {
		t.Errorf("the second server ran a hook again: %v", again)
	}
	if status, text := get(t, ready); status != http.StatusOK || text != "ready: owning the group\n" {
		t.Errorf("the second server's /readyz answers %d %s then", status, text)
	}
	second.stop().require(t, exitOK)
}
