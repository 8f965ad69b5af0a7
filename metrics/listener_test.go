package metrics_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/pgtest"
	"github.com/latchkey-dev/latchkey/listener"
	"github.com/latchkey-dev/latchkey/metrics"
)

// A store and a listener that work, as a library's user would register them.
func TestAtWork(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	url := pgtest.New(t).URL
	writes, hooked := metrics.NewStore(), metrics.NewListener("billing")
	reg := db.NewHooks()
	reg.ObserveBefore(writes.Before)
	reg.Roles.BeforeCreate("check", func(_ context.Context, _ hooks.Tx, row *db.Role) error {
		if row.Name == "root" {
			return hooks.Reject("reserved", "no")
		}
		return nil
	})
	reg.Roles.AfterCreate("audit", func(_ context.Context, _ hooks.Tx, _ hooks.Event, row db.Role) error {
		if row.Name == "bad" {
			return errors.New("bad")
		}
		return nil
	})
	store, err := db.Open(ctx, db.Config{DatabaseURL: url, Hooks: reg, Trace: writes.Trace()})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if _, err := store.Tenants.Create(ctx, db.CreateTenant{ID: "acme"}); err != nil {
		t.Fatal(err)
	}
	joined := 0
	l, err := listener.Open(ctx, listener.Config{
		DatabaseURL: url, Group: "billing", Hooks: reg, Retry: listener.Retry{Attempts: 2, Base: time.Millisecond},
		Trace: listener.JoinTraces(hooked.Trace(), listener.Trace{Ingested: func(listener.Batch) { joined++ }}),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	hooked.Watch(l)
	all := prometheus.NewPedanticRegistry()
	all.MustRegister(writes, hooked)
	require(t, all, map[string]float64{"owner group=billing": 0, "slot_wal_status group=billing status=missing": 1})

	runCtx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- l.Run(runCtx) }()
	select {
	case <-l.Ready():
	case err := <-ended:
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "bad", "root"} {
		if _, err := store.Roles.Create(ctx, "acme", db.CreateRole{Name: name}); (err != nil) != (name == "root") {
			t.Fatal(err)
		}
	}
	lsn, err := store.LSN(ctx)
	if err == nil {
		err = l.WaitFor(ctx, lsn)
	}
	if err != nil {
		t.Fatal(err)
	}
	require(t, all, map[string]float64{
		"write_duration_seconds operation=insert outcome=done table=auth.roles":                      3,
		"write_duration_seconds operation=insert outcome=rejected table=auth.roles":                  1,
		"before_hook_duration_seconds hook=check operation=insert outcome=done table=auth.roles":     3,
		"before_hook_duration_seconds hook=check operation=insert outcome=rejected table=auth.roles": 1,
		"events_stored_total group=billing operation=insert table=auth.roles":                        3,
		"hook_runs_total group=billing hook=audit outcome=done table=auth.roles":                     2,
		"commit_to_hook_seconds group=billing hook=audit table=auth.roles":                           3,
		"owner group=billing":                                             1,
		"epoch group=billing":                                             1,
		"status_up group=billing":                                         1,
		"dispatch_backlog_events group=billing":                           0,
		"deliveries_in_flight group=billing":                              0,
		"slot_wal_status group=billing status=reserved":                   1,
		"slot_wal_status group=billing status=missing":                    0,
		"hook_lag_events group=billing hook=audit table=auth.roles":       0,
		"hook_lag_seconds group=billing hook=audit table=auth.roles":      0,
		"deliveries group=billing hook=audit state=held table=auth.roles": 0,
	})
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if joined == 0 {
		t.Error("the trace that was joined heard nothing")
	}
	require(t, all, map[string]float64{"owner group=billing": 0})
}
