package listener_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/hooks/hookstest"
	"github.com/latchkey-dev/latchkey/listener"
)

// A message keeps its webhook-id and its bytes through attempts, a stop, a crash and a replay.
func TestWebhookKeepsItsID(t *testing.T) {
	t.Parallel()
	r := newWebhookRig(t)
	hour := schedule(time.Hour, time.Hour, time.Hour, time.Hour, time.Hour)
	n := r.start(hour)
	sink := r.hook("h", "role.created")
	receiver := failingSink(sink, func(string) bool { return true })
	n.reread()
	again := func(attempts string) {
		t.Helper()
		r.awaitRows("h", attempts)
		// The time has come; what is in memory learns of it with the next term.
		r.exec(`update latchkey.deliveries set next_attempt_at = now()`)
	}
	r.roles("a")
	again("retry 1")
	n.stop()
	n = r.start(hour)
	again("retry 2")
	n.kill()
	n = r.start(hour)
	again("retry 3")
	receiver.mend()
	n.stop()
	n = r.start(hour)
	r.awaitRows("h", "done 4")
	run := must[listener.HookRun](t)(r.op.Replay(t.Context(), listener.ReplayRequest{Hook: listener.WebhookRef("t", "h")}))
	r.awaitRun(run)
	r.awaitRows("h", "done 4", "done 1")
	got := sink.Received()
	if len(got) != 5 {
		t.Fatalf("%d requests, want 5", len(got))
	}
	for _, w := range got {
		if w.ID != got[0].ID || !bytes.Equal(w.Body, got[0].Body) || w.EventID != got[0].EventID {
			t.Errorf("another attempt has the id %s and the body %s; the first had %s and %s", w.ID, w.Body, got[0].ID, got[0].Body)
		}
	}
	if logs := r.logs("h"); logs != "failed_hook 1 retry, failed_hook 2 retry, failed_hook 3 retry, success_hook 4 done, success_hook 1 done" {
		t.Errorf("the log has %q", logs)
	}
	n.stop()
}

// The pauses between attempts are those of the schedule, and after the last one the delivery is dead.
func TestWebhookSchedule(t *testing.T) {
	t.Parallel()
	r := newWebhookRig(t)
	pauses := []time.Duration{50 * time.Millisecond, 150 * time.Millisecond, 300 * time.Millisecond}
	n := r.start(schedule(pauses...))
	sink := r.hook("h", "role.created")
	failingSink(sink, func(m string) bool { return !strings.HasSuffix(m, " good") })
	n.reread()
	r.roles("a", "good")
	r.awaitRows("h", "dead 4", "done 1")
	at := map[string][]time.Time{}
	for _, w := range sink.Received() {
		at[tells(w)] = append(at[tells(w)], w.At)
	}
	for i, pause := range pauses {
		if took := at["role.created a"][i+1].Sub(at["role.created a"][i]); took < pause || took > pause+2*time.Second {
			t.Errorf("attempt %d came after %v, want %v", i+2, took, pause)
		}
	}
}

// A receiver that asks for a pause gets it.
func TestWebhookRetryAfter(t *testing.T) {
	t.Parallel()
	for _, code := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		t.Run(http.StatusText(code), func(t *testing.T) {
			t.Parallel()
			r := newWebhookRig(t)
			n := r.start()
			sink := r.hook("h", "role.created")
			first := true
			sink.Answer(func(w http.ResponseWriter, _ hookstest.Webhook) {
				if first {
					first = false
					w.Header().Set("Retry-After", "1")
					w.WriteHeader(code)
				}
			})
			n.reread()
			r.roles("a")
			r.awaitRows("h", "done 2")
			if got := sink.Received(); got[1].At.Sub(got[0].At) < time.Second {
				t.Errorf("it asked for a second, and was asked again after %v", got[1].At.Sub(got[0].At))
			}
		})
	}
}

// A replay is told of what committed before the hook was made, too; its ordinary run isn't.
func TestReplayFromBeforeTheWebhook(t *testing.T) {
	t.Parallel()
	r := newWebhookRig(t)
	n := r.start()
	r.roles("early")
	n.catchUp()
	sink := r.hook("h", "role.created")
	n.reread()
	r.roles("late")
	n.catchUpWebhooks()
	r.awaitRows("h", "done 1")
	r.awaitRun(must[listener.HookRun](t)(r.op.Replay(t.Context(), listener.ReplayRequest{Hook: listener.WebhookRef("t", "h"), To: listener.Point{Seq: 1}})))
	var got []string
	for _, w := range sink.Received() {
		got = append(got, tells(w))
	}
	if strings.Join(got, ", ") != "role.created late, role.created early" {
		t.Errorf("the receiver got %v", got)
	}
}
