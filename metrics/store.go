package metrics

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// Store collects what a db.Store does: its writes, and the before-hooks that they ask.
type Store struct {
	writes *prometheus.HistogramVec
	before *prometheus.HistogramVec
	pruned *prometheus.CounterVec
}

// NewStore makes the collector of one store, or of several together.
func NewStore() *Store {
	return &Store{
		writes: histogram("write_duration_seconds", "How long a write of a repository took, with its before-hooks.", durations(), nil, "table", "operation", "outcome"),
		before: histogram("before_hook_duration_seconds", "How long a before-hook took.", durations(), nil, "table", "operation", "hook", "outcome"),
		pruned: counter("pruned_rows_total", "Rows that were removed because they were older than their retention.", nil, "table"),
	}
}

// Pruned counts what db.Store.Prune has removed.
func (s *Store) Pruned(rows db.Pruned) {
	for table, n := range rows {
		s.pruned.WithLabelValues(table).Add(float64(n))
	}
}

// Trace is for db.Config.
func (s *Store) Trace() db.Trace {
	return db.Trace{Wrote: func(w db.Write) {
		s.writes.WithLabelValues(w.Table, w.Operation.String(), outcome(w.Err)).Observe(w.Took.Seconds())
	}}
}

// Before is for the catalogue's ObserveBefore.
func (s *Store) Before(run hooks.BeforeRun) {
	s.before.WithLabelValues(run.Table, run.Operation.String(), run.Hook, outcome(run.Err)).Observe(run.Took.Seconds())
}

// outcome is what became of a write or a before-hook, in one of a few words.
func outcome(err error) string {
	var no *hooks.Rejection
	var fault *hooks.Fault
	var conflict *db.Conflict
	var invalid *db.Invalid
	switch {
	case err == nil:
		return "done"
	case errors.As(err, &fault):
		return "hook_failed"
	case errors.As(err, &no):
		return "rejected"
	case errors.As(err, &conflict):
		return "conflict"
	case errors.As(err, &invalid):
		return "invalid"
	case errors.Is(err, db.ErrNotFound):
		return "not_found"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "canceled"
	default:
		return "failed"
	}
}

// Describe implements [prometheus.Collector].
func (s *Store) Describe(to chan<- *prometheus.Desc) {
	s.writes.Describe(to)
	s.before.Describe(to)
	s.pruned.Describe(to)
}

// Collect implements [prometheus.Collector].
func (s *Store) Collect(to chan<- prometheus.Metric) {
	s.writes.Collect(to)
	s.before.Collect(to)
	s.pruned.Collect(to)
}
