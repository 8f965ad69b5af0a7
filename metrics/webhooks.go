package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/latchkey-dev/latchkey/listener"
)

// webhooks counts requests. Tenants and hooks are no labels: they are data, and there may be many. auth.logs has them.
type webhooks struct {
	requests          *prometheus.CounterVec
	duration, latency *prometheus.HistogramVec
}

func newWebhooks(labels prometheus.Labels) webhooks {
	return webhooks{
		requests: counter("webhook_requests_total", "Requests of webhooks, by what came of the delivery (done, retry or dead) and the answer's code: 2xx to 5xx, or none.", labels, "outcome", "code"),
		duration: histogram("webhook_request_duration_seconds", "How long a webhook's receiver took to answer, or until it was given up.", durations(), labels),
		latency:  histogram("commit_to_webhook_seconds", "From an event's commit, by the server's clock, to the first request of a webhook, by this process' clock.", durations(), labels),
	}
}

func (w webhooks) sent(s listener.Sent) {
	outcome := "done"
	switch {
	case s.Dead:
		outcome = "dead"
	case s.Err != nil:
		outcome = "retry"
	}
	code := "none"
	if s.Code > 0 {
		code = strconv.Itoa(s.Code/100) + "xx"
	}
	w.requests.WithLabelValues(outcome, code).Inc()
	w.duration.WithLabelValues().Observe(s.Took.Seconds())
	if s.Attempt == 1 {
		w.latency.WithLabelValues().Observe(max(0, s.Began.Sub(s.Event.CommittedAt).Seconds())) // two clocks
	}
}
