package db

import (
	"context"
	"encoding/json"

	"go.opentelemetry.io/otel/trace"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/lazytx"
	"github.com/latchkey-dev/latchkey/internal/tracing"
)

type stampKey struct{}

// WithStamp makes ctx say on whose behalf its writes are made; events carry it. Origin and Cause are set by the store, and
// so is Traceparent, by the span that ctx has, unless s names another trace.
func WithStamp(ctx context.Context, s hooks.Stamp) context.Context {
	return context.WithValue(ctx, stampKey{}, s)
}

// StampOf is what a write with this context leaves in the log: what [WithStamp] said, and what caused it.
func StampOf(ctx context.Context) hooks.Stamp { return stampOf(ctx, hooks.Current(ctx)) }

func stampOf(ctx context.Context, running *hooks.Running) hooks.Stamp {
	s, _ := ctx.Value(stampKey{}).(hooks.Stamp)
	s.Origin, s.Cause = hooks.OriginApp, running.Cause()
	if span := tracing.Traceparent(trace.SpanContextFromContext(ctx)); s.Traceparent == "" || tracing.SameTrace(s.Traceparent, span) { // of one trace, the span is the nearer one
		s.Traceparent = span
	}
	return s
}

// StampStatements are the two ways to leave a stamp. ahead emits it right away, unless the transaction's current stamp is
// the same; context leaves it to the trigger of the first hooked table that is written, so it costs nothing where none is.
func stampStatements(ctx context.Context, running *hooks.Running) (ahead, inContext lazytx.Statement, err error) {
	stamp, err := json.Marshal(stampOf(ctx, running))
	if err != nil {
		return ahead, inContext, err
	}
	ahead = lazytx.Statement{
		SQL: `select pg_logical_emit_message(true, 'latchkey', set_config('latchkey.stamped', $1::text, true))
		       where current_setting('latchkey.stamped', true) is distinct from $1::text`,
		Args: []any{string(stamp)},
	}
	inContext = lazytx.Statement{SQL: `select set_config('latchkey.context', $1::text, true)`, Args: []any{string(stamp)}}
	return ahead, inContext, nil
}
