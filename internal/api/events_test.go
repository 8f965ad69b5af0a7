package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/listener"
)

// listen runs a listener until the test ends.
func (r *rig) listen() *listener.Listener {
	r.t.Helper()
	return r.listenWith(listener.Config{})
}

func (r *rig) listenWith(cfg listener.Config) *listener.Listener {
	r.t.Helper()
	cfg.DatabaseURL, cfg.Hooks = r.url, db.NewHooks()
	l, err := listener.Open(r.t.Context(), cfg)
	r.ok(err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.t.Context()))
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	r.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && ctx.Err() == nil {
			r.t.Error(err)
		}
		l.Close()
	})
	<-l.Ready()
	return l
}

// caughtUp waits until all that was written is stored.
func (r *rig) caughtUp(l *listener.Listener) {
	r.t.Helper()
	lsn, err := r.store.LSN(r.t.Context())
	r.ok(err)
	r.ok(l.WaitFor(r.t.Context(), lsn))
}

type feed struct {
	Events []struct {
		Seq  int64 `json:"seq"`
		Data struct {
			Entity struct {
				Name string `json:"name"`
			} `json:"entity"`
			TriggerID string `json:"trigger_id"`
			EventID   string `json:"event_id"`
			TenantID  string `json:"tenant_id"`
		} `json:"data"`
	} `json:"events"`
	Next int64 `json:"next"`
	More bool  `json:"more"`
}

// names are those of the roles that a page tells of.
func (f *feed) names() (names []string) {
	for _, ev := range f.Events {
		names = append(names, ev.Data.Entity.Name)
	}
	return names
}

func (r *rig) role(tenant, name string) {
	r.t.Helper()
	_, err := r.store.Roles.Create(r.t.Context(), tenant, db.CreateRole{Name: name})
	r.ok(err)
}

func TestFeedPages(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.as("GET", "/api/v2/events", "").want(t, 200, `{"events":[],"next":0,"more":false}`)
	l := r.listen()
	for i := range 7 {
		r.role("acme", fmt.Sprintf("r%d", i))
		r.role("globex", fmt.Sprintf("g%d", i))
	}
	r.caughtUp(l)
	var names []string
	var next, last int64
	for {
		page := into[feed](r, r.as("GET", fmt.Sprintf("/api/v2/events?after=%d&limit=3", next), "").want(t, 200, ""))
		for _, ev := range page.Events {
			if ev.Seq <= last || ev.Data.TenantID != "acme" || !strings.HasPrefix(ev.Data.EventID, "evt_") {
				t.Errorf("event %+v after %d", ev, last)
			}
			last = ev.Seq
		}
		names, next = append(names, page.names()...), page.Next
		if !page.More && len(page.Events) == 0 {
			break
		}
	}
	if got := strings.Join(names, " "); got != "r0 r1 r2 r3 r4 r5 r6" {
		t.Errorf("the feed is %s", got)
	}
	r.as("GET", "/api/v2/events?after=x", "").want(t, 400, "after (query)")
	r.as("GET", "/api/v2/events?after=100000", "").want(t, 400, "no event 100000 yet")
	r.exec(`update latchkey.position set first_seq = 4`)
	r.as("GET", "/api/v2/events?after=1", "").want(t, 410, "log begins at event 4")
	r.as("GET", "/api/v2/events?after=3", "").want(t, 200, "r")
}

func TestFeedConceals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l := r.listen()
	_, err := r.store.Connections.Create(t.Context(), "acme", db.CreateConnection{Name: "g", Strategy: "google-oauth2", Options: json.RawMessage(`{"client_id": "c", "client_secret": "hunter2"}`)})
	r.ok(err)
	r.caughtUp(l)
	a := r.as("GET", "/api/v2/events", "").want(t, 200, `"client_id":"c"`)
	if strings.Contains(a.text, "hunter2") {
		t.Errorf("the feed tells a secret: %s", a.text)
	}
}

func TestFeedLongPoll(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l := r.listen()
	r.caughtUp(l)
	start := into[feed](r, r.as("GET", "/api/v2/events?wait=0", "")).Next
	came := make(chan answer, 1)
	go func() { came <- r.as("GET", fmt.Sprintf("/api/v2/events?after=%d&wait=30", start), "") }()
	r.role("globex", "not for acme")
	r.role("acme", "late")
	page := into[feed](r, <-came)
	if got := page.names(); len(got) != 1 || got[0] != "late" {
		t.Errorf("the poll answered %v", got)
	}
	page = into[feed](r, r.as("GET", fmt.Sprintf("/api/v2/events?after=%d&wait=1", page.Next), "").want(t, 200, `"events":[]`))
	if page.Next < start {
		t.Errorf("it goes on after %d", page.Next)
	}
}

// follow opens a stream and returns a function that reads its next event.
func (r *rig) follow(lastID string) (next func() (id, data string), stop func()) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.server.URL+"/api/v2/events", nil)
	r.ok(err)
	req.Header.Set("Authorization", "Bearer "+r.token("acme/read:events"))
	req.Header.Set("Accept", "text/event-stream")
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := r.server.Client().Do(req) //nolint:bodyclose // stop closes it
	r.ok(err)
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		r.t.Fatalf("the stream answered %s %s", resp.Status, resp.Header.Get("Content-Type"))
	}
	lines := bufio.NewScanner(resp.Body)
	return func() (id, data string) {
			for lines.Scan() {
				switch field, value, _ := strings.Cut(lines.Text(), ": "); field {
				case "id":
					id = value
				case "data":
					data = value
				case "":
					if data != "" {
						return id, data
					}
				}
			}
			return "", ""
		}, func() {
			cancel()
			_ = resp.Body.Close()
		}
}

// A client that loses its connection every few events gets each event once, in order.
func TestFeedStreamResumes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.listen()
	const n = 40
	written := make(chan struct{})
	go func() {
		defer close(written)
		for i := range n {
			r.role("acme", fmt.Sprintf("r%02d", i))
			r.role("globex", fmt.Sprintf("g%02d", i))
		}
	}()
	var names []string
	lastID := ""
	for turn := 0; len(names) < n; turn++ {
		next, stop := r.follow(lastID)
		for range 1 + turn%5 {
			if len(names) == n {
				break
			}
			id, data := next()
			if id == "" {
				t.Fatalf("the stream ended after %v", names)
			}
			var ev struct {
				Entity struct{ Name string }
			}
			r.ok(json.Unmarshal([]byte(data), &ev))
			names, lastID = append(names, ev.Entity.Name), id
		}
		stop()
	}
	<-written
	for i, name := range names {
		if want := fmt.Sprintf("r%02d", i); name != want {
			t.Fatalf("event %d is of %s; want %s: %v", i, name, want, names)
		}
	}
	next, stop := r.follow(lastID)
	defer stop()
	r.role("acme", "the end")
	if _, data := next(); !strings.Contains(data, "the end") {
		t.Errorf("then came %s", data)
	}
}

// A server that shuts down isn't held up by those who follow.
func TestCloseEndsStreams(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	next, stop := r.follow("")
	defer stop()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		next()
	}()
	r.api.Close()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the stream goes on")
	}
}

// A stream doesn't outlive its token.
func TestTokenEndsStream(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.clock.back = 68 * time.Second // of 60, with the leeway of 10
	next, stop := r.follow("")
	r.clock.back = 0
	defer stop()
	if id, data := next(); id != "" || data != "" {
		t.Errorf("then came %s %s", id, data)
	}
}
