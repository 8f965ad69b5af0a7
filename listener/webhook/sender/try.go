package sender

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/listener/webhook"
)

// ErrNoHook is returned where a tenant has no webhook of that id.
var ErrNoHook = errors.New("there is no such webhook")

// Tried is what came of a test delivery.
type Tried struct {
	webhook.Attempt
	Decision *webhook.Decision // of a synchronous webhook: what the answer would have decided
}

// Try sends a test delivery to a webhook, whether or not it is switched on, and returns what came back. The body is of the
// form that the hook's trigger has, its origin is "test", and what it tells of doesn't exist; nothing is recorded, and nothing is
// tried again. Errors: [ErrNoHook].
func (s *Sender) Try(ctx context.Context, tenantID, hookID string) (Tried, error) {
	if s.cfg.DB == nil {
		return Tried{}, errors.New("sender: try a hook: Config.DB is nil: give it a pool")
	}
	found, err := s.load(ctx, s.cfg.DB, ` and h.tenant_id = $1 and h.hook_id = $2`, tenantID, hookID)
	if err != nil {
		return Tried{}, err
	}
	if len(found) == 0 {
		return Tried{}, fmt.Errorf("sender: try hook %s: %w", hookID, ErrNoHook)
	}
	h := found[0]
	body, err := sample(h)
	if err != nil {
		return Tried{}, fmt.Errorf("sender: try hook %s: %w", hookID, err)
	}
	a := s.Send(ctx, h, Message{ID: "msg_test_" + rand.Text(), Body: body, Timeout: h.Timeout})
	tried := Tried{Attempt: a.Attempt()}
	if h.Trigger.Sync() {
		d := webhook.Decide(h.TriggerID, h.OnError, a)
		d.Reason = a.Mask(d.Reason)
		tried.Decision = &d
	}
	return tried, nil
}

// sample is the body of a test delivery.
func sample(h *Hook) ([]byte, error) {
	now := time.Now().UTC().Truncate(time.Second)
	email := "test@example.com"
	user := db.User{
		TenantID: h.TenantID, UserID: "auth0|test", Email: &email, Provider: "auth0", Connection: "Username-Password-Authentication",
		ProfileData: json.RawMessage(`{}`), UserMetadata: json.RawMessage(`{}`), AppMetadata: json.RawMessage(`{}`), Multifactor: []string{}, CreatedAt: now, UpdatedAt: now,
	}
	if h.Trigger.Sync() {
		q := &db.Question{TenantID: h.TenantID, Trigger: h.TriggerID, ID: "evt_test", User: user}
		if h.TriggerID == webhook.PreUserUpdate {
			q.Before = &user
		}
		return webhook.SyncBody(q, now)
	}
	body := struct {
		TenantID   string            `json:"tenant_id"`
		User       *db.User          `json:"user,omitempty"`
		EntityName string            `json:"entity_name,omitempty"`
		Entity     map[string]string `json:"entity,omitempty"`
		TriggerID  string            `json:"trigger_id"`
		EventID    string            `json:"event_id"`
		OccurredAt time.Time         `json:"occurred_at"`
		Origin     string            `json:"origin"`
		Request    *hooks.Stamp      `json:"request"`
	}{TenantID: h.TenantID, TriggerID: h.TriggerID, EventID: "evt_test", OccurredAt: now, Origin: "test"}
	entity, _, isEntity := strings.Cut(h.TriggerID, ".")
	if at := strings.LastIndex(h.TriggerID, "."); isEntity && at > 0 {
		entity = h.TriggerID[:at] // a service's own table has a full stop in its name
	}
	if isEntity && entity != "user" {
		body.EntityName, body.Entity = entity, map[string]string{"tenant_id": h.TenantID, "id": "test"}
	} else {
		body.User = &user
	}
	return json.Marshal(body)
}
