//go:build unix

package listener_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/listener"
	"github.com/latchkey-dev/latchkey/listener/webhook"
	"github.com/latchkey-dev/latchkey/listener/webhook/sender"
)

// crashWebhookEnv has the database's URL in the child of TestCrashWebhooks.
const crashWebhookEnv = "LATCHKEY_CRASH_WEBHOOK_CHILD"

const crashDeliveries = 10_000

// TestCrashWebhooks kills a process that sends webhooks, five times. Each event arrives; what arrives twice has its webhook-id, and
// was under way, or answered and not yet recorded, when the process was killed.
func TestCrashWebhooks(t *testing.T) {
	if url := os.Getenv(crashWebhookEnv); url != "" {
		runCrashWebhookChild(url)
	}
	t.Parallel()
	r := newWebhookRig(t)
	sink := newCountingSink(t)
	child := r.startSender()
	r.exec(`insert into auth.hooks (tenant_id, hook_id, trigger_id, url) values ('t', 'h', 'role.created', $1)`, sink.url)
	r.exec(`insert into auth.hook_secrets (tenant_id, hook_id, kind, sealed) values ('t', 'h', 'signing', $1)`, []byte(webhook.NewSecret().Reveal()))
	r.exec(`insert into auth.roles (tenant_id, id, name) select 't', 'r' || i, 'r' || i from generate_series(1, $1::int) i`, crashDeliveries)
	const kills = 5
	underWay := 0
	for i := range kills {
		sink.await(t, crashDeliveries*(i+1)/(kills+1))
		child.kill()
		r.eventually("its backends have ended", `select not exists (select from pg_stat_activity where datname = current_database() and application_name like 'latchkey/%')`)
		sink.awaitQuiet(t)
		n := sink.unrecorded(rows[string](r.rig, `select event_id from latchkey.deliveries where status = 'done'`))
		t.Logf("kill %d: %d of %d were under way", i+1, n, sink.events())
		underWay += n
		child = r.startSender()
	}
	sink.await(t, crashDeliveries)
	r.eventually("all is recorded", `select count(*) = $1 from latchkey.deliveries where status = 'done'`, crashDeliveries)
	child.kill()
	sink.awaitQuiet(t)
	repeats := sink.requests() - sink.events()
	t.Logf("%d events arrived in %d requests: %d repeats, %d were under way at a kill", sink.events(), sink.requests(), repeats, underWay)
	if sink.events() != crashDeliveries {
		t.Errorf("%d events arrived, want %d", sink.events(), crashDeliveries)
	}
	if repeats > underWay {
		t.Errorf("%d messages arrived more than once, and %d were under way", repeats, underWay)
	}
	sink.requireOneID(t)
}

// countingSink keeps the webhook-ids of each event, and knows when no request can come any more.
type countingSink struct {
	url string

	mu   sync.Mutex
	ids  map[string][]string // by event
	all  int
	open map[net.Conn]bool
}

func newCountingSink(t *testing.T) *countingSink {
	t.Helper()
	s := &countingSink{ids: map[string][]string{}, open: map[net.Conn]bool{}}
	server := httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	server.Config.ConnState = func(c net.Conn, state http.ConnState) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.open[c] = true; state == http.StateClosed || state == http.StateHijacked {
			delete(s.open, c)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *countingSink) serve(w http.ResponseWriter, r *http.Request) {
	var body struct {
		EventID string `json:"event_id"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return // cut off by the kill: it never arrived
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all++
	s.ids[body.EventID] = append(s.ids[body.EventID], r.Header.Get("webhook-id"))
	w.WriteHeader(http.StatusNoContent)
}

func (s *countingSink) events() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ids)
}

func (s *countingSink) requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all
}

// unrecorded counts the events that arrived and are not among those that are recorded.
func (s *countingSink) unrecorded(recorded []string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.ids)
	for _, event := range recorded {
		if len(s.ids[event]) > 0 {
			n--
		}
	}
	return n
}

func (s *countingSink) requireOneID(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for event, ids := range s.ids {
		for _, id := range ids {
			if want := webhook.MessageID(event, "h"); id != want {
				t.Fatalf("event %s came as %s, want %s", event, id, want)
			}
		}
	}
}

func (s *countingSink) await(t *testing.T, events int) {
	t.Helper()
	s.until(t, fmt.Sprintf("%d events have arrived", events), func() bool { return s.events() >= events })
}

// awaitQuiet waits until nobody is connected.
func (s *countingSink) awaitQuiet(t *testing.T) {
	t.Helper()
	s.until(t, "nobody is connected", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.open) == 0
	})
}

func (s *countingSink) until(t *testing.T, what string, is func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(patience)
	for !is() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("waited %v until %s; %d have", patience, what, s.events())
		}
	}
}

// senderProcess is the test's binary once more.
type senderProcess struct {
	t   *testing.T
	cmd *exec.Cmd
	log *logged
}

// startSender starts one and waits until it owns the group.
func (r *webhookRig) startSender() *senderProcess {
	r.t.Helper()
	starting.Lock()
	defer starting.Unlock()
	p := &senderProcess{t: r.t, log: &logged{}, cmd: exec.CommandContext(r.ctx(), os.Args[0], "-test.run=^TestCrashWebhooks$")}
	p.cmd.Env = append(os.Environ(), crashWebhookEnv+"="+r.url)
	p.cmd.Stderr = p.log
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		_, err = p.cmd.StdinPipe() // it ends with us
	}
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(p.kill)
	if !bufio.NewScanner(out).Scan() {
		p.kill()
		r.t.Fatalf("the child ended before it owned the group; it said:\n%s", p.log)
	}
	return p
}

// kill is kill -9.
func (p *senderProcess) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill() // it may have ended by itself, which the test finds out
		_ = p.cmd.Wait()         // killed
	}
}

// runCrashWebhookChild doesn't return. It ends with its parent, who holds the other end of its input.
func runCrashWebhookChild(url string) {
	ctx := context.Background()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(4)
	}()
	fail := func(err error) {
		fmt.Fprintln(os.Stderr, "the child ended:", err)
		os.Exit(3)
	}
	guard, err := webhook.NewGuard("127.0.0.0/8")
	if err != nil {
		fail(err)
	}
	reg := db.NewHooks()
	webhooks, err := sender.New(sender.Config{Tables: reg.Tables(), Guard: guard, Seal: unsealed{}})
	if err != nil {
		fail(err)
	}
	l, err := listener.Open(ctx, listener.Config{
		DatabaseURL: url, Hooks: reg, Webhooks: webhooks, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Trace: listener.Trace{Owning: func(int64) { fmt.Fprintln(os.Stdout, "owning") }},
	})
	if err != nil {
		fail(err)
	}
	l.SetTiming(3*time.Second, 20*time.Millisecond, 15*time.Millisecond, 50*time.Millisecond)
	fail(l.Run(ctx))
}
