package tracing_test

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/latchkey-dev/latchkey/internal/tracing"
)

const written = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// Where nobody makes spans, none is paid for, whether the caller's context belongs to a trace or not.
func TestNobodyListens(t *testing.T) {
	for name, provider := range map[string]trace.TracerProvider{"otel's default": nil, "noop": noop.NewTracerProvider()} {
		for _, traceparent := range []string{"", written} {
			tracer := tracing.New(provider, "test")
			ctx := tracing.WithTraceparent(t.Context(), traceparent)
			if got, span := tracer.Start(ctx, "first"); got != ctx || span.IsRecording() {
				t.Errorf("%s: the first span is something", name)
			}
			if tracer.On() {
				t.Errorf("%s: it is on", name)
			}
			n := testing.AllocsPerRun(1000, func() {
				_, span := tracer.Start(ctx, "next")
				span.End()
			})
			if n != 0 {
				t.Errorf("%s: a span that is nothing costs %v allocations", name, n)
			}
		}
	}
}

// A program may set its provider after it has opened a store. This test sets the process' own, so it isn't parallel.
func TestProviderSetLater(t *testing.T) {
	before := otel.GetTracerProvider()
	t.Cleanup(func() { otel.SetTracerProvider(before) })
	otel.SetTracerProvider(noop.NewTracerProvider()) // otel's default forwards to the first one that is set, for ever
	tracer := tracing.New(nil, "test")
	tracer.Start(t.Context(), "unheard")
	if tracer.On() {
		t.Fatal("otel's default makes spans")
	}
	exporter := tracetest.NewInMemoryExporter()
	otel.SetTracerProvider(sdk.NewTracerProvider(sdk.WithSyncer(exporter)))
	_, span := tracer.Start(t.Context(), "heard")
	span.End()
	if spans := exporter.GetSpans(); !tracer.On() || len(spans) != 1 || spans[0].Name != "heard" || spans[0].InstrumentationScope.Name != "test" {
		t.Errorf("the spans are %v", spans)
	}
}

// A span that isn't sampled is one nevertheless: the tracer stays on, and the decision is passed on.
func TestNotSampled(t *testing.T) {
	t.Parallel()
	tracer := tracing.New(sdk.NewTracerProvider(sdk.WithSampler(sdk.ParentBased(sdk.NeverSample()))), "test")
	ctx, _ := tracer.Start(t.Context(), "dropped")
	if parent := tracing.Traceparent(trace.SpanContextFromContext(ctx)); !tracer.On() || len(parent) != len(written) || parent[53:] != "00" {
		t.Errorf("on is %v, traceparent %q", tracer.On(), parent)
	}
}

// continued is what a trace's traceparent comes back as.
func continued(t *testing.T, traceparent string) string {
	t.Helper()
	return tracing.Traceparent(trace.SpanContextFromContext(tracing.WithTraceparent(t.Context(), traceparent)))
}

func TestTraceparent(t *testing.T) {
	t.Parallel()
	if got := tracing.Traceparent(trace.SpanContextFromContext(t.Context())); got != "" {
		t.Errorf("without a span: %q", got)
	}
	if got := continued(t, written); got != written {
		t.Errorf("%q came back as %q", written, got)
	}
	for _, bad := range []string{"", "x", "00-0-0-0", "00-00000000000000000000000000000000-b7ad6b7169203331-01", written + "\x00"} {
		if got := continued(t, bad); got != "" {
			t.Errorf("%q was read as %q", bad, got)
		}
	}
	if !tracing.SameTrace(written, "00-0af7651916cd43dd8448eb211c80319c-0000000000000001-00") || tracing.SameTrace("", "") || tracing.SameTrace(written, "00-1") {
		t.Error("SameTrace")
	}
}

func TestFindTraceparent(t *testing.T) {
	for stamp, want := range map[string]string{
		``:                      "",
		`{}`:                    "",
		`{"traceparent":"a-b"}`: "a-b",
		"{\"actor\": \"x\", \"traceparent\" :\n\t\"a-b\" }": "a-b",
		`{"actor":"\"traceparent\":\"no\""}`:                "",
		`{"actor":"traceparent"}`:                           "",
		`{"traceparent":null}`:                              "",
		`{"traceparent":"a`:                                 "",
		`{"traceparent"`:                                    "",
	} {
		if got := tracing.FindTraceparent([]byte(stamp)); got != want {
			t.Errorf("of %s: %q, want %q", stamp, got, want)
		}
	}
	stamp := []byte(`{"origin":"app","actor":"auth0|64b7e2a1c3d4","request_id":"req_01J9Z0K3V8"}`)
	if n := testing.AllocsPerRun(1000, func() { _ = tracing.FindTraceparent(stamp) }); n != 0 {
		t.Errorf("a stamp without one costs %v allocations", n)
	}
}

func BenchmarkNobodyListens(b *testing.B) {
	tracer := tracing.New(nil, "test")
	ctx := context.Background() //nolint:usetesting // b.Context would be a context with a span to look for in it
	b.ReportAllocs()
	for b.Loop() {
		_, span := tracer.Start(ctx, "nothing")
		span.End()
	}
}
