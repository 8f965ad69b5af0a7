package metrics_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/listener"
	"github.com/latchkey-dev/latchkey/metrics"
)

var rewrite = flag.Bool("rewrite", false, "write the table of docs/metrics.md anew, to be reviewed as a diff")

// source is a listener of which a test says how it stands.
type source struct {
	load   listener.Load
	status listener.Status
	err    error
}

func (s *source) Load() listener.Load                             { return s.load }
func (s *source) Status(context.Context) (listener.Status, error) { return s.status, s.err }

// busy is a registry in which every metric has a value.
func busy(t *testing.T) (*prometheus.Registry, *metrics.Listener, *source) {
	t.Helper()
	w, l := metrics.NewStore(), metrics.NewListener("")
	s := &source{
		load: listener.Load{Epoch: 7, Backlog: 5, InFlight: 3, Running: 2, Requests: 9},
		status: listener.Status{WALState: "extended", LagBytes: 100, Retained: 200, Hooks: []listener.HookStatus{
			{Table: "auth.roles", Hook: "audit", Lag: 4, Behind: 1.5, Retry: 1, Held: 2, Dead: 3},
			{Table: "auth.roles", Hook: "audit", Lag: 1000}, // a run beside it
			{Table: "webhook/acme", Hook: "hook_1", Status: "active", Lag: 7, Behind: 2, Retry: 1, Held: 2},
			{Table: "webhook/else", Hook: "hook_2", Status: "active", Lag: 5, Behind: 3, Retry: 1, Dead: 4},
			{Table: "webhook/else", Hook: "hook_3", Status: "paused", Lag: 1000},
		}},
	}
	l.Watch(s)
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(w, l)
	w.Before(hooks.BeforeRun{Table: "auth.roles", Hook: "check", Operation: hooks.Insert, Took: time.Millisecond})
	w.Trace().Wrote(db.Write{Table: "auth.roles", Operation: hooks.Insert, Took: time.Millisecond})
	w.Pruned(db.Pruned{"auth.logs": 7})
	hook, now := &hooks.After{Table: "auth.roles", Name: "audit"}, time.Now()
	event := func(attempt int) *hooks.Event {
		return &hooks.Event{Table: "auth.roles", Operation: hooks.Insert, Attempt: attempt, CommittedAt: now.Add(-time.Second)}
	}
	trace := l.Trace()
	trace.Stored([]*hooks.Event{event(1), event(1), {Table: "auth.roles", Operation: hooks.Delete}, event(1)})
	trace.Ingested(listener.Batch{Events: 4, Took: time.Millisecond})
	trace.Ran(listener.Run{Hook: hook, Event: event(1), Began: now, Took: time.Millisecond})
	trace.Ran(listener.Run{Hook: hook, Event: event(1), Began: now.Add(-time.Hour), Took: time.Millisecond, Err: errors.New("x"), Retry: now})
	trace.Ran(listener.Run{Hook: hook, Event: event(2), Began: now, Took: time.Millisecond, Err: errors.New("x"), Dead: true})
	trace.Sent(listener.Sent{TenantID: "acme", HookID: "hook_1", Event: event(1), Attempt: 1, Began: now, Took: time.Millisecond, Code: 204})
	trace.Sent(listener.Sent{TenantID: "acme", HookID: "hook_1", Event: event(1), Attempt: 1, Began: now, Took: time.Millisecond, Code: 503, Err: errors.New("x")})
	trace.Sent(listener.Sent{TenantID: "else", HookID: "hook_2", Event: event(1), Attempt: 2, Began: now, Took: time.Millisecond, Err: errors.New("x"), Dead: true})
	return reg, l, s
}

