// Package tracing starts OpenTelemetry spans where someone listens, and costs next to nothing where nobody does. It knows
// otel's API alone: the SDK and the exporters are the program's.
package tracing

import (
	"context"
	"reflect"
	"sync/atomic"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"
)

// Tracer starts the spans of one package.
type Tracer struct {
	scope  string
	global bool // of otel's global provider, whichever that is at the moment
	source atomic.Pointer[source]
}

// source is a provider that has been asked. otel's API can't say whether one makes spans; one that made none is not asked
// again, because even a span that is nothing is allocated, with a context around it.
type source struct {
	provider   trace.TracerProvider
	comparable bool // comparing it with another can't panic
	tracer     trace.Tracer
	silent     atomic.Bool
}

// New makes the tracer of a package, named by its import path.
func New(provider trace.TracerProvider, scope string) *Tracer {
	t := &Tracer{scope: scope, global: provider == nil}
	if t.global {
		provider = otel.GetTracerProvider()
	}
	t.use(provider)
	return t
}

func (t *Tracer) use(provider trace.TracerProvider) *source {
	s := &source{provider: provider, comparable: reflect.ValueOf(provider).Comparable(), tracer: provider.Tracer(t.scope)}
	t.source.Store(s)
	return s
}

// current notices a global provider that was set after New.
func (t *Tracer) current() *source {
	s := t.source.Load()
	if !t.global || !s.comparable {
		return s
	}
	if now := otel.GetTracerProvider(); now != s.provider {
		return t.use(now)
	}
	return s
}

// On reports whether a span may come of Start: ask before making a name or attributes for it.
func (t *Tracer) On() bool { return !t.current().silent.Load() }

// Start begins a span, a child of the one in ctx. Without anyone to make spans it gives ctx back, and a span that is nothing.
func (t *Tracer) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	s := t.current()
	if s.silent.Load() {
		return ctx, None()
	}
	within, span := s.tracer.Start(ctx, name, options...)
	if its := span.SpanContext(); !its.IsValid() || its.SpanID() == trace.SpanContextFromContext(ctx).SpanID() {
		s.silent.Store(true) // a real one has an id of its own, sampled or not
		return ctx, None()
	}
	return within, span
}

// None is a span that is nothing.
func None() trace.Span { return trace.SpanFromContext(context.Background()) }
