package listener_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/hooks/hookstest"
	"github.com/latchkey-dev/latchkey/listener"
)

// A clean stop waits for requests as long as Config.StopTimeout. What it cuts off was no attempt, and is sent again with its id.
func TestStopCutsRequestsOff(t *testing.T) {
	t.Parallel()
	r := newWebhookRig(t)
	n := r.start(with(func(c *listener.Config) { c.StopTimeout = 300 * time.Millisecond }))
	sink := r.hook("h", "role.created")
	gate := newGate(t)
	sink.Answer(func(http.ResponseWriter, hookstest.Webhook) { <-gate.open })
	n.reread()
	r.roles("a", "b")
	sink.Await(2)
	began := time.Now()
	n.stop()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the stop took %v", took)
	}
	r.awaitRows("h")
	if logs := r.logs("h"); logs != "" {
		t.Errorf("the log has %q", logs)
	}
	if clean := value[bool](r.rig, `select clean from latchkey.owner`); !clean {
		t.Error("the stop was not clean")
	}
	gate.release()
	n = r.start()
	r.awaitRows("h", "done 1", "done 1")
	got := sink.Await(4)
	for _, entity := range []string{"a", "b"} {
		if about := of(got, entity); len(about) != 2 || about[0].ID != about[1].ID {
			t.Errorf("of %s there were %d requests, want 2 with one id", entity, len(about))
		}
	}
	n.stop()
}

// A request that is answered in the time that a stop has is recorded.
func TestStopWaitsForRequests(t *testing.T) {
	t.Parallel()
	r := newWebhookRig(t)
	n := r.start()
	sink := r.hook("h", "role.created")
	gate := newGate(t)
	sink.Answer(func(http.ResponseWriter, hookstest.Webhook) { gate.pass() })
	n.reread()
	r.roles("a")
	gate.awaitArrival()
	n.cancel()
	gate.release()
	n.stop()
	r.awaitRows("h", "done 1")
	n = r.start()
	n.catchUp()
	n.stop()
	if got := sink.Received(); len(got) != 1 {
		t.Errorf("it was sent %d times", len(got))
	}
}

// frozen is a listener that never renews its lease and stands still before it sends.
func (r *webhookRig) frozen(gate *gate) *node {
	r.t.Helper()
	return r.start(onOpen(func(l *listener.Listener) {
		l.SetTiming(500*time.Millisecond, time.Hour, 50*time.Millisecond, 50*time.Millisecond)
	}),
		onStep(func(step string) {
			if step == "send" {
				gate.pass()
			}
		}))
}

// A process that was frozen before a request doesn't send it once its lease has run out; whoever owns the group then does.
func TestFrozenBeforeSending(t *testing.T) {
	t.Parallel()
	for _, successor := range []bool{false, true} {
		t.Run(map[bool]string{false: "itself", true: "successor"}[successor], func(t *testing.T) {
			t.Parallel()
			r := newWebhookRig(t)
			sink := r.hook("h", "role.created")
			sink.Answer(func(http.ResponseWriter, hookstest.Webhook) {
				if epoch := value[int64](r.rig, `select epoch from latchkey.owner`); epoch < 2 {
					t.Errorf("it was sent in epoch %d, whose lease had run out", epoch)
				}
			})
			gate := newGate(t)
			n := r.frozen(gate)
			r.roles("a")
			gate.awaitArrival()
			if successor {
				next := r.standBy(attentive(), roomy(), r.sending())
				next.awaitOwning()
				sink.Await(1)
				gate.release()
				r.awaitRows("h", "done 1")
				next.stop()
			} else {
				<-time.After(600 * time.Millisecond) // the lease, by which it goes
				gate.release()
				n.awaitOwning()
				r.awaitRows("h", "done 1")
			}
			if got := sink.Received(); len(got) != 1 {
				t.Errorf("it was sent %d times", len(got))
			}
		})
	}
}
