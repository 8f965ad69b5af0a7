package metrics

import (
	"cmp"
	"context"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/listener"
)

// Source is what a Listener is asked for at each scrape; *listener.Listener is one.
type Source interface {
	Load() listener.Load
	Status(ctx context.Context) (listener.Status, error)
}

// Listener collects what a listener.Listener does: what its process does, and, at each scrape, how its group stands in
// Postgres, which every process of the group reports alike.
type Listener struct {
	events        *prometheus.CounterVec
	batchEvents   *prometheus.HistogramVec
	batchDuration *prometheus.HistogramVec
	runs          *prometheus.CounterVec
	retries       *prometheus.CounterVec
	duration      *prometheus.HistogramVec
	latency       *prometheus.HistogramVec
	webhooks      webhooks
	now           gauges

	byHook sync.Map // *hooks.After to *series: looking labels up for each delivery would cost more

	mu     sync.Mutex
	source Source
}

// series are those of one hook.
type series struct {
	done, retry, dead, retries prometheus.Counter
	duration, latency          prometheus.Observer
}

// NewListener makes the collector of a listener of the group; empty means the default one. Each listener has its own.
func NewListener(group string) *Listener {
	labels := prometheus.Labels{"group": cmp.Or(group, "default")}
	return &Listener{
		events:        counter("events_stored_total", "Events that were stored: committed changes of hooked tables.", labels, "table", "operation"),
		batchEvents:   histogram("ingest_batch_events", "How many events were stored in one transaction.", prometheus.ExponentialBuckets(1, 2, 12), labels),
		batchDuration: histogram("ingest_batch_duration_seconds", "How long it took to store a batch of events.", durations(), labels),
		runs:          counter("hook_runs_total", "Runs of after-hooks, by what they ended in: done, retry (it failed and will be tried again) or dead (it won't).", labels, "table", "hook", "outcome"),
		retries:       counter("hook_retries_total", "Runs of after-hooks that were not an event's first.", labels, "table", "hook"),
		duration:      histogram("hook_duration_seconds", "How long an after-hook ran, without its commit.", durations(), labels, "table", "hook"),
		latency: histogram("commit_to_hook_seconds", "From an event's commit, by the server's clock, to the first call of the hook, by this process' clock.",
			durations(), labels, "table", "hook"),
		webhooks: newWebhooks(labels),
		now:      newGauges(labels),
	}
}

// Trace is for listener.Config; listener.JoinTraces puts it beside another.
func (l *Listener) Trace() listener.Trace {
	return listener.Trace{Stored: l.stored, Ingested: l.ingested, Ran: l.ran, Sent: l.webhooks.sent}
}

// Watch has a listener asked at each scrape. Without it there is only what the listener's trace tells.
func (l *Listener) Watch(s Source) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.source = s
}

// stored counts runs of alike events at once.
func (l *Listener) stored(events []*hooks.Event) {
	for len(events) > 0 {
		first, n := events[0], 1
		for n < len(events) && events[n].Table == first.Table && events[n].Operation == first.Operation {
			n++
		}
		l.events.WithLabelValues(first.Table, first.Operation.String()).Add(float64(n))
		events = events[n:]
	}
}

func (l *Listener) ingested(b listener.Batch) {
	l.batchEvents.WithLabelValues().Observe(float64(b.Events))
	l.batchDuration.WithLabelValues().Observe(b.Took.Seconds())
}

func (l *Listener) ran(r listener.Run) {
	s := l.of(r.Hook)
	s.duration.Observe(r.Took.Seconds())
	if r.Event.Attempt > 1 {
		s.retries.Inc()
	} else {
		s.latency.Observe(max(0, r.Began.Sub(r.Event.CommittedAt).Seconds())) // two clocks
	}
	switch {
	case r.Err == nil:
		s.done.Inc()
	case r.Dead:
		s.dead.Inc()
	default:
		s.retry.Inc()
	}
}

func (l *Listener) of(hook *hooks.After) *series {
	if s, ok := l.byHook.Load(hook); ok {
		return s.(*series)
	}
	table, name := hook.Table, hook.Name
	s, _ := l.byHook.LoadOrStore(hook, &series{
		done: l.runs.WithLabelValues(table, name, "done"), retry: l.runs.WithLabelValues(table, name, "retry"), dead: l.runs.WithLabelValues(table, name, "dead"),
		retries: l.retries.WithLabelValues(table, name), duration: l.duration.WithLabelValues(table, name), latency: l.latency.WithLabelValues(table, name),
	})
	return s.(*series)
}

func (l *Listener) counted() []prometheus.Collector {
	return []prometheus.Collector{l.events, l.batchEvents, l.batchDuration, l.runs, l.retries, l.duration, l.latency, l.webhooks.requests, l.webhooks.duration, l.webhooks.latency}
}

// Describe implements [prometheus.Collector].
func (l *Listener) Describe(to chan<- *prometheus.Desc) {
	for _, c := range l.counted() {
		c.Describe(to)
	}
	l.now.describe(to)
}

// Collect implements [prometheus.Collector].
func (l *Listener) Collect(to chan<- prometheus.Metric) {
	for _, c := range l.counted() {
		c.Collect(to)
	}
	l.mu.Lock()
	source := l.source
	l.mu.Unlock()
	if source != nil {
		l.now.collect(source, to)
	}
}
