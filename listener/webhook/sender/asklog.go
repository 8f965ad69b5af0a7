package sender

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/listener/webhook"
)

// logAsked writes the line on a connection of its own: the writer's transaction hasn't begun, and may never.
func (s *Sender) logAsked(ctx context.Context, h *Hook, q *db.Question, a *webhook.Answer, d webhook.Decision) error {
	details := webhook.LogDetails{
		TriggerID: q.Trigger, HookID: h.ID, HookName: h.Name, EventID: q.ID, WebhookID: webhook.MessageID(q.ID, h.ID),
		Attempt: 1, Outcome: "refused", Reason: d.Reason,
	}.Of(a.Attempt())
	if errors.Is(a.Err, errBreakerOpen) {
		details.Attempt = 0
	}
	if d.Allowed { // because of on_error
		details.Outcome = "allowed"
	}
	description := "refused by a webhook"
	if d.Fault != nil {
		description = "a webhook did not answer as it should"
		if details.Error == "" {
			details.Error = a.Mask(d.Fault.Error())
		}
	}
	text, err := json.Marshal(details)
	if err != nil {
		return fmt.Errorf("the line of the log: %w", err)
	}
	_, err = s.cfg.DB.Exec(ctx, `insert into auth.logs (tenant_id, type, description, user_id, user_name, ip, user_agent, client_id, connection, details)
		values ($1, 'failed_hook', $2, nullif($3, ''), $4, nullif($5, ''), nullif($6, ''), nullif($7, ''), nullif($8, ''), $9)`,
		q.TenantID, description, q.User.UserID, q.User.Email, q.Stamp.IP, q.Stamp.UserAgent, q.Stamp.ClientID, q.User.Connection, text)
	if err != nil {
		return fmt.Errorf("write to auth.logs: %w", err)
	}
	return nil
}
