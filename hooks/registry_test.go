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

// thing is a row, and how it is read from an image.
type thing struct{ ID, Name string }

func decode(im *hooks.Image) (thing, error) {
	if im == nil {
		return thing{}, errors.New("no image")
	}
	id, _ := im.Value("id")
	name, _ := im.Value("name")
	return thing{string(id), string(name)}, nil
}

func image(id, name string) *hooks.Image {
	return &hooks.Image{
		Shape:  &hooks.Shape{Schema: "own", Table: "things", Columns: []string{"id", "name"}, Types: []uint32{25, 25}},
		Values: [][]byte{[]byte(id), []byte(name)},
	}
}

func things() (*hooks.Registry, *hooks.Entity[thing]) {
	r := &hooks.Registry{}
	return r, hooks.NewEntity(r, "own.things", decode)
}

func TestMistakesAreGathered(t *testing.T) {
	t.Parallel()
	r, e := things()
	s := hooks.NewSet(r, "own.members", decode, decode)
	before := func(context.Context, hooks.Tx, *thing) error { return nil }
	after := func(context.Context, hooks.Tx, hooks.Event, thing) error { return nil }
	assign := func(_ context.Context, _ hooks.Tx, _ thing, members []thing) ([]thing, error) { return members, nil }
	for _, bad := range []string{"", "1st", "a b", "-a", "ä", "a/b", strings.Repeat("a", 64)} {
		e.BeforeCreate(bad, before)
	}
	e.BeforeCreate("nil", nil)
	e.AfterDelete("nil", nil)
	e.BeforeCreate("twice", before)
	e.BeforeCreate("twice", before)
	e.AfterCreate("twice", after) // another operation
	e.AfterCreate("twice", after)
	s.BeforeAssign("nil", nil)
	s.BeforeAssign("twice", assign)
	s.BeforeAssign("twice", assign)
	s.BeforeRemove("twice", assign)
	err := r.Err()
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 13 {
		t.Errorf("%d mistakes, want 13:\n%v", len(lines), err)
	}
	for _, says := range []string{
		`before insert hook "1st" of own.things: a name is a letter`, `before insert hook "nil" of own.things: the function is nil`,
		`after delete hook "nil" of own.things: the function is nil`, `before insert hook "twice" of own.things: the name is taken`,
		`after insert hook "twice" of own.things: the name is taken`, `before assign hook "nil" of own.members: the function is nil`,
		`before assign hook "twice" of own.members: the name is taken`,
	} {
		if !strings.Contains(err.Error(), says) {
			t.Errorf("it doesn't say %s:\n%v", says, err)
		}
	}
	// What is wrong is not registered.
	if n := len(r.Afters()); n != 1 {
		t.Errorf("%d after-hooks, want 1", n)
	}
	if want := []string{"own.things", "own.members"}; !slices.Equal(r.Tables(), want) {
		t.Errorf("tables %q", r.Tables())
	}
}

func TestNoMistakes(t *testing.T) {
	t.Parallel()
	r, e := things()
	e.BeforeCreate("a.b_c:d-9", func(context.Context, hooks.Tx, *thing) error { return nil })
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	for op, want := range map[hooks.Operation]bool{hooks.Insert: true, hooks.Update: false, hooks.Delete: false, hooks.Truncate: false} {
		if e.HasBefore(op) != want {
			t.Errorf("before %s: %v", op, !want)
		}
	}
}

