package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/latchkey-dev/latchkey/internal/pgtest"
	"github.com/latchkey-dev/latchkey/internal/seal"
)

// asProgram makes the test binary be the program: the tests that end it by signals start it so.
const asProgram = "LATCHKEY_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	if err := os.Setenv(seal.Setting, seal.New()); err != nil { // whoever serves needs one
		panic(err)
	}
	goleak.VerifyTestMain(pgtest.Suite{M: m})
}

// patience bounds every wait: past it the test fails, with what was waited for.
const patience = 60 * time.Second

// output keeps what a program prints and lets a test wait for a line.
type output struct {
	mu      sync.Mutex
	text    strings.Builder
	changed chan struct{}
}

func newOutput() *output { return &output{changed: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// lines are the whole lines that match.
func (o *output) lines(pattern string) []string {
	match := regexp.MustCompile(pattern)
	var found []string
	for s := bufio.NewScanner(strings.NewReader(o.String())); s.Scan(); {
		if match.MatchString(s.Text()) {
			found = append(found, s.Text())
		}
	}
	return found
}

// await waits until n lines match, and returns all that do.
func (o *output) await(t *testing.T, n int, pattern string) []string {
	t.Helper()
	end := time.After(patience)
	for {
		o.mu.Lock()
		changed := o.changed
		o.mu.Unlock()
		if found := o.lines(pattern); len(found) >= n {
			return found
		}
		select {
		case <-changed:
		case <-end:
			t.Fatalf("waited %v for %d lines that match %s in:\n%s", patience, n, pattern, o)
		}
	}
}

// result is what a command did.
type result struct {
	code           int
	stdout, stderr string
}

// latchkey runs a command to its end, in this process.
func latchkey(t *testing.T, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var stdout, stderr strings.Builder
	code := run(ctx, args, &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

// require fails the test unless the command ended with the code and said all the words.
func (r result) require(t *testing.T, code int, words ...string) {
	t.Helper()
	if r.code != code {
		t.Fatalf("it ended with code %d, want %d\nstdout: %s\nstderr: %s", r.code, code, r.stdout, r.stderr)
	}
	for _, word := range words {
		if !strings.Contains(r.stdout+r.stderr, word) {
			t.Errorf("it doesn't say %q:\nstdout: %s\nstderr: %s", word, r.stdout, r.stderr)
		}
	}
}

// background is a command that runs beside the test, in this process.
type background struct {
	t              *testing.T
	stdout, stderr *output
	cancel         context.CancelFunc
	done           chan struct{}
	code           int
}

func start(t *testing.T, args ...string) *background {
	t.Helper()
	b := &background{t: t, stdout: newOutput(), stderr: newOutput(), done: make(chan struct{})}
	var ctx context.Context
	ctx, b.cancel = context.WithCancel(context.WithoutCancel(t.Context()))
	go func() {
		defer close(b.done)
		b.code = run(ctx, args, io.Writer(b.stdout), io.Writer(b.stderr))
	}()
	t.Cleanup(func() {
		b.cancel()
		<-b.done
		if t.Failed() {
			t.Logf("latchkey %s said:\n%s%s", strings.Join(args, " "), b.stdout, b.stderr)
		}
	})
	return b
}

// serve starts a server on a database and waits until it works.
func serve(t *testing.T, url string, args ...string) *background {
	t.Helper()
	b := start(t, append([]string{"serve", "--addr", "127.0.0.1:0", "--database-url", url}, args...)...)
	b.stdout.await(t, 1, `^Latchkey is running at http://127\.0\.0\.1:\d+$`)
	return b
}

// stop ends the command as a signal does.
func (b *background) stop() result {
	b.t.Helper()
	b.cancel()
	return b.end()
}

// end waits for the command to end by itself.
func (b *background) end() result {
	b.t.Helper()
	select {
	case <-b.done:
	case <-time.After(patience):
		b.t.Fatalf("it did not end within %v", patience)
	}
	return result{b.code, b.stdout.String(), b.stderr.String()}
}
