package hooks_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/hooks"
)

type asked = func(context.Context) error

// A flow's hook runs by its name, as before-hooks do: with a deadline, as itself, and with its errors' author.
func TestFlow(t *testing.T) {
	t.Parallel()
	var r hooks.Registry
	var seen []hooks.BeforeRun
	r.ObserveBefore(func(run hooks.BeforeRun) { seen = append(seen, run) })
	flow := hooks.NewFlow[asked](&r, "login")
	add := func(name string, fn asked, opts ...hooks.Option) { flow.Add(name, fn == nil, fn, opts...) }
	add("fine", func(ctx context.Context) error {
		if running := hooks.Current(ctx); running == nil || running.Hook != "fine" || running.Table != "login" || running.Tx != nil {
			t.Errorf("it runs as %+v", running)
		}
		return nil
	})
	add("no", func(context.Context) error { return hooks.Reject("no", "No") })
	add("panics", func(context.Context) error { panic("boo") })
	add("slow", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, hooks.Timeout(time.Millisecond))
	if err := r.Err(); err != nil || !slices.Equal(flow.Names(), []string{"fine", "no", "panics", "slow"}) || !flow.Has("no") || flow.Has("none") {
		t.Fatalf("%v, %v", flow.Names(), err)
	}
	run := func(name string) error {
		return flow.Run(t.Context(), name, func(ctx context.Context, fn asked) error { return fn(ctx) })
	}
	if err := errors.Join(run("fine"), run("none")); err != nil {
		t.Error(err)
	}
	var no *hooks.Rejection
	if err := run("no"); !errors.As(err, &no) || no.Hook != "no" {
		t.Errorf("%v", err)
	}
	for name, says := range map[string]string{"panics": "hook panics of login: panic: boo", "slow": "hook slow of login: the hook did not return before its deadline (1ms)"} {
		var fault *hooks.Fault
		if err := run(name); !errors.As(err, &fault) || err.Error() != says {
			t.Errorf("%v, want %s", err, says)
		}
	}
	if len(seen) != 4 || seen[0].Table != "login" || seen[0].Hook != "fine" || seen[0].Operation != 0 || seen[1].Err == nil {
		t.Errorf("seen were %+v", seen)
	}
}

func TestFlowMistakes(t *testing.T) {
	t.Parallel()
	fn := func(context.Context) error { return nil }
	for says, add := range map[string]func(*hooks.Flow[asked]){
		`hooks: login hook "x": the name is taken`:           func(f *hooks.Flow[asked]) { f.Add("x", false, fn); f.Add("x", false, fn) },
		`hooks: login hook "x": the function is nil`:         func(f *hooks.Flow[asked]) { f.Add("x", true, nil) },
		`login hook "1": a name is a letter`:                 func(f *hooks.Flow[asked]) { f.Add("1", false, fn) },
		"the name is longer than 63 characters":              func(f *hooks.Flow[asked]) { f.Add(strings.Repeat("x", 64), false, fn) },
		"names that begin with latchkey. are Latchkey's own": func(f *hooks.Flow[asked]) { f.Add("latchkey.x", false, fn) },
	} {
		var r hooks.Registry
		flow := hooks.NewFlow[asked](&r, "login")
		add(flow)
		if err := r.Err(); err == nil || !strings.Contains(err.Error(), says) || len(flow.Names()) > 1 {
			t.Errorf("%v, want %s; there are %v", err, says, flow.Names())
		}
	}
}

// What is attached to a registry is one, and of a type.
func TestAttached(t *testing.T) {
	t.Parallel()
	var r, other hooks.Registry
	type one struct{ n int }
	type two struct{ n int }
	first := hooks.Attached(&r, func() *one { return &one{1} })
	if again := hooks.Attached(&r, func() *one { return &one{2} }); again != first || again.n != 1 {
		t.Error("it was made twice")
	}
	if hooks.Attached(&r, func() *two { return &two{3} }).n != 3 || hooks.Attached(&other, func() *one { return &one{4} }).n != 4 {
		t.Error("another's was given")
	}
}
