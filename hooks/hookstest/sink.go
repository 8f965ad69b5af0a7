package hookstest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/listener/webhook"
)

// Sink is a receiver of webhooks. It verifies the signature of each request, which fails the test if it is wrong, keeps it, and
// answers 204 unless Answer says otherwise.
type Sink struct {
	URL    string
	Secret webhook.Secret

	tb      testing.TB
	mu      sync.Mutex
	answer  func(w http.ResponseWriter, got Webhook)
	got     []Webhook
	changed chan struct{}
}

// Webhook is a request that a Sink got.
type Webhook struct {
	ID        string // the webhook-id, the same for every attempt
	TenantID  string
	TriggerID string
	EventID   string
	Header    http.Header
	Body      json.RawMessage
	At        time.Time
}

// NewSink starts a receiver, which ends with the test. [Env.Webhook] makes one with a hook that sends to it.
func NewSink(tb testing.TB) *Sink {
	tb.Helper()
	s := &Sink{Secret: webhook.NewSecret(), tb: tb, changed: make(chan struct{})}
	server := httptest.NewServer(http.HandlerFunc(s.serve))
	tb.Cleanup(func() {
		server.CloseClientConnections() // a test may have left one hanging
		server.Close()
	})
	s.URL = server.URL
	return s
}

// Answer has fn answer the requests from now on. It may be called for several at once, after the request is kept.
func (s *Sink) Answer(fn func(w http.ResponseWriter, got Webhook)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = fn
}

// Received is what came so far, in the order in which it came.
func (s *Sink) Received() []Webhook {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// Await waits until at least n requests came.
func (s *Sink) Await(n int) []Webhook {
	s.tb.Helper()
	deadline := time.After(patience)
	for {
		s.mu.Lock()
		got, changed := slices.Clone(s.got), s.changed
		s.mu.Unlock()
		if len(got) >= n {
			return got
		}
		select {
		case <-changed:
		case <-deadline:
			s.tb.Fatalf("hookstest: waited %v for %d webhooks, and %d came", patience, n, len(got))
		}
	}
}

func (s *Sink) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = webhook.Verify(r.Header, body, s.Secret)
	}
	got := Webhook{ID: r.Header.Get("webhook-id"), Header: r.Header, Body: body, At: time.Now()}
	if err == nil {
		err = json.Unmarshal(body, &struct {
			TenantID  *string `json:"tenant_id"`
			TriggerID *string `json:"trigger_id"`
			EventID   *string `json:"event_id"`
		}{&got.TenantID, &got.TriggerID, &got.EventID})
	}
	if err != nil {
		s.tb.Errorf("hookstest: a webhook that is not as it should be: %v", err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.got = append(s.got, got)
	answer := s.answer
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()
	if answer != nil {
		answer(w, got)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
