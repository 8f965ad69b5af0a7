package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/listener"
	"github.com/latchkey-dev/latchkey/listener/webhook"
	"github.com/latchkey-dev/latchkey/listener/webhook/sender"
)

func webhookMetric() metric {
	return metric{
		name: "webhook",
		figures: []string{
			"webhook_vs_client_0ms", "webhook_vs_client_20ms", "webhook_per_s_0ms", "webhook_per_s_20ms", "client_per_s_0ms", "client_per_s_20ms", "webhook_cpu_us",
		},
		about: fmt.Sprintf("%d one-row transactions waiting behind a slot, one webhook of their tenant. Latchkey: from the start of the stream until the webhook's cursor in latchkey.subscriptions has reached the last event: each request signed, "+
			"each delivery's row and log line durable. Client: Go's net/http with as many connections as Latchkey uses at once (%d), which sends as many bodies of the same bytes, reads the answers, and keeps nothing. The endpoint is in the same process, "+
			"answers at once or after 20 ms, and serves both; they take turns at being first.", webhookEvents, webhookConnections),
		run: measureWebhook,
	}
}

const (
	webhookEvents      = 20_000
	webhookConnections = 64 // the engine's most for one webhook
)

func measureWebhook(ctx context.Context, b *bench) (_ []figure, err error) {
	endpoint, err := newEndpoint(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, endpoint.close()) }()
	if err := b.makeWebhook(ctx, endpoint.url); err != nil {
		return nil, err
	}
	defer func() {
		err = errors.Join(err, b.exec(context.WithoutCancel(ctx), `truncate auth.hooks, auth.logs cascade`))
	}()
	if b.cpuProfile != "" {
		stop, err := profile(b.cpuProfile)
		if err != nil {
			return nil, err
		}
		defer stop()
	}
	var figures []figure
	var cpu []float64
	for _, c := range []struct {
		pause  time.Duration
		name   string
		target float64
	}{{0, "0ms", 0.5}, {20 * time.Millisecond, "20ms", 0.6}} {
		endpoint.pause.Store(int64(c.pause))
		var ours, theirs []float64
		for i := range b.runs {
			for turn := range 2 {
				if (i+turn)%2 == 0 {
					d, err := b.webhookRun(ctx, endpoint)
					if err != nil {
						return nil, err
					}
					ours, cpu = append(ours, rate(webhookEvents, d.took)), append(cpu, float64(d.cpu.Microseconds())/webhookEvents)
				} else {
					took, err := endpoint.plain(ctx)
					if err != nil {
						return nil, err
					}
					theirs = append(theirs, rate(webhookEvents, took))
				}
			}
			b.say("webhook %s %d/%d: Latchkey %.0f/s, a plain client %.0f/s, ratio %.3f", c.name, i+1, b.runs, ours[i], theirs[i], ours[i]/theirs[i])
		}
		figures = append(figures,
			figure{
				Name: "webhook_vs_client_" + c.name, Value: median(ratios(ours, theirs)), Target: &target{AtLeast: true, Value: c.target},
				Beside: fmt.Sprintf("%.0f requests/s beside %.0f of a plain client", median(ours), median(theirs)),
			},
			figure{Name: "webhook_per_s_" + c.name, Value: median(ours)}, figure{Name: "client_per_s_" + c.name, Value: median(theirs)})
	}
	if err := b.dropSlot(ctx, "bench_base"); err != nil {
		return nil, err
	}
	return append(figures, figure{Name: "webhook_cpu_us", Value: median(cpu), Beside: "of this process for each delivery, the endpoint included"}), nil
}

// makeWebhook makes the hook that the backlog is for.
func (b *bench) makeWebhook(ctx context.Context, url string) error {
	return b.exec(ctx, `with made as (insert into auth.hooks (tenant_id, hook_id, trigger_id, url, start_lsn) values ('t0', 'hook_bench', 'role.created', $1, '0/0') returning hook_id)
		insert into auth.hook_secrets (tenant_id, hook_id, kind, sealed) select 't0', hook_id, 'signing', $2 from made`, url, []byte(webhook.NewSecret().Reveal()))
}

// webhookRun delivers a backlog.
func (b *bench) webhookRun(ctx context.Context, at *endpoint) (d delivered, err error) {
	l, err := b.writeBacklogOf(ctx, webhookEvents-1, 1)
	if err != nil {
		return d, err
	}
	reg := db.NewHooks()
	guard, err := webhook.NewGuard("127.0.0.0/8")
	if err != nil {
		return d, err
	}
	s, err := sender.New(sender.Config{Tables: reg.Tables(), Guard: guard, Seal: unsealed{}})
	if err != nil {
		return d, err
	}
	defer s.Close()
	c := newCounter(l.all())
	at.count(c)
	return b.deliver(ctx, l, reg, c, func(config *listener.Config) { config.Webhooks = s })
}

// unsealed is for a secret that is worth nothing.
type unsealed struct{}

func (unsealed) Open(sealed []byte, _ string) ([]byte, error) { return sealed, nil }

// endpoint receives webhooks.
type endpoint struct {
	url    string
	pause  atomic.Int64
	server *http.Server
	ended  chan error

	mu   sync.Mutex
	c    *counter
	body []byte // as it came last
}

func newEndpoint(ctx context.Context) (*endpoint, error) {
	var config net.ListenConfig
	bound, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	e := &endpoint{url: "http://" + bound.Addr().String(), ended: make(chan error, 1)}
	e.server = &http.Server{Handler: http.HandlerFunc(e.serve), ReadHeaderTimeout: 10 * time.Second}
	go func() { e.ended <- e.server.Serve(bound) }()
	return e, nil
}

func (e *endpoint) close() error {
	err := e.server.Close()
	if ended := <-e.ended; !errors.Is(ended, http.ErrServerClosed) {
		return errors.Join(err, ended)
	}
	return err
}

func (e *endpoint) count(c *counter) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.c = c
}

func (e *endpoint) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	time.Sleep(time.Duration(e.pause.Load()))
	w.WriteHeader(http.StatusNoContent)
	e.mu.Lock()
	c := e.c
	e.body = body
	e.mu.Unlock()
	if c != nil {
		c.one()
	}
}

// plain sends as many requests with a plain client.
func (e *endpoint) plain(ctx context.Context) (time.Duration, error) {
	e.mu.Lock()
	e.c = nil
	body := e.body
	e.mu.Unlock()
	if body == nil {
		body = bytes.Repeat([]byte("x"), 600)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: webhookConnections, MaxConnsPerHost: webhookConnections}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	began := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	for w := range webhookConnections {
		g.Go(func() error {
			for i := w; i < webhookEvents; i += webhookConnections {
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
				if err != nil {
					return err
				}
				resp, err := client.Do(req)
				if err != nil {
					return err
				}
				_, err = io.Copy(io.Discard, resp.Body)
				if err := errors.Join(err, resp.Body.Close()); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := g.Wait()
	return time.Since(began), err
}
