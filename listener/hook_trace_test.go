package listener_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/listener"
)

// spans keeps what was traced.
type spans struct {
	*tracetest.InMemoryExporter
	provider *sdk.TracerProvider
}

func newSpans() *spans {
	e := tracetest.NewInMemoryExporter()
	return &spans{e, sdk.NewTracerProvider(sdk.WithSyncer(e))}
}

func (s *spans) traced() option {
	return with(func(c *listener.Config) { c.TracerProvider = s.provider })
}

// store is the rig's, with its writes traced.
func (s *spans) store(r *hookRig) *db.Store {
	r.t.Helper()
	store, err := db.Open(r.ctx(), db.Config{DatabaseURL: r.url, Hooks: r.reg, TracerProvider: s.provider})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(store.Close)
	return store
}

// tree draws the spans of a trace, each below its parent, in the order of their names.
func (s *spans) tree(of trace.TraceID) string {
	below := map[trace.SpanID][]tracetest.SpanStub{}
	for _, span := range s.GetSpans() {
		if span.SpanContext.TraceID() == of {
			below[span.Parent.SpanID()] = append(below[span.Parent.SpanID()], span)
		}
	}
	var b strings.Builder
	var draw func(parent trace.SpanID, indent string)
	draw = func(parent trace.SpanID, indent string) {
		children := below[parent]
		slices.SortStableFunc(children, func(a, b tracetest.SpanStub) int { return strings.Compare(a.Name, b.Name) })
		for _, span := range children {
			fmt.Fprintf(&b, "%s%s", indent, span.Name)
			for _, a := range span.Attributes {
				if a.Key == "latchkey.seq" || a.Key == "latchkey.attempt" || a.Key == "latchkey.outcome" {
					fmt.Fprintf(&b, " %s=%s", strings.TrimPrefix(string(a.Key), "latchkey."), a.Value.String())
				}
			}
			if span.Status.Code == codes.Error {
				fmt.Fprintf(&b, " failed: %s", span.Status.Description)
			}
			b.WriteString("\n")
			draw(span.SpanContext.SpanID(), indent+"  ")
		}
	}
	draw(trace.SpanID{}, "")
	return b.String()
}

func requireTree(t *testing.T, got, want string) {
	t.Helper()
	if want = strings.ReplaceAll(strings.TrimLeft(want, "\n"), "\t", ""); got != want {
		t.Errorf("the trace is\n%s\nwant\n%s", got, want)
	}
}

// One trace goes from an API's request over its write, the before-hook, the log and the after-hook to what that one writes,
// through the store or in SQL, and to the hooks of those writes.
func TestTrace(t *testing.T) {
	t.Parallel()
	r, s := newHookRig(t), newSpans()
	store := s.store(r)
	var carried []string
	r.reg.Roles.BeforeCreate("check", func(context.Context, hooks.Tx, *db.Role) error { return nil })
	r.reg.Roles.AfterCreate("next", func(ctx context.Context, tx hooks.Tx, ev hooks.Event, row db.Role) error {
		carried = append(carried, trace.SpanContextFromContext(ctx).TraceID().String())
		switch {
		case row.ID == "a" && ev.Attempt == 1:
			return errors.New("not yet")
		case row.ID == "a":
			// The stamp of the event, with its older span, is carried on by the caller: the nearer span counts.
			_, err := store.With(tx).Roles.Create(db.WithStamp(ctx, ev.Stamp()), "t", db.CreateRole{ID: "b", Name: "b"})
			return err
		case row.ID == "b":
			_, err := tx.Exec(ctx, `insert into auth.roles (tenant_id, id, name) values ('t', 'c', 'c')`)
			return err
		}
		return nil
	})
	n := r.start(s.traced())
	request, span := s.provider.Tracer("api").Start(t.Context(), "POST /roles")
	if _, err := store.Roles.Create(request, "t", db.CreateRole{ID: "a", Name: "a"}); err != nil {
		t.Fatal(err)
	}
	span.End()
	r.seen.awaitDone("next", 3)
	n.stop()
	requireTree(t, s.tree(span.SpanContext().TraceID()), `
		POST /roles
		  insert auth.roles
		    after next seq=1 attempt=1 outcome=retry failed: not yet
		    after next seq=1 attempt=2 outcome=done
		      insert auth.roles
		        after next seq=2 attempt=1 outcome=done
		          after next seq=3 attempt=1 outcome=done
		        before check
		    before check
	`)
	for _, id := range carried {
		if id != span.SpanContext().TraceID().String() {
			t.Errorf("a hook's context carries trace %s", id)
		}
	}
	if !slices.ContainsFunc(s.GetSpans(), func(span tracetest.SpanStub) bool { return span.Name == "ingest" && !span.Parent.IsValid() }) {
		t.Error("ingest has no span of its own")
	}
}

// What nobody traced begins a trace of its own at its hook, even where whoever runs the listener is in one.
func TestTraceOfAnExternalWrite(t *testing.T) {
	t.Parallel()
	r, s := newHookRig(t), newSpans()
	r.afterRoles("hook", func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error { return leave(ctx, tx, "hook", ev) })
	n := r.start(s.traced())
	r.roles("a")
	r.seen.awaitDone("hook", 1)
	n.stop()
	for _, span := range s.GetSpans() {
		if span.Name == "after hook" {
			requireTree(t, s.tree(span.SpanContext.TraceID()), "after hook seq=1 attempt=1 outcome=done\n")
			return
		}
	}
	t.Error("the hook has no span")
}

// A listener that makes no spans passes a trace on: to the hook, and to what the hook writes.
func TestTracePassesThrough(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	const written = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	r.reg.Roles.AfterCreate("hook", func(ctx context.Context, tx hooks.Tx, _ hooks.Event, row db.Role) error {
		if got := trace.SpanContextFromContext(ctx).TraceID().String(); got != written[3:35] {
			t.Errorf("the hook of %s is in trace %s", row.ID, got)
		}
		if row.ID != "a" {
			return nil
		}
		_, err := tx.Exec(ctx, `insert into auth.roles (tenant_id, id, name) values ('t', 'b', 'b')`)
		return err
	})
	r.start(with(func(c *listener.Config) { c.TracerProvider = noop.NewTracerProvider() }))
	ctx := db.WithStamp(t.Context(), hooks.Stamp{Traceparent: written})
	if _, err := r.store().Roles.Create(ctx, "t", db.CreateRole{ID: "a", Name: "a"}); err != nil {
		t.Fatal(err)
	}
	r.seen.awaitDone("hook", 2)
	if got := value[string](r.rig, `select string_agg(stamp->>'traceparent', ' ' order by seq) from latchkey.events`); got != written+" "+written {
		t.Errorf("the events' traceparents are %s", got)
	}
}
