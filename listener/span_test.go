package listener

import (
	"testing"

	"go.opentelemetry.io/otel/trace/noop"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/tracing"
)

// A delivery pays nothing for tracing that is off.
func TestSpansThatAreOffCostNothing(t *testing.T) {
	tm := &term{l: &Listener{tracer: tracing.New(noop.NewTracerProvider(), "test")}}
	d := &delivery{sub: &subscription{name: "hook"}, ev: &hooks.Event{RawStamp: []byte(`{"origin":"app","actor":"someone"}`)}}
	ctx := t.Context()
	tm.hookSpan(ctx, d) // which finds out
	n := testing.AllocsPerRun(1000, func() {
		if tm.hookSpan(ctx, d) != ctx {
			t.Error("the hook's context is another one")
		}
		endHookSpan(d.span, Run{}, nil)
		if tracing.Traceparent(d.span.SpanContext()) != "" {
			t.Error("there is a trace")
		}
	})
	if n != 0 {
		t.Errorf("a run costs %v allocations", n)
	}
}
