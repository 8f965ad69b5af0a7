package listener

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/latchkey-dev/latchkey/internal/tracing"
)

// ingestSpan begins the span of a batch. It is a root: the events of a batch come from many traces.
func (t *term) ingestSpan(ctx context.Context, b batch) (context.Context, trace.Span) {
	if !t.l.tracer.On() {
		return ctx, tracing.None()
	}
	return t.l.tracer.Start(ctx, "ingest", trace.WithAttributes(attribute.String("latchkey.group", t.cfg.Group),
		attribute.Int("latchkey.events", len(b.events)), attribute.Int("latchkey.bytes", b.size)))
}

// hookSpan begins the span of a hook's run and gives the hook's context. It is a child of the write that the event tells of,
// as the stamp says: a delivery has that one cause, so a link would only hide the hook from the trace in which people look
// for it, and a child follows what the writer decided about sampling. Another attempt is another child. Where nobody makes
// spans here, the context continues the writer's trace all the same, and so does what the hook writes.
func (t *term) hookSpan(ctx context.Context, d *delivery) context.Context {
	if writer := tracing.FindTraceparent(d.ev.RawStamp); writer != "" {
		ctx = tracing.WithTraceparent(ctx, writer)
	}
	if t.l.tracer.On() {
		ctx, _ = t.l.tracer.Start(ctx, "after "+d.sub.name, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
			attribute.String("latchkey.group", t.cfg.Group), attribute.String("latchkey.table", d.ev.Table), attribute.String("latchkey.hook", d.sub.name),
			attribute.Stringer("latchkey.operation", d.ev.Operation), attribute.Int64("latchkey.seq", d.ev.Seq), attribute.Int("latchkey.attempt", d.ev.Attempt)))
	}
	d.span = trace.SpanFromContext(ctx)
	return ctx
}

// endHookSpan ends the span of a run that has been recorded, or could not be.
func endHookSpan(span trace.Span, r Run, err error) {
	if err == nil {
		err = r.Err
		if span.IsRecording() {
			span.SetAttributes(attribute.String("latchkey.outcome", r.Outcome()))
		}
	}
	endSpan(span, err)
}

func endSpan(span trace.Span, err error) {
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}