func TestAfterHooks(t *testing.T) {
	t.Parallel()
	r, e := things()
	var ran []string
	e.AfterUpdate("b", func(_ context.Context, _ hooks.Tx, ev hooks.Event, old, row thing) error {
		ran = append(ran, ev.Operation.String()+" "+old.Name+">"+row.Name)
		return nil
	}, hooks.Timeout(time.Second))
	e.AfterCreate("a", func(_ context.Context, _ hooks.Tx, _ hooks.Event, row thing) error {
		ran = append(ran, "create "+row.Name)
		return nil
	}, hooks.RenamedFrom("z"), hooks.PassDead())
	e.AfterDelete("b", func(_ context.Context, _ hooks.Tx, _ hooks.Event, row thing) error {
		ran = append(ran, "delete "+row.Name)
		panic("ouch")
	})
	e.AfterTruncate("b", func(context.Context, hooks.Tx, hooks.Event) error { ran = append(ran, "truncate"); return nil })
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	all := r.Afters()
	if len(all) != 2 || all[0].Name != "b" || all[1].Name != "a" {
		t.Fatalf("after-hooks %+v; want b, a", all)
	}
	b, a := all[0], all[1]
	if b.Timeout() != time.Second || a.Timeout() != hooks.AfterTimeout || a.RenamedFrom() != "z" || b.RenamedFrom() != "" || !a.PassDead() || b.PassDead() {
		t.Errorf("options of %+v, %+v", b, a)
	}
	for _, test := range []struct {
		hook  *hooks.After
		ev    hooks.Event
		wants bool
		says  string
	}{
		{b, hooks.Event{Operation: hooks.Update, Old: image("1", "x"), New: image("1", "y")}, true, ""},
		{b, hooks.Event{Operation: hooks.Delete, Old: image("1", "y")}, true, "panic: ouch"},
		{b, hooks.Event{Operation: hooks.Truncate}, true, ""},
		{b, hooks.Event{Operation: hooks.Insert, New: image("1", "y")}, false, ""},
		{a, hooks.Event{Operation: hooks.Insert, New: image("1", "x")}, true, ""},
		{a, hooks.Event{Operation: hooks.Insert}, true, "no image"},
		{a, hooks.Event{Operation: hooks.Update}, false, ""},
	} {
		if got := test.hook.Wants(&test.ev); got != test.wants {
			t.Errorf("%s wants %s: %v", test.hook.Name, test.ev.Operation, got)
		}
		if !test.wants {
			continue
		}
		if err := test.hook.Run(t.Context(), nil, &test.ev); (err == nil) != (test.says == "") || err != nil && err.Error() != test.says {
			t.Errorf("%s of %s: %v; want %q", test.hook.Name, test.ev.Operation, err, test.says)
		}
	}
	if want := []string{"update x>y", "delete y", "truncate", "create x"}; !slices.Equal(ran, want) {
		t.Errorf("ran %q; want %q", ran, want)
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	r, e := things()
	none := func(context.Context, hooks.Tx, hooks.Event, thing, thing) error { return nil }
	create := func(context.Context, hooks.Tx, hooks.Event, thing) error { return nil }
	e.AfterUpdate("renamed", none, hooks.WhenChanged("name"))
	e.AfterCreate("renamed", create)
	e.AfterCreate("some", create, hooks.Filter(func(ev *hooks.Event) bool { return ev.Key == "1" }))
	renamed, some := r.Afters()[0], r.Afters()[1]
	same, other := hooks.Event{Operation: hooks.Update, Old: image("1", "x"), New: image("1", "x")}, hooks.Event{Operation: hooks.Update, Old: image("1", "x"), New: image("1", "y")}
	if renamed.Wants(&same) || !renamed.Wants(&other) || !renamed.Wants(&hooks.Event{Operation: hooks.Insert}) {
		t.Error("WhenChanged")
	}
	if some.Wants(&hooks.Event{Operation: hooks.Insert, Key: "2"}) || !some.Wants(&hooks.Event{Operation: hooks.Insert, Key: "1"}) {
		t.Error("Filter")
	}
}

func TestSetHooks(t *testing.T) {
	t.Parallel()
	r := &hooks.Registry{}
	s := hooks.NewSet(r, "own.members", decode, decode)
	drop := func(_ context.Context, _ hooks.Tx, _ thing, members []thing) ([]thing, error) {
		return members[1:], nil
	}
	s.BeforeAssign("one", drop)
	s.BeforeAssign("two", drop)
	s.BeforeRemove("no", func(context.Context, hooks.Tx, thing, []thing) ([]thing, error) { return nil, hooks.Reject("no", "no") })
	members := []thing{{ID: "a"}, {ID: "b"}, {ID: "c"}}
	left, err := s.RunBefore(t.Context(), hooks.Assign, nil, thing{}, members)
	if err != nil || len(left) != 1 || left[0].ID != "c" {
		t.Errorf("left %v, %v", left, err)
	}
	var no *hooks.Rejection
	if left, err = s.RunBefore(t.Context(), hooks.Remove, nil, thing{}, members); !errors.As(err, &no) || left != nil {
		t.Errorf("left %v, %v", left, err)
	}
	var got []thing
	s.AfterAssign("after", func(_ context.Context, _ hooks.Tx, _ hooks.Event, owner thing, members []thing) error {
		got = append([]thing{owner}, members...)
		return nil
	})
	ev := &hooks.Event{Operation: hooks.Assign, Rows: []*hooks.Image{image("1", "x"), image("2", "y")}}
	if err := r.Afters()[0].Run(t.Context(), nil, ev); err != nil || !slices.Equal(got, []thing{{"1", "x"}, {"1", "x"}, {"2", "y"}}) {
		t.Errorf("got %v, %v", got, err)
	}
}
