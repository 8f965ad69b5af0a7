package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/latchkey-dev/latchkey/listener"
)

// statusTimeout bounds the two queries of a scrape.
const statusTimeout = 5 * time.Second

// gauges are read at each scrape: the first ones from the process' memory, those from statusUp on from Postgres.
type gauges struct {
	owner, epoch, backlog, inFlight, running, requests *prometheus.Desc

	statusUp                       *prometheus.Desc
	slotLag, slotRetained, slotWAL *prometheus.Desc
	hookLag, hookBehind            *prometheus.Desc
	deliveries                     *prometheus.Desc
}

func newGauges(labels prometheus.Labels) gauges {
	gauge := func(name, help string, by ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, by, labels)
	}
	return gauges{
		owner:    gauge("owner", "Whether this process owns the group and runs its hooks: 1, or 0 while it stands by."),
		epoch:    gauge("epoch", "The epoch in which this process owns the group, 0 while it stands by. It grows at every takeover."),
		backlog:  gauge("dispatch_backlog_events", "Events that are stored and not yet given to the lanes."),
		inFlight: gauge("deliveries_in_flight", "Deliveries that the lanes have and that are not settled."),
		running:  gauge("hooks_running", "After-hooks that run at this moment."),
		requests: gauge("webhook_requests_running", "Requests of webhooks that are under way at this moment."),

		statusUp:     gauge("status_up", "Whether the group's status could be read from Postgres: without it the metrics of slot, hook lag and deliveries are missing."),
		slotLag:      gauge("slot_lag_bytes", "How far the stored position is behind the end of the write-ahead log."),
		slotRetained: gauge("slot_retained_bytes", "How much write-ahead log the slot keeps on the server's disk."),
		slotWAL:      gauge("slot_wal_status", "1 for the wal_status that pg_replication_slots has of the slot, 0 for the others; missing stands for a slot that isn't there.", "status"),
		hookLag:      gauge("hook_lag_events", "Stored events above the hook's cursor, up to which all are settled: done, not for this hook, or failed and set aside.", "table", "hook"),
		hookBehind:   gauge("hook_lag_seconds", "About how long ago the first event above the hook's cursor was committed, 0 if there is none.", "table", "hook"),
		deliveries:   gauge("deliveries", "Deliveries that have a row of their own, by state: retry, held (behind a failed one of the same entity) or dead.", "table", "hook", "state"),
	}
}

func (g gauges) describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		g.owner, g.epoch, g.backlog, g.inFlight, g.running, g.requests,
		g.statusUp, g.slotLag, g.slotRetained, g.slotWAL, g.hookLag, g.hookBehind, g.deliveries,
	} {
		to <- d
	}
}

func (g gauges) collect(s Source, to chan<- prometheus.Metric) {
	send := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	load := s.Load()
	send(g.owner, oneIf(load.Epoch > 0))
	send(g.epoch, float64(load.Epoch))
	send(g.backlog, float64(load.Backlog))
	send(g.inFlight, float64(load.InFlight))
	send(g.running, float64(load.Running))
	send(g.requests, float64(load.Requests))

	ctx, cancel := context.WithTimeout(context.Background(), statusTimeout)
	defer cancel()
	status, err := s.Status(ctx)
	send(g.statusUp, oneIf(err == nil))
	if err == nil {
		g.status(status, send)
	}
}

func (g gauges) status(s listener.Status, send func(*prometheus.Desc, float64, ...string)) {
	send(g.slotLag, float64(s.LagBytes))
	send(g.slotRetained, float64(s.Retained))
	for _, state := range []string{"reserved", "extended", "unreserved", "lost"} {
		send(g.slotWAL, oneIf(s.WALState == state), state)
	}
	send(g.slotWAL, oneIf(s.WALState == ""), "missing")
	for _, h := range together(s.Hooks) {
		send(g.hookLag, float64(h.Lag), h.Table, h.Hook)
		send(g.hookBehind, h.Behind, h.Table, h.Hook)
		send(g.deliveries, float64(h.Retry), h.Table, h.Hook, "retry")
		send(g.deliveries, float64(h.Held), h.Table, h.Hook, "held")
		send(g.deliveries, float64(h.Dead), h.Table, h.Hook, "dead")
	}
}

// together makes one of all webhooks: the lag of the last one, the deliveries of all. Tenants and their hooks are no labels.
func together(hooks []listener.HookStatus) []listener.HookStatus {
	var some []listener.HookStatus
	all, any := listener.HookStatus{Table: "webhook", Hook: "*"}, false
	for i, h := range hooks {
		switch {
		case i > 0 && h.Table == hooks[i-1].Table && h.Hook == hooks[i-1].Hook:
			continue // a run beside the hook's ordinary one, which comes first
		case !h.IsWebhook():
			some = append(some, h)
			continue
		}
		any = true
		all.Retry, all.Held, all.Dead = all.Retry+h.Retry, all.Held+h.Held, all.Dead+h.Dead
		if h.Status == "active" {
			all.Lag, all.Behind = max(all.Lag, h.Lag), max(all.Behind, h.Behind)
		}
	}
	if any {
		some = append(some, all)
	}
	return some
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
