package invoker_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/examples/invoker"
	"github.com/latchkey-dev/latchkey/internal/pgtest"
	"github.com/latchkey-dev/latchkey/listener/webhook"
	"github.com/latchkey-dev/latchkey/listener/webhook/sender"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Suite{M: m}) }

type tokens struct{}

func (tokens) ServiceToken(_ context.Context, tenant, scope string, _ time.Duration) (string, error) {
	return tenant + "." + scope, nil
}

// try sends a test delivery to a receiver on this machine, and returns what the receiver got.
func try(t *testing.T, invoke webhook.Invoker, allow ...string) (headers http.Header, body map[string]json.RawMessage, tried sender.Tried) {
	t.Helper()
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		headers = r.Header
		text, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(text, &body)
		}
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(receiver.Close)
	guard, err := webhook.NewGuard(allow...)
	if err != nil {
		t.Fatal(err)
	}
	d := pgtest.New(t)
	d.Exec(t, `insert into auth.tenants (id) values ('acme')`)
	d.Exec(t, `insert into auth.hooks (tenant_id, hook_id, trigger_id, url) values ('acme', 'h', 'role.created', $1)`, receiver.URL)
	s, err := sender.New(sender.Config{Tables: db.NewHooks().Tables(), Guard: guard, Tokens: tokens{}, DB: d.Pool(t), Invoker: invoke})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if tried, err = s.Try(t.Context(), "acme", "h"); err != nil {
		t.Fatal(err)
	}
	return headers, body, tried
}

func TestAPIKey(t *testing.T) {
	t.Parallel()
	headers, body, tried := try(t, invoker.APIKey("k1"), "127.0.0.1")
	if tried.Code != http.StatusAccepted || headers.Get("X-Api-Key") != "k1" || headers.Get("Authorization") != "" || !strings.HasPrefix(headers.Get("webhook-id"), "msg_") {
		t.Errorf("%d with %v", tried.Code, headers)
	}
	if string(body["trigger_id"]) != `"role.created"` || string(body["tenant_id"]) != `"acme"` {
		t.Errorf("the body is %s", body)
	}
}

func TestEnvelope(t *testing.T) {
	t.Parallel()
	headers, body, tried := try(t, invoker.Envelope, "127.0.0.1")
	if tried.Code != http.StatusAccepted || headers.Get("Authorization") != "Bearer acme.webhook" || headers.Get("X-Tenant-Id") != "acme" {
		t.Errorf("%d with %v", tried.Code, headers)
	}
	if string(body["event"]) != `"role.created"` || !strings.Contains(string(body["payload"]), `"tenant_id":"acme"`) {
		t.Errorf("the body is %s", body)
	}
}

// The transport that an invoker is given refuses what the deployment doesn't allow.
func TestGuarded(t *testing.T) {
	t.Parallel()
	headers, _, tried := try(t, invoker.APIKey("k1"))
	if headers != nil || tried.Code != 0 || !strings.Contains(tried.Error, "isn't public") {
		t.Errorf("the receiver got %v; what came of it: %+v", headers, tried)
	}
}

// docs/webhooks.md shows APIKey as it is.
func TestDocs(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("invoker.go")
	if err != nil {
		t.Fatal(err)
	}
	docs, err := os.ReadFile("../../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(source), "\n// APIKey sends")
	shown, _, found := strings.Cut("// APIKey sends"+rest, "\n// Envelope wraps")
	if !found || !strings.Contains(string(docs), strings.TrimSpace(shown)) {
		t.Error("docs/webhooks.md does not show APIKey as it is: copy it over")
	}
}
