package hooks_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/hooks"
)

func TestWhoSaidNo(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for name, test := range map[string]struct {
		err   error
		says  string
		fault bool
	}{
		"refusal":         {hooks.Reject("code", "reason"), "rejected by hook mine: reason (code)", false},
		"wrapped refusal": {errors.Join(boom, hooks.Reject("code", "reason")), "rejected by hook mine: reason (code)", false},
		"another's":       {&hooks.Rejection{Hook: "inner", Code: "code", Reason: "reason"}, "rejected by hook inner: reason (code)", false},
		"error":           {boom, "hook mine of own.things: boom", true},
		"another's fault": {&hooks.Fault{Table: "own.others", Hook: "inner", Err: boom}, "hook inner of own.others: boom", true},
	} {
		_, e := things()
		e.BeforeDelete("mine", func(context.Context, hooks.Tx, thing) error { return test.err })
		err := e.RunBeforeDelete(t.Context(), nil, thing{})
		var fault *hooks.Fault
		if err == nil || !strings.Contains(err.Error(), test.says) || errors.As(err, &fault) != test.fault {
			t.Errorf("%s: %v; want %s", name, err, test.says)
		}
	}
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	_, e := things()
	release := make(chan struct{})
	defer close(release)
	e.BeforeCreate("stuck", func(context.Context, hooks.Tx, *thing) error { <-release; return nil }, hooks.Timeout(time.Millisecond))
	err := e.RunBeforeCreate(t.Context(), nil, &thing{})
	if !errors.Is(err, hooks.ErrDeadline) {
		t.Errorf("error %v; want ErrDeadline", err)
	}
}

func TestHooksContext(t *testing.T) {
	t.Parallel()
	_, e := things()
	outer := &hooks.Running{Hook: "outer", Table: "own.others", Event: &hooks.Event{Seq: 7}}
	e.BeforeUpdate("mine", func(ctx context.Context, _ hooks.Tx, _ thing, _ *thing) error {
		deadline, has := ctx.Deadline()
		if left := time.Until(deadline); !has || left > hooks.BeforeTimeout || left < hooks.BeforeTimeout/2 {
			t.Errorf("%v until the deadline", left)
		}
		running := hooks.Current(ctx)
		if running.Hook != "mine" || running.Table != "own.things" || running.Outer != outer {
			t.Errorf("running %+v", running)
		}
		if c := running.Cause(); c == nil || *c != (hooks.Cause{Seq: 7, Hook: "outer", Depth: 1}) {
			t.Errorf("cause %+v", c)
		}
		return nil
	})
	if err := e.RunBeforeUpdate(hooks.Enter(t.Context(), outer), nil, thing{}, &thing{}); err != nil {
		t.Error(err)
	}
	if hooks.Current(t.Context()).Cause() != nil {
		t.Error("a cause outside of hooks")
	}
}

func TestChanged(t *testing.T) {
	t.Parallel()
	shape := &hooks.Shape{Columns: []string{"a", "b", "c", "d"}}
	ev := &hooks.Event{
		Old: &hooks.Image{Shape: shape, Values: [][]byte{[]byte("1"), nil, []byte(""), []byte("x")}},
		New: &hooks.Image{Shape: shape, Values: [][]byte{[]byte("1"), []byte(""), nil, nil}, Unknown: []bool{false, false, false, true}},
	}
	if got := strings.Join(ev.Changed(), " "); got != "b c" {
		t.Errorf("changed %q; want b and c", got)
	}
	if (&hooks.Event{New: ev.New}).Changed() != nil {
		t.Error("an insert changed something")
	}
}

func TestOperations(t *testing.T) {
	t.Parallel()
	for op := hooks.Insert; op <= hooks.Remove; op++ {
		if got, err := hooks.ParseOperation(op.String()); err != nil || got != op {
			t.Errorf("%s: %v, %v", op, got, err)
		}
	}
	for _, bad := range []string{"", "INSERT", "operation(9)"} {
		if _, err := hooks.ParseOperation(bad); err == nil {
			t.Errorf("%q passes", bad)
		}
	}
}
