package sender

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/listener/webhook"
)

// askDetails are those of a failed_hook line. What the receiver was told in confidence is masked in it.
type askDetails struct {
	Trigger   string `json:"trigger"`
	HookID    string `json:"hook_id"`
	HookName  string `json:"hook_name"`
	EventID   string `json:"event_id"`
	Attempt   int    `json:"attempt"`
	LatencyMS int64  `json:"latency_ms"`
	Code      int    `json:"code,omitempty"`
	Error     string `json:"error,omitempty"`
	Body      string `json:"body,omitempty"`
	Allowed   bool   `json:"allowed"`          // the write went on, because of on_error
	Reason    string `json:"reason,omitempty"` // what the writer was told
}

// logAsked writes the line on a connection of its own: the writer's transaction hasn't begun, and may never.
func (s *Sender) logAsked(ctx context.Context, h *Hook, q *db.Question, a *webhook.Answer, d webhook.Decision) error {
	attempt := a.Attempt()
	details := askDetails{
		Trigger: q.Trigger, HookID: h.ID, HookName: h.Name, EventID: q.ID, Attempt: 1, LatencyMS: attempt.Latency.Milliseconds(),
		Code: attempt.Code, Error: attempt.Error, Body: attempt.Body, Allowed: d.Allowed, Reason: d.Reason,
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
