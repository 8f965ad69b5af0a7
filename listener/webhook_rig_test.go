package listener_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pglogrepl"

	"github.com/latchkey-dev/latchkey/hooks/hookstest"
	"github.com/latchkey-dev/latchkey/listener"
	"github.com/latchkey-dev/latchkey/listener/webhook"
	"github.com/latchkey-dev/latchkey/listener/webhook/sender"
)

// webhookRig is an operateRig whose listeners send webhooks, to receivers on this machine.
type webhookRig struct {
	*operateRig
}

func newWebhookRig(t *testing.T) *webhookRig {
	t.Helper()
	return &webhookRig{newOperateRig(t)}
}

// start starts a listener that sends webhooks and looks at once for what is changed.
func (r *webhookRig) start(options ...option) *node {
	r.t.Helper()
	return r.operateRig.start(append([]option{attentive(), roomy(), r.sending()}, options...)...)
}

// roomy is for tests that write much at once: parts of the log hold more of it.
func roomy() option {
	return onOpen(func(l *listener.Listener) { l.SetRetention(20*time.Millisecond, 100_000) })
}

// sending is what it takes to send. A failed delivery is tried again after 10 ms, nine times.
func (r *webhookRig) sending(set ...func(*sender.Config)) option {
	return with(func(c *listener.Config) {
		guard, err := webhook.NewGuard("127.0.0.0/8", "::1/128")
		if err != nil {
			r.t.Fatal(err)
		}
		config := sender.Config{Tables: r.reg.Tables(), Guard: guard, Seal: unsealed{}}
		for _, fn := range set {
			fn(&config)
		}
		if c.Webhooks, err = sender.New(config); err != nil {
			r.t.Fatal(err)
		}
		r.t.Cleanup(c.Webhooks.Close)
		c.WebhookSchedule = slices.Repeat(webhook.Schedule{10 * time.Millisecond}, 9)
	})
}

// schedule sets the pauses between attempts.
func schedule(pauses ...time.Duration) option {
	return with(func(c *listener.Config) { c.WebhookSchedule = pauses })
}

// often tries again after a pause, for longer than a test lasts.
func often(pause time.Duration) option {
	return schedule(slices.Repeat(webhook.Schedule{pause}, 1000)...)
}

// unsealed is for secrets that a test keeps as they are.
type unsealed struct{}

func (unsealed) Open(sealed []byte, _ string) ([]byte, error) { return sealed, nil }

// hook makes a hook of tenant t and its receiver.
func (r *webhookRig) hook(id, trigger string) *hookstest.Sink {
	r.t.Helper()
	sink := hookstest.NewSink(r.t)
	r.hookTo(sink, "t", id, trigger)
	return sink
}

// hookTo makes a hook that sends to a receiver.
func (r *webhookRig) hookTo(sink *hookstest.Sink, tenant, id, trigger string) {
	r.t.Helper()
	r.exec(`with made as (insert into auth.hooks (tenant_id, hook_id, name, trigger_id, url) values ($1, $2, 'the ' || $2, $3, $4) returning tenant_id, hook_id)
		insert into auth.hook_secrets (tenant_id, hook_id, kind, sealed) select tenant_id, hook_id, 'signing', $5 from made`,
		tenant, id, trigger, sink.URL, []byte(sink.Secret.Reveal()))
}

// set changes a hook of tenant t.
func (r *webhookRig) set(id, assignments string) {
	r.t.Helper()
	r.exec(`update auth.hooks set `+assignments+` where tenant_id = 't' and hook_id = $1`, id)
}

// reread has the owner look for changed hooks now.
func (n *node) reread() {
	n.r.t.Helper()
	if err := n.l.Reread(n.r.ctx()); err != nil {
		n.r.t.Fatal(err)
	}
}

// catchUpWebhooks waits until all that has been written is sent, too.
func (n *node) catchUpWebhooks() {
	n.r.t.Helper()
	n.catchUp()
	ctx, cancel := context.WithTimeout(n.r.ctx(), patience)
	defer cancel()
	if err := n.l.WaitForWebhooks(ctx, value[pglogrepl.LSN](n.r, `select pg_current_wal_flush_lsn()`)); err != nil {
		n.r.t.Fatalf("%v; %s", err, n.state())
	}
}

