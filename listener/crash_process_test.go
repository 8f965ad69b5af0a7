//go:build unix

package listener_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// crashSink is what the hook without a transaction does to the outside world: it counts, by event.
type crashSink struct {
	mu   sync.Mutex
	sent map[int64]int
}

func newCrashSink() *crashSink { return &crashSink{sent: map[int64]int{}} }

// events is how many events it has heard of.
func (s *crashSink) events() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sent)
}

func (s *crashSink) repeats() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, times := range s.sent {
		n += times - 1
	}
	return n
}

// crashProcess is a child, as its parent sees it.
type crashProcess struct {
	t    *testing.T
	cmd  *exec.Cmd
	in   io.WriteCloser
	log  *logged
	sink *crashSink
	done chan struct{} // closed when the process has ended and all it reported is read

	mu      sync.Mutex
	changed chan struct{} // closed at every line
	lines   int
	last    map[string]string // the last line of each kind
}

// startCrashChild starts a child on the database.
func startCrashChild(t *testing.T, url string, sink *crashSink, env ...string) *crashProcess {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := &crashProcess{t: t, log: &logged{}, sink: sink, done: make(chan struct{}), changed: make(chan struct{}), last: map[string]string{}}
	p.cmd = exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCrash$")
	p.cmd.Env = append(append(os.Environ(), crashChildEnv+"="+url), env...)
	p.cmd.ExtraFiles = []*os.File{write}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if p.in, err = p.cmd.StdinPipe(); err == nil {
		err = p.cmd.Start()
	}
	_ = write.Close() // the child has its own
	if err != nil {
		_ = read.Close()
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		for lines := bufio.NewScanner(read); lines.Scan(); {
			p.take(lines.Text())
		}
		_ = read.Close()
		_ = p.cmd.Wait() // its state says how it ended
	}()
	t.Cleanup(func() {
		p.signal(syscall.SIGKILL)
		<-p.done
	})
	return p
}

func (p *crashProcess) take(line string) {
	kind, rest, _ := strings.Cut(line, " ")
	if kind == "sent" {
		if seq, err := strconv.ParseInt(rest, 10, 64); err == nil {
			p.sink.mu.Lock()
			p.sink.sent[seq]++
			p.sink.mu.Unlock()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines++
	p.last[kind] = rest
	close(p.changed)
	p.changed = make(chan struct{})
}

// heard waits until what was reported, and how many lines of it, is what the caller waits for. It is false when the
// process has ended without it.
func (p *crashProcess) heard(what string, reached func(lines int, last map[string]string) bool) bool {
	p.t.Helper()
	timeout := time.After(patience)
	for ended := false; ; {
		p.mu.Lock()
		ok, changed := reached(p.lines, p.last), p.changed
		p.mu.Unlock()
		if ok || ended {
			return ok
		}
		select {
		case <-changed:
		case <-p.done:
			ended = true
		case <-timeout:
			p.t.Fatalf("the child did not come to %s within %v; it said:\n%s", what, patience, p.log)
		}
	}
}

// await waits for a line, or fails the test.
func (p *crashProcess) await(kind, rest string) {
	p.t.Helper()
	if !p.heard(kind, func(_ int, last map[string]string) bool {
		got, ok := last[kind]
		return ok && (rest == "" || got == rest)
	}) {
		p.t.Fatalf("the child ended (%s) before %s %s; it said:\n%s", p.cmd.ProcessState, kind, rest, p.log)
	}
}

// repeat does something again and again until a line is reported.
func (p *crashProcess) repeat(kind string, do func()) {
	p.t.Helper()
	ticker := time.NewTicker(2 * time.Second)
	defer ticker.Stop()
	timeout := time.After(patience)
	for do(); ; {
		p.mu.Lock()
		_, ok := p.last[kind]
		changed := p.changed
		p.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-ticker.C:
			do()
		case <-p.done:
			return // the caller looks how
		case <-timeout:
			p.t.Fatalf("the child did not come to %s within %v; it said:\n%s", kind, patience, p.log)
		}
	}
}

func (p *crashProcess) order(words ...string) {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.in, strings.Join(words, " ")); err != nil {
		p.t.Fatalf("order %v: %v; the child said:\n%s", words, err, p.log)
	}
}

func (p *crashProcess) signal(s syscall.Signal) {
	_ = p.cmd.Process.Signal(s) // it may have ended by itself, which the caller finds out
}

// ended waits for the end of the process and says whether it was killed.
func (p *crashProcess) ended() (killed bool) {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatalf("the child did not end within %v; it said:\n%s", patience, p.log)
	}
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// requireKilled waits for the end of a process that was to be killed. Any other end is a failure.
func (p *crashProcess) requireKilled() {
	p.t.Helper()
	if !p.ended() {
		p.t.Fatalf("the child ended by itself (%s); it said:\n%s", p.cmd.ProcessState, p.log)
	}
}

// stop ends the child cleanly.
func (p *crashProcess) stop() {
	p.t.Helper()
	p.order("stop")
	if p.ended() || !p.cmd.ProcessState.Success() {
		p.t.Fatalf("the child did not stop cleanly (%s); it said:\n%s", p.cmd.ProcessState, p.log)
	}
}

// settle waits until all that is committed by now is settled.
func (p *crashProcess) settle(ctx context.Context, c *crash) {
	p.t.Helper()
	lsn := c.lsn(ctx)
	p.order("wait", lsn)
	p.await("settled", lsn)
}
