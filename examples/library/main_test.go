package main

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/pgtest"
)

// The README shows this program as it is, and it does what the README says.
func TestREADME(t *testing.T) {
	t.Parallel()
	requireInREADME(t, "main.go", "func run(")
}

func TestRun(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	d := pgtest.New(t)
	d.Exec(t, `insert into auth.tenants (id) values ('default')`)
	program := t.TempDir() + "/library"
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append(os.Environ(), "DATABASE_URL="+d.URL)
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	requireLine(t, lines, "db: create role: rejected by hook reserved: the name root is reserved (reserved)")
	d.Exec(t, `insert into auth.roles (tenant_id, name) values ('default', 'editor')`)
	requireLine(t, lines, "created: editor by external")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("after Ctrl-C: %v", err)
	}
	var logged int
	if err := d.Pool(t).QueryRow(ctx, `select count(*) from auth.logs where description = 'editor'`).Scan(&logged); err != nil || logged != 1 {
		t.Fatalf("%d log lines, %v", logged, err)
	}
	store, err := db.Open(ctx, db.Config{DatabaseURL: d.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	roles, err := store.Roles.List(ctx, "default", db.ListOptions{})
	if err != nil || len(roles.Rows) != 1 || roles.Rows[0].Name != "editor" {
		t.Fatalf("roles: %+v, %v", roles, err)
	}
}

func requireLine(t *testing.T, lines *bufio.Scanner, want string) {
	t.Helper()
	if !lines.Scan() || lines.Text() != want {
		t.Fatalf("printed %q (%v), want %q", lines.Text(), lines.Err(), want)
	}
}

// requireInREADME fails unless the README holds the file from the line that begins with from to its end.
func requireInREADME(t *testing.T, file, from string) {
	t.Helper()
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, body, found := strings.Cut(string(source), "\n"+from)
	if !found || !strings.Contains(string(readme), from+body) {
		t.Fatalf("README.md does not show %s from %q on as it is: copy it over", file, from)
	}
}
