// Package metrics has Prometheus collectors for a store and a listener. Who doesn't import it doesn't get Prometheus.
//
//	writes, hooks := metrics.NewStore(), metrics.NewListener("default")
//	reg.ObserveBefore(writes.Before)
//	store, err := db.Open(ctx, db.Config{DatabaseURL: url, Hooks: reg, Trace: writes.Trace()})
//	l, err := listener.Open(ctx, listener.Config{DatabaseURL: url, Hooks: reg, Trace: hooks.Trace()})
//	hooks.Watch(l)
//	prometheus.MustRegister(writes, hooks)
//
// Labels are names that the program gives (tables, operations, hooks) and words of this package's: never a key or a tenant.
// What there is, is listed in docs/metrics.md.
package metrics

import "github.com/prometheus/client_golang/prometheus"

const namespace = "latchkey"

// durations are the buckets of what takes from a tenth of a millisecond to half a minute, in seconds.
func durations() []float64 {
	return []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
}

func histogram(name, help string, buckets []float64, labels prometheus.Labels, by ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets, ConstLabels: labels}, by)
}

func counter(name, help string, labels prometheus.Labels, by ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help, ConstLabels: labels}, by)
}
