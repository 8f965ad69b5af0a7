package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/listener/webhook"
)

func TestReceive(t *testing.T) {
	t.Parallel()
	secret := webhook.NewSecret()
	for name, receiver := range map[string]func(http.ResponseWriter, *http.Request, string){"ours": receive, "official": receiveOfficially} {
		for _, c := range []struct {
			secret webhook.Secret
			body   string
			want   int
		}{
			{secret, `{"a":1}`, http.StatusNoContent},
			{secret, `{"a":2}`, http.StatusUnauthorized},
			{webhook.NewSecret(), `{"a":1}`, http.StatusUnauthorized},
		} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/hook", strings.NewReader(c.body))
			if err := webhook.Sign(r.Header, "msg_1", time.Now(), []byte(`{"a":1}`), secret); err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			if receiver(w, r, c.secret.Reveal()); w.Code != c.want {
				t.Errorf("%s: %s is answered %d, want %d", name, c.body, w.Code, c.want)
			}
		}
	}
}

// docs/webhooks.md shows the receiver as it is.
func TestDocs(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	docs, err := os.ReadFile("../../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(source), "\n// receive verifies")
	shown, _, found := strings.Cut("// receive verifies"+rest, "\n// receiveOfficially")
	if !found || !strings.Contains(string(docs), strings.TrimSpace(shown)) {
		t.Error("docs/webhooks.md does not show receive as it is: copy it over")
	}
}
