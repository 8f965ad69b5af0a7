package db_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/pgtest"
)

// Each write is told of once with what its caller gets, and has a span that its before-hooks' are children of.
func TestWritesAreSeen(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var wrote []string
	exporter := tracetest.NewInMemoryExporter()
	reg := db.NewHooks()
	reg.Roles.BeforeCreate("first", func(context.Context, hooks.Tx, *db.Role) error { return nil })
	reg.Roles.BeforeCreate("second", func(_ context.Context, _ hooks.Tx, row *db.Role) error {
		if row.Name == "root" {
			return hooks.Reject("reserved", "no")
		}
		return nil
	})
	var ran []hooks.BeforeRun
	for range 2 { // each observer hears of each run
		reg.ObserveBefore(func(run hooks.BeforeRun) { ran = append(ran, run) })
	}
	store, err := db.Open(t.Context(), db.Config{
		DatabaseURL: pgtest.New(t).URL, Hooks: reg, TracerProvider: sdk.NewTracerProvider(sdk.WithSyncer(exporter)),
		Trace: db.Trace{Wrote: func(w db.Write) {
			mu.Lock()
			defer mu.Unlock()
			if w.Took <= 0 {
				t.Errorf("%s of %s took %v", w.Operation, w.Table, w.Took)
			}
			wrote = append(wrote, fmt.Sprintf("%s %s %v", w.Operation, w.Table, w.Err))
		}},
	})
	ok(t, err)
	t.Cleanup(store.Close)
	ctx := t.Context()
	_, err = store.Tenants.Create(ctx, db.CreateTenant{ID: "acme"})
	ok(t, err)
	role, err := store.Roles.Create(ctx, "acme", db.CreateRole{Name: "editor"})
	ok(t, err)
	_, refused := store.Roles.Create(ctx, "acme", db.CreateRole{Name: "root"})
	ok(t, store.InTx(ctx, func(tx *db.Tx) error {
		_, err := tx.Roles.Update(ctx, "acme", role.ID, db.UpdateRole{Description: db.Set("x")})
		return err
	}))
	_, missing := store.RolePermissions.Assign(ctx, "acme", "nobody", db.PermissionRef{})
	ok(t, store.Roles.Delete(ctx, "acme", role.ID))
	want := []string{
		"insert auth.tenants <nil>", "insert auth.roles <nil>", "insert auth.roles " + refused.Error(), "update auth.roles <nil>",
		"assign auth.role_permissions " + missing.Error(), "delete auth.roles <nil>",
	}
	if got := strings.Join(wrote, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("the writes are\n%s", got)
	}
	if !errors.Is(missing, db.ErrNotFound) || len(ran) != 8 || ran[6].Err == nil || ran[6].Took <= 0 {
		t.Errorf("the before-hooks ran %+v; the assignment said %v", ran, missing)
	}

	names := map[trace.SpanID]string{}
	for _, span := range exporter.GetSpans() {
		names[span.SpanContext.SpanID()] = span.Name
	}
	var lines []string
	for _, span := range exporter.GetSpans() {
		line := names[span.Parent.SpanID()] + " > " + span.Name
		if span.Status.Code == codes.Error {
			line += " failed"
		}
		lines = append(lines, line)
	}
	const spans = ` > insert auth.tenants
insert auth.roles > before first
insert auth.roles > before second
 > insert auth.roles
insert auth.roles > before first
insert auth.roles > before second failed
 > insert auth.roles failed
 > update auth.roles
 > assign auth.role_permissions failed
 > delete auth.roles`
	if got := strings.Join(lines, "\n"); got != spans {
		t.Errorf("the spans are\n%s\nwant\n%s", got, spans)
	}
}

// A stamp continues the trace that its context is in, unless its maker has named another one.
func TestStampContinuesTheTrace(t *testing.T) {
	t.Parallel()
	const other = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	if got := db.StampOf(t.Context()).Traceparent; got != "" {
		t.Errorf("without a trace: %q", got)
	}
	ctx, span := sdk.NewTracerProvider().Tracer("test").Start(t.Context(), "request")
	here := fmt.Sprintf("00-%s-%s-01", span.SpanContext().TraceID(), span.SpanContext().SpanID())
	older := fmt.Sprintf("00-%s-b7ad6b7169203331-01", span.SpanContext().TraceID())
	for said, want := range map[string]string{"": here, other: other, older: here} {
		if got := db.StampOf(db.WithStamp(ctx, hooks.Stamp{Traceparent: said})).Traceparent; got != want {
			t.Errorf("said %q: %q, want %q", said, got, want)
		}
	}
	if got := db.StampOf(db.WithStamp(t.Context(), hooks.Stamp{Traceparent: other})).Traceparent; got != other {
		t.Errorf("without a span: %q", got)
	}
}
