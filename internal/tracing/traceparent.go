package tracing

import (
	"bytes"
	"context"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// carrier is a W3C traceparent by itself, to be read: a stamp has no place for a tracestate.
type carrier string

const header = "traceparent"

// Get implements [propagation.TextMapCarrier].
func (c carrier) Get(key string) string {
	if key == header {
		return string(c)
	}
	return ""
}

// Set implements [propagation.TextMapCarrier].
func (carrier) Set(string, string) {}

// Keys implements [propagation.TextMapCarrier].
func (carrier) Keys() []string { return []string{header} }

// Traceparent is the W3C traceparent of a span, empty where there is none. A span that isn't sampled has one too: what
// follows is to follow that decision.
func Traceparent(span trace.SpanContext) string {
	if !span.IsValid() {
		return ""
	}
	return "00-" + span.TraceID().String() + "-" + span.SpanID().String() + "-" + (span.TraceFlags() & trace.FlagsSampled).String()
}

// WithTraceparent makes ctx continue a trace; what is no traceparent is passed over.
func WithTraceparent(ctx context.Context, traceparent string) context.Context {
	return propagation.TraceContext{}.Extract(ctx, carrier(traceparent))
}

// SameTrace reports whether two traceparents belong to one trace.
func SameTrace(a, b string) bool {
	const from, to = 3, 35 // version-TRACE-span-flags
	return len(a) >= to && len(b) >= to && a[from:to] == b[from:to]
}

// FindTraceparent finds the traceparent in a stamp's JSON, empty without one, without reading all of it: every delivery asks.
func FindTraceparent(stamp []byte) string {
	_, rest, found := bytes.Cut(stamp, []byte(`"traceparent"`)) // inside of a string the quotes would be escaped
	if !found {
		return ""
	}
	rest, found = bytes.CutPrefix(bytes.TrimLeft(rest, " \t\r\n"), []byte(":"))
	if !found {
		return ""
	}
	rest, found = bytes.CutPrefix(bytes.TrimLeft(rest, " \t\r\n"), []byte(`"`))
	end := bytes.IndexByte(rest, '"')
	if !found || end < 0 {
		return ""
	}
	return string(rest[:end])
}
