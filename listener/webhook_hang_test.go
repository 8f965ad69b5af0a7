package listener_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/hooks/hookstest"
	"github.com/latchkey-dev/latchkey/listener"
)

// Receivers that hang keep nobody waiting but themselves: other webhooks and hooks in Go go on, WaitFor too, and memory is bounded.
// Once they answer, all comes, once, in the order of its entity.
func TestHangingWebhooks(t *testing.T) {
	t.Parallel()
	r := newWebhookRig(t)
	r.afterRoles("go", func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error { return leave(ctx, tx, "go", ev) })
	n := r.start()
	gate := newGate(t)
	hang := func(http.ResponseWriter, hookstest.Webhook) { <-gate.open }
	fast, one, two := r.hook("fast", "role.*"), r.hook("one", "role.*"), r.hook("two", "role.*")
	one.Answer(hang)
	two.Answer(hang)
	n.reread()
	const most = 2 * (512 + 128)
	for range 8 {
		r.exec(`insert into auth.roles (tenant_id, id, name) select 't', r, r from (select gen_random_uuid()::text as r from generate_series(1, 100)) x`)
		r.exec(`update auth.roles set description = 'new' where description = ''`)
		n.catchUp()
		if got := n.l.WebhooksInMemory(); got > most+200 {
			t.Fatalf("%d deliveries are in memory, want at most %d of those that hang", got, most)
		}
	}
	const all = 1600
	fast.Await(all)
	if got := value[int](r.rig, `select count(*) from effect`); got != all {
		t.Errorf("%d effects of the hook in Go, want %d", got, all)
	}
	for _, sink := range []*hookstest.Sink{one, two} {
		if got := len(sink.Received()); got == 0 || got > 64 {
			t.Errorf("%d requests hang, want at most 64", got)
		}
	}
	if stored := value[int](r.rig, `select count(*) from latchkey.deliveries d join latchkey.subscriptions s on s.id = d.subscription_id where s.hook in ('one', 'two')`); stored != 0 {
		t.Errorf("%d deliveries to those that hang have a row", stored)
	}
	gate.release()
	r.eventually("all is delivered", `select count(*) = $1 from latchkey.deliveries where status = 'done' and attempt = 1`, 3*all)
	for _, sink := range []*hookstest.Sink{fast, one, two} {
		got := sink.Received()
		if len(got) != all || len(delivered(got)) != all {
			t.Fatalf("%d requests with %d ids, want %d", len(got), len(delivered(got)), all)
		}
		created := map[string]bool{}
		for _, w := range got {
			var body struct{ Entity struct{ ID string } }
			decode(t, w, &body)
			if created[body.Entity.ID] != (w.TriggerID == "role.updated") {
				t.Fatalf("%s of %s is out of order", w.TriggerID, body.Entity.ID)
			}
			created[body.Entity.ID] = true
		}
	}
}

// What fails of one entity, 10,000 times held, is no reason to hold more in memory; and it can be paused and resumed.
func TestManyAside(t *testing.T) {
	t.Parallel()
	r := newWebhookRig(t)
	n := r.start(schedule(time.Hour))
	sink := r.hook("h", "role.*")
	failingSink(sink, func(string) bool { return true })
	n.reread()
	r.roles("a")
	r.awaitRows("h", "retry 1")
	update := func(n int) {
		t.Helper()
		r.exec(fmt.Sprintf(`do $$ begin for i in 1..%d loop update auth.roles set description = i::text; end loop; end $$`, n))
	}
	update(9700)
	n.catchUp()
	r.eventually("those are held", `select count(*) = 9701 from latchkey.deliveries`)
	for range 8 { // few at a time, which its queue has room for
		update(300)
		n.catchUp()
	}
	if held := value[int](r.rig, `select count(*) from latchkey.deliveries`); held > 11_000 {
		t.Errorf("%d are held, want hardly more than 10000", held)
	}
	for _, change := range []func() error{
		func() error { return r.op.Pause(t.Context(), listener.WebhookRef("t", "h")) },
		func() error { return r.op.Resume(t.Context(), listener.WebhookRef("t", "h"), false) },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		n.reread()
	}
	n.awaitLog("a hook is resumed")
	r.exec(`delete from auth.hooks`)
	n.reread()
	r.eventually("it is gone", `select not exists (select from latchkey.deliveries)`)
}

// A receiver that is down is asked no more after a few failures, and what happens meanwhile stays in the log. When it is back it
// gets all of it.
func TestWebhookReceiverDown(t *testing.T) {
	t.Parallel()
	r := newWebhookRig(t)
	n := r.start(schedule(slices.Repeat([]time.Duration{100 * time.Millisecond}, 20)...))
	sink := r.hook("h", "role.created")
	var config net.ListenConfig
	down, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := down.Addr().String()
	_ = down.Close()
	r.set("h", `url = 'http://`+address+`/'`)
	n.reread()
	for i := range 10 {
		r.roles(names("r", 100*i, 100*i+99)...)
		n.catchUp()
	}
	if rows := value[int](r.rig, `select count(*) from latchkey.deliveries`); rows == 0 || rows > 100 {
		t.Errorf("%d of 1000 deliveries have a row, want those that were under way when the breaker opened, 64, and a few probes", rows)
	}
	to, err := url.Parse(sink.URL)
	if err != nil {
		t.Fatal(err)
	}
	back, err := config.Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Skipf("someone else has the port now: %v", err)
	}
	server := &http.Server{Handler: httputil.NewSingleHostReverseProxy(to), ReadHeaderTimeout: time.Minute}
	served := make(chan struct{})
	go func() { _ = server.Serve(back); close(served) }()
	t.Cleanup(func() { _ = server.Close(); <-served })
	up := time.Now()
	r.eventually("all is delivered", `select count(*) = 1000 from latchkey.deliveries where status = 'done'`)
	if took := time.Since(up); took > 20*time.Second {
		t.Errorf("it was back for %v until it had all", took)
	}
	if got := delivered(sink.Received()); len(got) != 1000 {
		t.Errorf("%d were delivered, want 1000", len(got))
	}
}
