package db

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/tracing"
)

// Trace has functions that are called as things happen; each may be nil. They must return quickly and not block.
type Trace struct {
	// Wrote is called after each write of a repository, in the writer's goroutine. Inside a transaction of the caller's the
	// write is not committed by then.
	Wrote func(Write)
}

// Write is one call of a repository that writes.
type Write struct {
	Table     string // schema.table
	Operation hooks.Operation
	Took      time.Duration // with its before-hooks
	Err       error         // what the caller gets
}

// action is what a write does.
type action struct {
	operation    hooks.Operation
	table        string
	verb, entity string // for messages: "create", "role"
}

// watcher is who sees a store's writes.
type watcher struct {
	tracer *tracing.Tracer
	trace  Trace
}

func newWatcher(cfg Config) *watcher {
	return &watcher{tracer: tracing.New(cfg.TracerProvider, "github.com/latchkey-dev/latchkey/db"), trace: cfg.Trace}
}

// begin starts the span of a write; what the write leaves in the log continues it.
func (w *watcher) begin(ctx context.Context, a action) (context.Context, trace.Span) {
	if !w.tracer.On() {
		return ctx, tracing.None()
	}
	return w.tracer.Start(ctx, a.operation.String()+" "+a.table, trace.WithAttributes(
		attribute.String("latchkey.table", a.table), attribute.Stringer("latchkey.operation", a.operation)))
}

func (w *watcher) end(span trace.Span, a action, began time.Time, err error) {
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
	if w.trace.Wrote != nil {
		w.trace.Wrote(Write{Table: a.table, Operation: a.operation, Took: time.Since(began), Err: err})
	}
}