func TestConventions(t *testing.T) {
	t.Parallel()
	reg, _, _ := busy(t)
	problems, err := testutil.GatherAndLint(reg)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	reg, _, s := busy(t)
	require(t, reg, map[string]float64{
		`events_stored_total group=default operation=insert table=auth.roles`:                    3,
		`events_stored_total group=default operation=delete table=auth.roles`:                    1,
		`ingest_batch_events group=default`:                                                      1,
		`hook_runs_total group=default hook=audit outcome=done table=auth.roles`:                 1,
		`hook_runs_total group=default hook=audit outcome=retry table=auth.roles`:                1,
		`hook_runs_total group=default hook=audit outcome=dead table=auth.roles`:                 1,
		`hook_retries_total group=default hook=audit table=auth.roles`:                           1,
		`hook_duration_seconds group=default hook=audit table=auth.roles`:                        3,
		`commit_to_hook_seconds group=default hook=audit table=auth.roles`:                       2,
		`write_duration_seconds operation=insert outcome=done table=auth.roles`:                  1,
		`before_hook_duration_seconds hook=check operation=insert outcome=done table=auth.roles`: 1,
		`webhook_requests_total code=2xx group=default outcome=done`:                             1,
		`webhook_requests_total code=5xx group=default outcome=retry`:                            1,
		`webhook_requests_total code=none group=default outcome=dead`:                            1,
		`webhook_request_duration_seconds group=default`:                                         3,
		`commit_to_webhook_seconds group=default`:                                                2,
		`webhook_requests_running group=default`:                                                 9,
		`hook_lag_events group=default hook=* table=webhook`:                                     7,
		`hook_lag_seconds group=default hook=* table=webhook`:                                    3,
		`deliveries group=default hook=* state=retry table=webhook`:                              2,
		`deliveries group=default hook=* state=dead table=webhook`:                               4,
		`owner group=default`:                                              1,
		`epoch group=default`:                                              7,
		`dispatch_backlog_events group=default`:                            5,
		`deliveries_in_flight group=default`:                               3,
		`hooks_running group=default`:                                      2,
		`status_up group=default`:                                          1,
		`slot_lag_bytes group=default`:                                     100,
		`slot_retained_bytes group=default`:                                200,
		`slot_wal_status group=default status=extended`:                    1,
		`slot_wal_status group=default status=reserved`:                    0,
		`slot_wal_status group=default status=missing`:                     0,
		`hook_lag_events group=default hook=audit table=auth.roles`:        4,
		`hook_lag_seconds group=default hook=audit table=auth.roles`:       1.5,
		`deliveries group=default hook=audit state=retry table=auth.roles`: 1,
		`deliveries group=default hook=audit state=held table=auth.roles`:  2,
		`deliveries group=default hook=audit state=dead table=auth.roles`:  3,
	})
	s.load, s.err = listener.Load{}, errors.New("no database")
	require(t, reg, map[string]float64{`owner group=default`: 0, `epoch group=default`: 0, `status_up group=default`: 0})
	if n := testutil.CollectAndCount(reg, "latchkey_slot_lag_bytes", "latchkey_hook_lag_events"); n != 0 {
		t.Errorf("without a database there are %d metrics of its", n)
	}
}

// Each way in which a write can end has its word.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"done":        nil,
		"rejected":    fmt.Errorf("db: %w", hooks.Reject("code", "reason")),
		"hook_failed": &hooks.Fault{Err: hooks.ErrDeadline},
		"conflict":    fmt.Errorf("db: %w", &db.Conflict{}),
		"invalid":     &db.Invalid{},
		"not_found":   db.ErrNotFound,
		"canceled":    fmt.Errorf("db: %w", context.Canceled),
		"failed":      db.ErrSuppressed,
	} {
		w := metrics.NewStore()
		w.Trace().Wrote(db.Write{Table: "t", Operation: hooks.Update, Err: err})
		reg := prometheus.NewRegistry()
		reg.MustRegister(w)
		require(t, reg, map[string]float64{"write_duration_seconds operation=update outcome=" + want + " table=t": 1})
	}
}

// require fails the test unless the metrics have these values; a histogram's is how often it was observed.
func require(t *testing.T, reg prometheus.Gatherer, want map[string]float64) {
	t.Helper()
	got := map[string]float64{}
	for _, s := range samples(t, reg) {
		got[s.name+s.labels] = s.value
	}
	for name, value := range want {
		if v, there := got[name]; !there || v != value {
			t.Errorf("%s is %v (there: %v), want %v", name, v, there, value)
		}
	}
	if t.Failed() {
		t.Logf("there are %v", got)
	}
}

type sample struct {
	name, labels, kind, help string
	by                       []string
	value                    float64
}

func samples(t *testing.T, reg prometheus.Gatherer) []sample {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out []sample
	for _, f := range families {
		for _, m := range f.GetMetric() {
			s := sample{name: strings.TrimPrefix(f.GetName(), "latchkey_"), kind: strings.ToLower(f.GetType().String()), help: f.GetHelp()}
			for _, l := range m.GetLabel() {
				s.labels += " " + l.GetName() + "=" + l.GetValue()
				s.by = append(s.by, l.GetName())
			}
			s.value = m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
			out = append(out, s)
		}
	}
	return out
}

// The page lists what there is; `go test ./metrics -run Page -rewrite` writes its table anew.
func TestPage(t *testing.T) {
	t.Parallel()
	const page, begin, end = "../docs/metrics.md", "<!-- table -->\n", "<!-- end of table -->"
	reg, _, _ := busy(t)
	lines := []string{"| metric | type | labels | what it is |", "|---|---|---|---|"}
	for _, s := range samples(t, reg) {
		line := fmt.Sprintf("| `latchkey_%s` | %s | %s | %s |", s.name, s.kind, strings.Join(s.by, ", "), s.help)
		if !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	content, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(content), begin)
	table, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no table between %q and %q", page, begin, end)
	}
	want := strings.Join(lines, "\n") + "\n"
	if table == want {
		return
	}
	if !*rewrite {
		t.Fatalf("the table of %s is not what there is (go test ./metrics -run Page -rewrite writes it anew):\n%s\nwant\n%s", page, table, want)
	}
	if err := os.WriteFile(page, []byte(before+begin+want+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
