package hookstest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/listener"
)

// runs counts what hooks did, by name.
type runs struct {
	mu      sync.Mutex
	done    map[string]int // runs that returned nil
	failed  map[string]int // the others
	asked   map[string]bool
	history []string
	changed chan struct{}
}

func newRuns() *runs {
	return &runs{done: map[string]int{}, failed: map[string]int{}, asked: map[string]bool{}, changed: make(chan struct{})}
}

func (r *runs) before(b hooks.BeforeRun) {
	r.record("before", b.Hook, b.Table, b.Operation, "", b.Err)
}

func (r *runs) after(run listener.Run) {
	r.record("after", run.Hook.Name, run.Event.Table, run.Event.Operation, run.Event.Key, run.Err)
}

func (r *runs) record(when, name, table string, op hooks.Operation, key string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	line := strings.TrimSpace(fmt.Sprintf("%s hook %s %s %s %s", when, name, table, op, key))
	if err == nil {
		r.done[name]++
	} else {
		r.failed[name]++
		line += ": " + err.Error()
	}
	r.history = append(r.history, line)
	close(r.changed)
	r.changed = make(chan struct{})
}

// String lists what ran, for the message of a failed test.
func (r *runs) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	const most = 50
	shown := r.history
	head := "what ran:"
	if len(shown) > most {
		shown = shown[len(shown)-most:]
		head = fmt.Sprintf("the last %d of %d runs:", most, len(r.history))
	}
	return head + "\n  " + strings.Join(shown, "\n  ")
}

// RequireRuns fails the test unless the hook, before or after, has run n times to its end. Its name is as registered.
// Call CatchUp first.
func (e *Env) RequireRuns(name string, n int) {
	e.tb.Helper()
	e.runs.mu.Lock()
	got := e.runs.done[name]
	e.runs.asked[name] = true
	e.runs.mu.Unlock()
	if got != n {
		e.tb.Fatalf("hookstest: hook %s ran %d times, want %d; %s", name, got, n, e.runs)
	}
}

// RequireFailures fails the test unless the hook has failed n times: refused, returned an error, panicked or missed its deadline.
func (e *Env) RequireFailures(name string, n int) {
	e.tb.Helper()
	e.runs.mu.Lock()
	got := e.runs.failed[name]
	e.runs.asked[name] = true
	e.runs.mu.Unlock()
	if got != n {
		e.tb.Fatalf("hookstest: hook %s failed %d times, want %d; %s", name, got, n, e.runs)
	}
}

// RequireNoOther fails the test if a hook ran, to its end or not, that no RequireRuns or RequireFailures named.
func (e *Env) RequireNoOther() {
	e.tb.Helper()
	e.runs.mu.Lock()
	var others []string
	for _, counts := range []map[string]int{e.runs.done, e.runs.failed} {
		for name := range counts {
			if !e.runs.asked[name] && !slices.Contains(others, name) {
				others = append(others, name)
			}
		}
	}
	e.runs.mu.Unlock()
	if len(others) > 0 {
		slices.Sort(others)
		e.tb.Fatalf("hookstest: hooks ran that the test did not name: %s; %s", strings.Join(others, ", "), e.runs)
	}
}

// AwaitRuns waits until the hook has run n times to its end: for hooks that fail first and are tried again, which CatchUp
// does not wait for.
func (e *Env) AwaitRuns(name string, n int) {
	e.tb.Helper()
	e.await(fmt.Sprintf("%d runs of hook %s", n, name), func() bool { return e.runs.done[name] >= n })
}

// AwaitFailures waits until the hook has failed n times.
func (e *Env) AwaitFailures(name string, n int) {
	e.tb.Helper()
	e.await(fmt.Sprintf("%d failures of hook %s", n, name), func() bool { return e.runs.failed[name] >= n })
}

func (e *Env) await(what string, reached func() bool) {
	e.tb.Helper()
	ctx, cancel := context.WithTimeout(e.tb.Context(), patience)
	defer cancel()
	for {
		e.runs.mu.Lock()
		ok, changed := reached(), e.runs.changed
		e.runs.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			e.tb.Fatalf("hookstest: waited %v for %s; %s", patience, what, e.runs)
		}
	}
}
