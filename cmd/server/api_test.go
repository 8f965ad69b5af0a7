package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// The management API by the token that the server prints: a hook is made, the feed tells of a row that psql wrote, and who
// follows it doesn't hold the server up when it ends.
func TestServeAPI(t *testing.T) {
	t.Parallel()
	p := launch(t, freshDir(t), "--rate-limit", "1234")
	base := strings.TrimPrefix(p.out.await(t, 1, `^Latchkey is running at http://`)[0], "Latchkey is running at ")
	line := p.out.await(t, 1, `^A token for the management API`)[0]
	raw := line[strings.LastIndexByte(line, ' ')+1:]
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	call := func(method, path, body, accept string) (status int, answer io.Reader) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		t.Cleanup(cancel)
		req, err := http.NewRequestWithContext(ctx, method, base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+raw)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", accept)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		if limit := resp.Header.Get("X-RateLimit-Limit"); limit != "1234" {
			t.Errorf("%s %s: the limit is %q", method, path, limit)
		}
		return resp.StatusCode, resp.Body
	}
	status, made := call(http.MethodPost, "/api/v2/hooks", `{"url": "https://93.184.215.14/", "trigger_id": "user.deleted"}`, "")
	text, err := io.ReadAll(made)
	if err != nil || status != http.StatusCreated || !strings.Contains(string(text), `"secret":"whsec_`) {
		t.Fatalf("a new hook: %d %s %v", status, text, err)
	}
	requireStatus(t, p, "/docs", http.StatusOK)
	requireStatus(t, p, "/openapi.json", http.StatusOK)
	requireStatus(t, p, "/nothing", http.StatusNotFound)
	requireStatus(t, p, "/healthz", http.StatusOK)

	_, feed := call(http.MethodGet, "/api/v2/events", "", "text/event-stream")
	stream := bufio.NewScanner(feed)
	p.paste()
	for stream.Scan() && !strings.Contains(stream.Text(), `"trigger_id":"role.created"`) {
		t.Log(stream.Text())
	}
	if stream.Text() == "" {
		t.Fatal("the feed ended without the role")
	}
	if err := p.end(os.Interrupt); err != nil {
		t.Errorf("after an interrupt it ended with %v", err)
	}
}
