package pgtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

// However a test process ends, its server does too.
func TestWatchdog(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"kill", "exit", "timeout", "pass"} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			program, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), program, "-test.run=^TestWatched$", "-test.timeout=1m", "-test.count=1")
			if end == "timeout" {
				cmd.Args[2] = "-test.timeout=15s" // the server has to be up by then, on a busy machine too
			}
			cmd.Env = append(os.Environ(), "PGTEST_END="+end, "LATCHKEY_TEST_POSTGRES=local")
			stdin, err := cmd.StdinPipe() // it waits for its end
			if err != nil {
				t.Fatal(err)
			}
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var url, dir string
			lines := bufio.NewReader(stdout)
			if _, err := fmt.Fscanf(lines, "%s %s\n", &url, &dir); err != nil {
				rest, _ := io.ReadAll(lines)
				t.Fatalf("%v\n%s", err, rest)
			}
			if !answers(t, url) {
				t.Fatal("the server does not answer")
			}
			switch end {
			case "kill":
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			case "timeout":
			default:
				_ = stdin.Close()
			}
			// Standard output has to end with the process, or go test would wait for whoever has it.
			if _, err := io.Copy(io.Discard, lines); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); (err == nil) != (end == "pass") {
				t.Fatalf("the process ended with %v", err)
			}
			eventually(t, "the directory to be gone", func() bool {
				_, err := os.Stat(dir)
				return errors.Is(err, fs.ErrNotExist)
			})
			if answers(t, url) {
				t.Error("the server still answers")
			}
		})
	}
}

// TestWatched is TestWatchdog's other process.
func TestWatched(t *testing.T) {
	end := os.Getenv("PGTEST_END")
	if end == "" {
		t.Skip("is run by TestWatchdog")
	}
	d := New(t)
	pool := d.Pool(t)
	var data string
	if err := pool.QueryRow(t.Context(), `show data_directory`).Scan(&data); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintln(os.Stdout, d.URL, strings.TrimSuffix(data, "/data")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		t.Fatal(err)
	}
	if end == "exit" {
		os.Exit(3)
	}
}

func TestServersEnd(t *testing.T) {
	before := goleak.IgnoreCurrent()
	var s servers
	h, err := s.get(t.Context(), localWay())
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.get(t.Context(), localWay()); again != h || err != nil {
		t.Errorf("the second get: %v, %v; want the same server", again, err)
	}
	if err := s.end(t.Context()); err != nil {
		t.Error(err)
	}
	if answers(t, h.url) {
		t.Error("the server still answers")
	}
	goleak.VerifyNone(t, before)
}

func TestFailedStartIsRemembered(t *testing.T) {
	t.Parallel()
	var s servers
	starts := 0
	broken := way{name: "broken", start: func(context.Context, *watchdog) (*host, error) {
		starts++
		return nil, errors.New("broken")
	}}
	for range 2 {
		if _, err := s.get(t.Context(), broken); err == nil {
			t.Error("no error")
		}
	}
	if starts != 1 {
		t.Errorf("%d starts; want 1", starts)
	}
}

func answers(t *testing.T, url string) bool {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		return false
	}
	_ = conn.Close(t.Context())
	return true
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-limit.C:
			t.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}
