package api_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/listener"
	"github.com/latchkey-dev/latchkey/listener/webhook"
	"github.com/latchkey-dev/latchkey/listener/webhook/sender"
)

// receiver notes the ids of what it gets, and answers with its code.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex
	code int
	ids  []string
	came chan string
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{code: http.StatusOK, came: make(chan string, 100)}
	r.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.ids = append(r.ids, req.Header.Get("webhook-id"))
		w.WriteHeader(r.code)
		_, _ = fmt.Fprint(w, "thanks")
		r.came <- req.Header.Get("webhook-id")
	}))
	var config net.ListenConfig
	bound, err := config.Listen(t.Context(), "tcp", receiverHost+":0")
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Listener.Close()
	r.Listener = bound
	r.Start()
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) answer(code int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.code = code
}

// await asks until the answer has a text: the engine writes what came of attempts many at a time.
func (r *rig) await(path, text string) answer {
	r.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for {
		a := r.as("GET", path, "")
		if strings.Contains(a.text, text) {
			return a
		}
		select {
		case <-tick.C:
		case <-late:
			r.t.Fatalf("GET %s still answers %s without %s", path, a.text, text)
		}
	}
}

// A webhook from its making to its replay: all that is told of it is what the engine wrote.
func TestWebhookLives(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	to := newReceiver(t)
	guard, err := webhook.NewGuard(receiverHost)
	r.ok(err)
	s, err := sender.New(sender.Config{Tables: db.NewHooks().Tables(), Guard: guard, Seal: r.keys})
	r.ok(err)
	t.Cleanup(s.Close)
	r.listenWith(listener.Config{Webhooks: s, WebhookSchedule: webhook.Schedule{10 * time.Millisecond}})
	h := into[hook](r, r.as("POST", "/api/v2/hooks", fmt.Sprintf(`{"url": %q, "trigger_id": "role.created", "headers": {"X-Key": "hunter22"}}`, to.URL)).want(t, 201, "whsec_"))
	path := "/api/v2/hooks/" + h.HookID

	r.role("acme", "one")
	first := <-to.came
	list := into[deliveries](r, r.await(path+"/deliveries", `"status":"done"`)).Deliveries
	if len(list) != 1 || list[0].WebhookID != first || len(list[0].Attempts) != 1 || list[0].Attempts[0].Code != 200 || list[0].Attempts[0].Body != "thanks" {
		t.Fatalf("told is %+v; the receiver got %s", list, first)
	}
	r.as("POST", path+"/deliveries/"+list[0].ID+"/redeliver", "").want(t, 202, `"status":"replay"`)
	if again := <-to.came; again != first {
		t.Errorf("it was sent again as %s; want %s", again, first)
	}

	to.answer(http.StatusInternalServerError)
	r.role("acme", "two")
	second := <-to.came
	if again := <-to.came; again != second {
		t.Errorf("the second attempt was of %s; want %s", again, second)
	}
	failed := into[deliveries](r, r.await("/api/v2/failed-events?status=dead", second)).Failed
	if len(failed) != 1 || failed[0].WebhookID != second || len(failed[0].Attempts) != 2 {
		t.Fatalf("failed are %+v", failed)
	}
	to.answer(http.StatusNoContent)
	r.as("POST", "/api/v2/failed-events/"+failed[0].ID+"/retry", "").want(t, 202, `{"retried":1}`)
	if got := r.as("GET", path, ""); strings.Contains(got.text, "disabled") { // every attempt had failed
		r.as("POST", path+"/enable", "").want(t, 200, `"status":"active"`)
	}
	if again := <-to.came; again != second {
		t.Errorf("retried was %s; want %s", again, second)
	}
	a := r.as("GET", "/api/v2/logs?q=type:failed_hook", "").want(t, 200, h.HookID)
	if strings.Contains(a.text, "hunter22") {
		t.Errorf("the log tells a header: %s", a.text)
	}
	if slices.Contains(to.ids, "") {
		t.Errorf("the receiver got %q", to.ids)
	}
}
