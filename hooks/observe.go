package hooks

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// BeforeRun is one run of a before-hook.
type BeforeRun struct {
	Table     string
	Hook      string
	Operation Operation // 0 for the hook of a [Flow], whose name Table is then
	Took      time.Duration
	Err       error // what the writer gets
}

// ObserveBefore has fn called after each run of a before-hook, in the writer's goroutine, and after those that were set
// before it. Set it before the store opens.
func (r *Registry) ObserveBefore(fn func(BeforeRun)) { r.observers = append(r.observers, fn) }

// beforeSpan begins the span of a before-hook: a child of the write's, made by whoever made that one. Where the write's
// isn't recorded there is none.
func beforeSpan(writer context.Context, table, hook string, op Operation) (context.Context, trace.Span) {
	write := trace.SpanFromContext(writer)
	if !write.IsRecording() {
		return writer, trace.SpanFromContext(context.Background())
	}
	tracer := write.TracerProvider().Tracer("github.com/latchkey-dev/latchkey/hooks")
	return tracer.Start(writer, "before "+hook, trace.WithAttributes(
		attribute.String("latchkey.table", table), attribute.String("latchkey.hook", hook), attribute.Stringer("latchkey.operation", op)))
}

// observed ends the run's span and tells whoever observes. A panic's stack stays out of the trace.
func (r *Registry) observed(span trace.Span, run BeforeRun) {
	if run.Err != nil {
		span.SetStatus(codes.Error, run.Err.Error())
	}
	span.End()
	for _, observe := range r.observers {
		observe(run)
	}
}
