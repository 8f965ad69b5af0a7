package before_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/examples/before"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/pgtest"
	"github.com/latchkey-dev/latchkey/internal/postgres"
)

// The hooks in Go, through the repositories.
func TestGo(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	d.Exec(t, `insert into auth.tenants (id) values ('acme')`)
	reg := db.NewHooks()
	before.BlockDomains(reg, "tempmail.com", "disposable.com")
	before.ProtectUsers(reg)
	before.ValidateConnections(reg)
	refused(t, d, reg, "block-domain", "protected", "options")
}

// The hooks in SQL, through psql; and they hold for the repositories too.
func TestSQL(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	d.Exec(t, `insert into auth.tenants (id) values ('acme')`)
	terminal := openTerminal(t, d.URL)
	names, err := fs.Glob(before.Files, "*.sql")
	if err != nil || len(names) != 3 {
		t.Fatalf("the hooks are %q, %v", names, err)
	}
	for _, name := range names {
		script, err := before.Files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		terminal(string(script), "")
		terminal(string(script), "") // twice is once
	}
	for _, try := range []struct{ sql, says string }{
		{`insert into auth.users (tenant_id, user_id, email) values ('acme', 'a', 'ann@example.com')`, ""},
		{`insert into auth.users (tenant_id, email) values ('acme', 'Bob@TempMail.com')`, "LK010: Signups from disposable email providers are not allowed|blocked_domain"},
		{`update auth.users set email = 'ann@disposable.com' where user_id = 'a'`, "LK010: Signups from disposable email providers are not allowed|blocked_domain"},
		{"copy auth.users (tenant_id, email) from stdin;\nacme\tcarl@example.com\nacme\tdora@tempmail.com\n\\.\n", "LK010: Signups from disposable email providers are not allowed|blocked_domain"},
		{`update auth.users set app_metadata = '{"protected": true}' where user_id = 'a'`, ""},
		{`delete from auth.users where user_id = 'a'`, "LK010: This user is protected|protected"},
		{`delete from auth.tenants where id = 'acme'`, "LK010: This user is protected|protected"},
		{`insert into auth.connections (tenant_id, name, strategy) values ('acme', 'c', 'auth0')`, "LK010: Auth0 connections require a client_id|client_id_missing"},
		{`insert into auth.connections (tenant_id, name, strategy, enabled_clients, options) values ('acme', 'c', 'auth0', '{x}', '{"client_id": "x"}')`, ""},
		{`update auth.connections set enabled_clients = '{}'`, "LK010: Connection must have at least one enabled client|no_clients"},
	} {
		terminal(try.sql, try.says)
	}
	var users, connections int
	if err := d.Pool(t).QueryRow(t.Context(), `select (select count(*) from auth.users), (select count(*) from auth.connections)`).Scan(&users, &connections); err != nil || users != 1 || connections != 1 {
		t.Fatalf("%d users, %d connections, %v", users, connections, err)
	}
	d.Exec(t, `update auth.users set app_metadata = '{}'; delete from auth.users; delete from auth.connections`)
	refused(t, d, db.NewHooks(), "block-domain", "protected", "options")
}

// refused has a store tell what the hooks refuse.
func refused(t *testing.T, d *pgtest.Database, reg *db.Hooks, domain, protected, options string) {
	t.Helper()
	ctx := t.Context()
	store, err := db.Open(ctx, db.Config{DatabaseURL: d.URL, Hooks: reg})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	rejected := func(err error, hook, code string) {
		t.Helper()
		var no *hooks.Rejection
		if !errors.As(err, &no) || no.Hook != hook || no.Code != code {
			t.Fatalf("%v; want %s by hook %s", err, code, hook)
		}
	}
	mail := func(s string) *string { return &s }
	_, err = store.Users.Create(ctx, "acme", db.CreateUser{Email: mail(" Bob@Tempmail.com")})
	rejected(err, domain, "blocked_domain")
	ann, err := store.Users.Create(ctx, "acme", db.CreateUser{Email: mail("ann@example.com"), AppMetadata: json.RawMessage(`{"protected": true}`)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.Users.Update(ctx, "acme", ann.UserID, db.UpdateUser{Email: db.Set("ann@disposable.com")})
	rejected(err, domain, "blocked_domain")
	rejected(store.Users.Delete(ctx, "acme", ann.UserID), protected, "protected")
	if _, err = store.Users.Update(ctx, "acme", ann.UserID, db.UpdateUser{AppMetadata: db.Set(json.RawMessage(`{}`))}); err != nil {
		t.Fatal(err)
	}
	if err := store.Users.Delete(ctx, "acme", ann.UserID); err != nil {
		t.Fatal(err)
	}
	_, err = store.Connections.Create(ctx, "acme", db.CreateConnection{Name: "c", Strategy: "auth0"})
	rejected(err, options, "client_id_missing")
	c, err := store.Connections.Create(ctx, "acme", db.CreateConnection{Name: "c", Strategy: "auth0", EnabledClients: []string{"x"}, Options: json.RawMessage(`{"client_id": "x"}`)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.Connections.Update(ctx, "acme", c.ID, db.UpdateConnection{EnabledClients: db.Set([]string{})})
	rejected(err, options, "no_clients")
	_, err = store.Connections.Update(ctx, "acme", c.ID, db.UpdateConnection{Options: db.Set(json.RawMessage(`{}`))})
	rejected(err, options, "client_id_missing")
}

// openTerminal gives a way to run scripts as someone with psql would, each with the error that it is to end with, as
// "SQLSTATE: message|detail", empty for none. Where there is no psql, a plain connection stands in for it, and the test says so.
func openTerminal(t *testing.T, url string) func(script, says string) {
	t.Helper()
	psql, err := exec.LookPath("psql")
	if err != nil {
		if installed, findErr := postgres.Find(t.Context()); findErr == nil && installed.Dir != "" {
			psql, err = exec.LookPath(filepath.Join(installed.Dir, "psql"))
		}
	}
	run := byPsql
	if err != nil {
		t.Log("there is no psql, on the PATH or beside Postgres: a plain connection stands in for it")
		run = byConnection
	}
	return func(script, says string) {
		t.Helper()
		if got := run(t, psql, url, script); got != says {
			t.Fatalf("%s\nsays %q, want %q", script, got, says)
		}
	}
}

// byPsql reads what psql prints with VERBOSITY verbose: "ERROR:  LK010: message", then "DETAIL:  detail".
func byPsql(t *testing.T, psql, url, script string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), psql, "-XqAt", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", url)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Stdin = strings.NewReader(script)
	var printed bytes.Buffer
	cmd.Stderr = &printed
	if err := cmd.Run(); err == nil {
		return ""
	}
	var says []string
	for line := range strings.Lines(printed.String()) {
		for _, field := range []string{"ERROR:  ", "DETAIL:  "} {
			if _, text, found := strings.Cut(line, field); found {
				says = append(says, strings.TrimSpace(text))
			}
		}
	}
	return strings.Join(says, "|")
}

func byConnection(t *testing.T, _, url, script string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	if statement, rows, isCopy := strings.Cut(script, ";\n"); isCopy && strings.HasPrefix(script, "copy ") {
		_, err = conn.PgConn().CopyFrom(t.Context(), strings.NewReader(strings.TrimSuffix(rows, "\\.\n")), statement)
	} else {
		_, err = conn.Exec(t.Context(), script)
	}
	var pg *pgconn.PgError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &pg):
		return pg.Code + ": " + pg.Message + "|" + pg.Detail
	}
	return err.Error()
}
