package hooks_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-dev/latchkey/hooks"
)

// named is the kind of the events whose row's name begins so.
func named(prefix string) hooks.Kind {
	return hooks.Kind{Name: prefix, Is: func(ev *hooks.Event) bool {
		name, _ := ev.New.Value("name")
		return strings.HasPrefix(string(name), prefix)
	}}
}

// A kind's hooks run for its events alone, and a filter narrows them further.
func TestKind(t *testing.T) {
	t.Parallel()
	r, e := things()
	hook := func(context.Context, hooks.Tx, hooks.Event, thing) error { return nil }
	long := func(ev *hooks.Event) bool { name, _ := ev.New.Value("name"); return len(name) > 4 }
	e.AfterCreate("x", hook)
	e.Only(named("log")).AfterCreate("x", hook)
	e.Only(named("log")).AfterUpdate("x", func(context.Context, hooks.Tx, hooks.Event, thing, thing) error { return nil })
	e.Only(named("log")).AfterCreate("long", hook, hooks.Filter(long), hooks.RenamedFrom("old"))
	e.Only(named("sign")).AfterCreate("x", hook)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"log": "x log:x", "login": "x log:x log:long", "signup": "x sign:x", "other": "x"} {
		ev := &hooks.Event{Table: "own.things", Operation: hooks.Insert, New: image("1", name)}
		var wants []string
		for _, a := range r.Afters() {
			if a.Wants(ev) {
				wants = append(wants, a.Name)
			}
		}
		if got := strings.Join(wants, " "); got != want {
			t.Errorf("%s: %s want it, not %s", name, got, want)
		}
	}
	afters := r.Afters()
	if from := afters[2].RenamedFrom(); from != "log:old" {
		t.Errorf("it was renamed from %q", from)
	}
	if from := afters[1].RenamedFrom(); from != "" {
		t.Errorf("it was renamed from %q", from)
	}
	if ops := afters[1].Operations(); !slices.Equal(ops, []hooks.Operation{hooks.Insert, hooks.Update}) {
		t.Errorf("operations %v", ops)
	}
}

// A kind that panics fails the delivery, as a filter that does.
func TestKindPanics(t *testing.T) {
	t.Parallel()
	r, e := things()
	e.Only(hooks.Kind{Name: "bad", Is: func(*hooks.Event) bool { panic("oh") }}).AfterCreate("x", func(context.Context, hooks.Tx, hooks.Event, thing) error { return nil })
	ev := &hooks.Event{Table: "own.things", Operation: hooks.Insert, New: image("1", "a")}
	a := r.Afters()[0]
	if err := a.Run(t.Context(), nil, ev); !a.Wants(ev) || err == nil || !strings.Contains(err.Error(), "oh") {
		t.Errorf("it says %v", err)
	}
}

// A hook can't be of a kind and of all events under one name.
func TestKindMistakes(t *testing.T) {
	t.Parallel()
	r, e := things()
	hook := func(context.Context, hooks.Tx, hooks.Event, thing) error { return nil }
	e.AfterDelete("log:x", hook)
	e.Only(named("log")).AfterCreate("x", hook)
	e.Only(named("log")).AfterCreate("9", hook)
	e.Only(named("log")).AfterCreate(strings.Repeat("a", 60), hook)
	err := r.Err()
	for _, says := range []string{`hook "log:x" of own.things: the name is taken`, `hook "log:9" of own.things: a name is a letter`, "longer than 59 characters"} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("it doesn't say %s:\n%v", says, err)
		}
	}
	if n := len(r.Afters()); n != 1 {
		t.Errorf("%d hooks", n)
	}
}