// awaitRows waits until a hook's deliveries, of all its runs, stand so: the status and attempt of each, in the order of seq.
func (r *webhookRig) awaitRows(id string, want ...string) {
	r.t.Helper()
	const sql = `select coalesce(string_agg(d.status || ' ' || d.attempt, ', ' order by d.seq, s.run), '')
		from latchkey.deliveries d join latchkey.subscriptions s on s.id = d.subscription_id where s.hook = $1`
	defer func() {
		if r.t.Failed() {
			r.t.Logf("the deliveries of %s are: %s", id, value[string](r.rig, sql, id))
		}
	}()
	r.eventually(fmt.Sprintf("the deliveries of %s are %v", id, want), `select (`+sql+`) = $2`, id, strings.Join(want, ", "))
}

// awaitStatuses waits until a hook's deliveries stand so, in the order of seq, however often each was tried.
func (r *webhookRig) awaitStatuses(id string, want ...string) {
	r.t.Helper()
	r.eventually(fmt.Sprintf("the deliveries of %s are %v", id, want), `select $2 = (select coalesce(string_agg(d.status, ', ' order by d.seq, s.run), '')
		from latchkey.deliveries d join latchkey.subscriptions s on s.id = d.subscription_id where s.hook = $1)`, id, strings.Join(want, ", "))
}

// logs are the lines of the tenant's log: type, attempt and outcome of each.
func (r *webhookRig) logs(id string) string {
	r.t.Helper()
	return value[string](r.rig, `select coalesce(string_agg(format('%s %s %s', type, details ->> 'attempt', details ->> 'outcome'), ', ' order by date), '')
		from auth.logs where details ->> 'hook_id' = $1`, id)
}

func (r *webhookRig) awaitStatus(id, status string) {
	r.t.Helper()
	want := "active"
	if status != "active" {
		want = "paused"
	}
	r.eventually("hook "+id+" is "+status, `select h.status = $2 and s.status = $3 from auth.hooks h join latchkey.subscriptions s on s.hook = h.hook_id and s.run = 0
		where h.tenant_id = 't' and h.hook_id = $1`, id, status, want)
}

// tells is what a message says: its trigger, and the entity that it is about with its description.
func tells(w hookstest.Webhook) string {
	var body struct {
		Entity, User struct {
			ID, UserID, RoleID, Description string
		}
	}
	text := strings.NewReplacer(`"user_id"`, `"userid"`, `"role_id"`, `"roleid"`).Replace(string(w.Body))
	_ = json.Unmarshal([]byte(text), &body) // what isn't there is empty
	e := body.Entity
	return strings.Join(strings.Fields(strings.Join([]string{w.TriggerID, e.ID + e.UserID + e.RoleID + body.User.UserID, e.Description}, " ")), " ")
}

// requireTold fails the test unless a receiver got these messages, in this order, without those that failed.
func requireTold(t *testing.T, got []hookstest.Webhook, want ...string) {
	t.Helper()
	var all []string
	for _, w := range got {
		all = append(all, tells(w))
	}
	if !slices.Equal(all, want) {
		t.Fatalf("the receiver was told\n  %s\nwant\n  %s", strings.Join(all, "\n  "), strings.Join(want, "\n  "))
	}
}

// failing answers 500 to what fails says, and counts.
type failing struct {
	mu    sync.Mutex
	fails func(message string) bool
	n     int
}

func failingSink(sink *hookstest.Sink, fails func(message string) bool) *failing {
	f := &failing{fails: fails}
	sink.Answer(func(w http.ResponseWriter, got hookstest.Webhook) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.fails(tells(got)) {
			f.n++
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	return f
}

// mend lets all pass from now on.
func (f *failing) mend() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fails = func(string) bool { return false }
}

// delivered are those messages that were answered well: the last of each webhook-id.
func delivered(got []hookstest.Webhook) (last []hookstest.Webhook) {
	seen := map[string]bool{}
	for _, w := range slices.Backward(got) {
		if !seen[w.ID] {
			last = append(last, w)
		}
		seen[w.ID] = true
	}
	slices.Reverse(last)
	return last
}

// decode reads a message's body.
func decode[T any](t *testing.T, w hookstest.Webhook, into *T) {
	t.Helper()
	if err := json.Unmarshal(w.Body, into); err != nil {
		t.Fatalf("%v\nin: %s", err, w.Body)
	}
}
