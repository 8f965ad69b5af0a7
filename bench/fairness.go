package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/listener"
)

func fairnessMetric() metric {
	return metric{
		name:    "fairness",
		figures: []string{"webhook_fairness_p99", "webhook_fairness_p50", "webhook_alone_p99_ms", "webhook_among_p99_ms"},
		about: fmt.Sprintf("%d one-row transactions a second of one tenant, whose webhook goes to an endpoint that answers after 20 ms: from the moment that a writer sends COMMIT to the arrival of the request. "+
			"Alone, and beside two webhooks of the same tenant for the same events: one whose endpoint never answers (each request ends after 15 s), and one whose endpoint answers 400 to every request. The first tenth of each run is left out.", fairnessRate),
		run: measureFairness,
	}
}

const fairnessRate = 1000 // events a second

func measureFairness(ctx context.Context, b *bench) ([]figure, error) {
	var alone50, alone99, among50, among99 []float64
	for i := range b.runs {
		for turn := range 2 {
			among := (i+turn)%2 == 1
			times, err := b.fairnessRun(ctx, among)
			if err != nil {
				return nil, err
			}
			if among {
				among50, among99 = append(among50, quantile(times, 0.5)), append(among99, quantile(times, 0.99))
			} else {
				alone50, alone99 = append(alone50, quantile(times, 0.5)), append(alone99, quantile(times, 0.99))
			}
		}
		b.say("fairness %d/%d: alone p50 %.2f p99 %.2f ms, among others p50 %.2f p99 %.2f ms", i+1, b.runs, alone50[i], alone99[i], among50[i], among99[i])
	}
	if err := b.dropSlot(ctx, "bench_base"); err != nil {
		return nil, err
	}
	return []figure{
		{
			Name: "webhook_fairness_p99", Value: median(ratios(among99, alone99)), Target: &target{Value: 2},
			Beside: fmt.Sprintf("%.2f ms beside %.2f alone", median(among99), median(alone99)),
		},
		{Name: "webhook_fairness_p50", Value: median(ratios(among50, alone50)), Beside: fmt.Sprintf("%.2f ms beside %.2f alone", median(among50), median(alone50))},
		{Name: "webhook_alone_p99_ms", Value: median(alone99)},
		{Name: "webhook_among_p99_ms", Value: median(among99)},
	}, nil
}

func (b *bench) fairnessRun(ctx context.Context, among bool) (times []float64, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, runLimit, errSlow)
	defer cancel()
	n := int(fairnessRate * b.live.Seconds())
	l, c := newLoad("auth.roles", n), newCounter(n)
	l.tenants = 1
	release := make(chan struct{})
	endpoint, err := newSite(ctx, fairnessEndpoint(l, c, release))
	if err != nil {
		return nil, err
	}
	defer func() { close(release); err = errors.Join(err, endpoint.close()) }()
	paths := []string{"/healthy"}
	if among {
		paths = append(paths, "/hangs", "/refuses")
	}
	if err := b.empty(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.forgetWebhooks(ctx)) }()
	for _, path := range paths {
		if err := b.makeWebhook(ctx, endpoint.url+path); err != nil {
			return nil, err
		}
	}
	if err := b.createSlot(ctx, "bench_base"); err != nil {
		return nil, err
	}
	reg := db.NewHooks()
	s, err := newSender(reg)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	e, err := b.prepareEngine(ctx, "bench_base", reg, func(config *listener.Config) { config.Webhooks = s })
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.stop()) }()
	e.start(ctx)
	if _, err := e.owned(ctx); err != nil {
		return nil, err
	}
	if _, err := l.run(ctx, b.url, fairnessRate); err != nil {
		return nil, err
	}
	if err := e.wait(ctx, c.done); err != nil {
		return nil, err
	}
	return l.times(l.seen)
}

// fairnessEndpoint is a healthy endpoint, one that hangs and one that refuses.
func fairnessEndpoint(l *load, c *counter, release <-chan struct{}) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthy", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Entity struct {
				ID string `json:"id"`
			} `json:"entity"`
		}
		if json.NewDecoder(r.Body).Decode(&body) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		l.see(body.Entity.ID)
		time.Sleep(20 * time.Millisecond)
		w.WriteHeader(http.StatusNoContent)
		c.one()
	})
	mux.HandleFunc("/hangs", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // its end is what tells that the client is gone
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("/refuses", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // so that the connection is used again
		w.WriteHeader(http.StatusBadRequest)
	})
	return mux
}
