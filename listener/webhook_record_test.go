package listener_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/latchkey-dev/latchkey/hooks/hookstest"
)

// A delivery is recorded once, with what came of it, and so is its line in the tenant's log.
func TestWebhookIsRecordedOnce(t *testing.T) {
	t.Parallel()
	r := newWebhookRig(t)
	n := r.start()
	sink := r.hook("h", "role.created")
	n.reread()
	r.roles("a")
	r.awaitRows("h", "done 1")
	got := sink.Await(1)
	row := value[string](r.rig, `select format('%s %s %s %s', event_id, entities, jsonb_array_length(attempts), attempts #>> '{0,code}') from latchkey.deliveries`)
	if want := got[0].EventID + ` {t/a} 1 204`; row != want {
		t.Errorf("the row is %q, want %q", row, want)
	}
	if logs := r.logs("h"); logs != "success_hook 1 done" {
		t.Errorf("the log has %q", logs)
	}
	n.stop()
	if n := len(sink.Received()); n != 1 {
		t.Errorf("it was sent %d times", n)
	}
}

// A failed attempt has a line that says all there is to know of it, and nothing that is secret.
func TestFailedWebhookIsLogged(t *testing.T) {
	t.Parallel()
	r := newWebhookRig(t)
	n := r.start()
	sink := r.hook("h", "role.created")
	const apiKey = "a-key-that-nobody-is-to-see"
	r.exec(`insert into auth.hook_secrets (tenant_id, hook_id, kind, sealed) values ('t', 'h', 'headers', $1)`, []byte(`{"X-Api-Key":"`+apiKey+`"}`))
	n.reread()
	failed := false
	sink.Answer(func(w http.ResponseWriter, got hookstest.Webhook) {
		if failed {
			return
		}
		failed = true
		if got.Header.Get("X-Api-Key") != apiKey {
			t.Errorf("the hook's header came as %q", got.Header.Get("X-Api-Key"))
		}
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write([]byte("key " + apiKey + " secret " + sink.Secret.Reveal() + " signature " + got.Header.Get("Webhook-Signature") + "\x00 " + strings.Repeat("ä", 1000)))
	})
	r.roles("a")
	r.awaitRows("h", "done 2")
	if logs := r.logs("h"); logs != "failed_hook 1 retry, success_hook 2 done" {
		t.Fatalf("the log has %q", logs)
	}
	var line struct {
		TriggerID  string `json:"trigger_id"`
		HookID     string `json:"hook_id"`
		HookName   string `json:"hook_name"`
		EventID    string `json:"event_id"`
		WebhookID  string `json:"webhook_id"`
		Attempt    int    `json:"attempt"`
		Duration   *int   `json:"duration_ms"`
		StatusCode int    `json:"status_code"`
		Body       string `json:"body"`
	}
	text := value[string](r.rig, `select details::text from auth.logs where type = 'failed_hook' and tenant_id = 't'`)
	if err := json.Unmarshal([]byte(text), &line); err != nil {
		t.Fatal(err)
	}
	got := sink.Received()[0]
	if line.TriggerID != "role.created" || line.HookID != "h" || line.HookName != "the h" || line.EventID != got.EventID || line.WebhookID != got.ID ||
		line.Attempt != 1 || line.Duration == nil || line.StatusCode != 500 || utf8.RuneCountInString(line.Body) != 512 {
		t.Errorf("the line says %s", text)
	}
	all := text + value[string](r.rig, `select string_agg(description, '') || (select string_agg(attempts::text || last_error, '') from latchkey.deliveries) from auth.logs`)
	signature := regexp.MustCompile(`v1,[A-Za-z0-9+/]{20,}`).FindString(all)
	for _, secret := range []string{apiKey, sink.Secret.Reveal(), strings.TrimPrefix(sink.Secret.Reveal(), "whsec_")} {
		if strings.Contains(all, secret) {
			t.Errorf("a secret is in the log: %s", all)
		}
	}
	if signature != "" {
		t.Errorf("a signature, with which whoever reads it could send the message again, is in the log: %s", all)
	}
}

// One whose receiver doesn't answer has no code, and says why.
func TestUnansweredWebhookIsLogged(t *testing.T) {
	t.Parallel()
	r := newWebhookRig(t)
	n := r.start()
	sink := r.hook("h", "role.created")
	r.set("h", `url = 'http://127.0.0.1:1/'`)
	n.reread()
	r.roles("a")
	r.eventually("a failure is logged", `select exists (select from auth.logs where type = 'failed_hook' and details ->> 'error' like '%refused%' and not details ? 'status_code' and description like '%refused%')`)
	if got := sink.Received(); len(got) != 0 {
		t.Errorf("another receiver got %d", len(got))
	}
	if got := value[string](r.rig, `select last_error from latchkey.deliveries`); !strings.Contains(got, "refused") {
		t.Errorf("the row says %q", got)
	}
}
