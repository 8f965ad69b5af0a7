//go:build unix

package postgres

import (
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// What a killed parent leaves is a server that nobody holds: here, a Server that is dropped.
func TestAbandonedServerIsAdopted(t *testing.T) {
	t.Parallel()
	dir := directory(t)
	abandoned := start(t, Config{Dir: dir, Database: "app"})
	execute(t, abandoned.URL(), "create table kept as select 'yes' as value")
	began := query(t, abandoned.URL(), "select pg_postmaster_start_time()::text")

	adopted := start(t, Config{Dir: dir, Database: "app"})
	if !adopted.Adopted() || adopted.URL() != abandoned.URL() || adopted.Source() != abandoned.Source() {
		t.Fatalf("adopted %v from %s, port %d", adopted.Adopted(), adopted.Source(), adopted.Port())
	}
	if got := query(t, adopted.URL(), "select pg_postmaster_start_time()::text"); got != began {
		t.Errorf("was restarted at %s", got)
	}
	if _, err := Start(deadline(t), Config{Dir: dir, Port: adopted.Port() + 1}); err == nil || !strings.Contains(err.Error(), "runs already") {
		t.Errorf("another port: %v", err)
	}
	if err := adopted.Stop(deadline(t)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-abandoned.runner.(*postmaster).exited:
	case <-deadline(t).Done():
		t.Fatal("Stop of the adopted server did not end it")
	}
	if again := start(t, Config{Dir: dir, Database: "app"}); again.Adopted() || query(t, again.URL(), "select value from kept") != "yes" {
		t.Error("after Stop: adopted, or data lost")
	}
}

func TestAdoptionNeedsThePassword(t *testing.T) {
	t.Parallel()
	dir := directory(t)
	server := start(t, Config{Dir: dir})
	write(t, server.layout.password(), "another\n", 0o600)
	_, err := Start(deadline(t), Config{Dir: dir})
	if !errors.Is(err, errForeign) || !strings.Contains(err.Error(), "kill -INT") {
		t.Errorf("error %v", err)
	}
}

func TestKilledPostgresRecovers(t *testing.T) {
	t.Parallel()
	dir := directory(t)
	killed := start(t, Config{Dir: dir})
	execute(t, killed.URL(), "create table kept as select 'yes' as value")
	connect(t, killed.URL()) // a backend that outlives its postmaster for a moment
	kill(t, killed)
	recovered := start(t, Config{Dir: dir})
	if recovered.Adopted() || query(t, recovered.URL(), "select value from kept") != "yes" {
		t.Error("adopted, or data lost")
	}
}

// After a reboot the process id in a stale postmaster.pid may be anybody's, and Postgres by itself refuses to start.
func TestStaleFileNamesAStranger(t *testing.T) {
	t.Parallel()
	dir := directory(t)
	killed := start(t, Config{Dir: dir})
	kill(t, killed)

	as, err := chooseAccount()
	if err != nil {
		t.Fatal(err)
	}
	stranger := osexec.CommandContext(t.Context(), "cat") // waits for its input
	as.prepare(stranger)
	stranger.Dir = "/"
	input, err := stranger.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = errors.Join(input.Close(), stranger.Wait()) }()

	path := pidPath(killed.layout.data())
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n")
	write(t, path, fmt.Sprintf("%d\n%s", stranger.Process.Pid, rest), 0o600)
	if server := start(t, Config{Dir: dir}); server.Adopted() {
		t.Error("adopted a stranger")
	}
	if err := stranger.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the stranger was ended: %v", err)
	}
}

// A replication client that reads nothing holds up a fast shutdown for ever.
func TestStopIsBounded(t *testing.T) {
	t.Parallel()
	server := start(t, Config{Dir: directory(t)})
	conn, err := pgconn.Connect(deadline(t), server.URL()+"&replication=true")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(deadline(t)) }()
	result, err := conn.Exec(deadline(t), "IDENTIFY_SYSTEM").ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	conn.Frontend().SendQuery(&pgproto3.Query{String: "START_REPLICATION PHYSICAL " + string(result[0].Rows[0][2])})
	if err := conn.Frontend().Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ReceiveMessage(deadline(t)); err != nil {
		t.Fatal(err)
	}
	execute(t, server.URL(), "create table noise as select generate_series(1, 1000)")
	began := time.Now()
	if err := server.Stop(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < fastLimit || took > fastLimit+immediateLimit {
		t.Errorf("Stop took %s", took)
	}
}

func TestCommandsDropOurSecrets(t *testing.T) {
	t.Parallel()
	got := environment([]string{"PATH=/bin", "PGDATA=/x", "LATCHKEY_KEY=secret", "LC_TIME=de_DE", "LANG=de_DE", "TZ=UTC"})
	if want := "LC_ALL=C PATH=/bin TZ=UTC"; strings.Join(got, " ") != want {
		t.Errorf("environment is %v", got)
	}
}

func kill(tb testing.TB, server *Server) {
	tb.Helper()
	p := server.runner.(*postmaster)
	if err := p.process.Kill(); err != nil {
		tb.Fatal(err)
	}
	select {
	case <-p.exited:
	case <-deadline(tb).Done():
		tb.Fatal("a killed server does not end")
	}
}
