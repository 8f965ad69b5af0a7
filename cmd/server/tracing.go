package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// startTracing makes what makes the spans; stop sends the last ones. Sampling, the resource and the batches are set by
// OpenTelemetry's own environment (OTEL_TRACES_SAMPLER, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_BSP_*).
func startTracing(exporter string, out io.Writer) (provider trace.TracerProvider, stop func(context.Context) error, err error) {
	to, err := traceExporter(exporter, out)
	if err != nil || to == nil {
		return noop.NewTracerProvider(), func(context.Context) error { return nil }, err
	}
	named := resource.NewSchemaless(attribute.String("service.name", "latchkey"))
	if named, err = resource.Merge(named, resource.Environment()); err != nil {
		return nil, nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	p := sdk.NewTracerProvider(sdk.WithBatcher(to), sdk.WithResource(named))
	return p, p.Shutdown, nil
}

// traceExporter is where a build adds an exporter of its choice: a case of one line, such as
//
//	case "otlp":
//		return otlptracehttp.New(context.Background()) // reads OTEL_EXPORTER_OTLP_*
//
// It isn't here because the OTLP exporters bring gRPC along, which would be half of the program.
func traceExporter(name string, out io.Writer) (sdk.SpanExporter, error) {
	switch name {
	case "", "none":
		return nil, nil
	case "console":
		return stdouttrace.New(stdouttrace.WithWriter(out))
	default:
		return nil, fmt.Errorf("there is no exporter %q for traces: OTEL_TRACES_EXPORTER (--traces) is none or console, unless one is built in (cmd/server/tracing.go)", name)
	}
}

// tracedLog adds to each line which trace it belongs to.
type tracedLog struct{ slog.Handler }

// Handle implements [slog.Handler].
func (h tracedLog) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (h tracedLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return tracedLog{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements [slog.Handler].
func (h tracedLog) WithGroup(name string) slog.Handler { return tracedLog{h.Handler.WithGroup(name)} }
