package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/internal/postgres"
)

// process is the program as a process of its own.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	out    *output
	exited chan error
}

// launch starts the program on a directory and waits until it works.
func launch(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	p := &process{t: t, out: newOutput(), exited: make(chan error, 1)}
	p.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), os.Args[0], append([]string{"serve", "--addr", "127.0.0.1:0", "--dir", dir}, args...)...)
	p.cmd.Env = withoutSecret()
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.exited <- p.cmd.Wait() }()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it has ended, unless the test failed
		if t.Failed() {
			t.Logf("the server said:\n%s", p.out)
		}
	})
	p.out.await(t, 1, `^Events and hooks appear below`)
	return p
}

// end sends a signal and returns how the process ended; an interrupt gives it 5 seconds.
func (p *process) end(signal os.Signal) error {
	p.t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		p.t.Fatal(err)
	}
	select {
	case err := <-p.exited:
		return err
	case <-time.After(5 * time.Second):
		p.t.Fatalf("it did not end within 5 s of %v", signal)
		return nil
	}
}

// freshDir is a directory for a private Postgres, which is gone when the test ends, with all that runs in it.
func freshDir(t *testing.T) string {
	t.Helper()
	// Not t.TempDir: root's Postgres runs as another user, who can't pass its 0700.
	dir, err := os.MkdirTemp("", "latchkey-serve-") //nolint:usetesting // see above
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		server, err := postgres.Start(ctx, postgres.Config{Dir: filepath.Join(dir, "data"), Database: privateDatabase}) // adopts what a failed test has left
		if err == nil {
			err = server.Destroy()
		}
		if err := errors.Join(err, os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	return filepath.Join(dir, "data")
}

var insertCommand = regexp.MustCompile(`^psql '(postgres://[^']+)' -c "(insert into auth\.roles [^"]+)"$`)

// paste runs the command that the server prints, as a person would who pastes it.
func (p *process) paste() {
	p.t.Helper()
	commands := p.out.lines(insertCommand.String())
	if len(commands) != 1 {
		p.t.Fatalf("the insert command stands on %d lines of its own:\n%s", len(commands), p.out)
	}
	if _, err := exec.LookPath("psql"); err != nil {
		p.t.Logf("psql is not installed: the statement that it would run is run otherwise")
		parts := insertCommand.FindStringSubmatch(commands[0])
		query[int](p.t, parts[1], parts[2]+" returning 1")
		return
	}
	if out, err := exec.CommandContext(p.t.Context(), "sh", "-c", commands[0]).CombinedOutput(); err != nil || !strings.Contains(string(out), "INSERT 0 1") {
		p.t.Fatalf("%s: %v\n%s", commands[0], err, out)
	}
}

// url is the connection string that the server prints for psql.
func (p *process) url() string {
	p.t.Helper()
	line := p.out.await(p.t, 1, `^  psql '[^']+'$`)[0]
	return strings.TrimSuffix(strings.TrimPrefix(line, "  psql '"), "'")
}

func query[T any](t *testing.T, url, sql string) T {
	t.Helper()
	var v T
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	if err := conn.QueryRow(t.Context(), sql).Scan(&v); err != nil {
		t.Fatalf("%v\nin: %s", err, sql)
	}
	return v
}

const (
	auditLine   = `^hook audit auth\.roles insert rol_\w{16}$`
	linesPerRow = `select coalesce(string_agg(n::text, ' '), '') from (select count(*) as n from auth.roles r left join auth.logs l on l.details ->> 'key' = r.id and l.details ->> 'operation' = 'insert' group by r.id) s`
)

// From nothing: the server brings its own Postgres, and the command that it prints makes its hook fire, once for each row,
// whatever happens to the server in between.
func TestServeFromNothing(t *testing.T) {
	t.Parallel()
	dir := freshDir(t)
	p := launch(t, dir)
	requireStatus(t, p, "/healthz", http.StatusOK)
	requireStatus(t, p, "/readyz", http.StatusOK)
	requireStatus(t, p, "/v2/logout", http.StatusOK)
	requireStatus(t, p, "/dev/mail", http.StatusOK)
	requireStatus(t, p, "/dev/mail/1", http.StatusNotFound)
	requireToken(t, p, dir)
	p.paste()
	p.paste()
	hooks := p.out.await(t, 2, auditLine)
	if len(hooks) != 2 || hooks[0] == hooks[1] {
		t.Fatalf("the hook ran for %q", hooks)
	}
	p.out.await(t, 2, `^event auth\.roles insert rol_\w+ #\d+ by external `)
	requireLines(t, p, "1 1")
	if err := p.end(os.Interrupt); err != nil {
		t.Fatalf("after an interrupt it ended with %v", err)
	}
	latchkey(t, "status", "--dir", dir).require(t, exitError, "no database")

	p = launch(t, dir) // finds the data
	requireToken(t, p, dir)
	p.paste()
	p.out.await(t, 1, auditLine)
	requireLines(t, p, "1 1 1")
	latchkey(t, "status", "--dir", dir).require(t, exitOK, "owned by") // of the private Postgres

	var exit *exec.ExitError
	if err := p.end(os.Kill); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("after a kill it ended with %v", err)
	}
	p.paste() // its Postgres lives on
	if hooks := p.out.lines(auditLine); len(hooks) != 1 {
		t.Errorf("the second server ran the hook for %q", hooks)
	}

	p = launch(t, dir)
	p.paste()
	p.out.await(t, 2, auditLine)
	requireLines(t, p, "1 1 1 1 1")
	if err := p.end(syscall.SIGTERM); err != nil {
		t.Fatalf("after SIGTERM it ended with %v", err)
	}
	if hooks := p.out.lines(auditLine); len(hooks) != 2 {
		t.Errorf("the third server ran the hook for %q", hooks)
	}
}

// requireLines fails the test unless the log has, for each role in turn, this many lines of its creation.
func requireLines(t *testing.T, p *process, want string) {
	t.Helper()
	if got := query[string](t, p.url(), linesPerRow); got != want {
		t.Fatalf("the roles have %s lines in the log, want %s\n%s", got, want, p.out)
	}
}

func requireStatus(t *testing.T, p *process, path string, want int) {
	t.Helper()
	base := strings.TrimPrefix(p.out.await(t, 1, `^Latchkey is running at http://`)[0], "Latchkey is running at ")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != want {
		t.Errorf("%s answers %d, want %d", path, response.StatusCode, want)
	}
}
