package webhook

import "time"

// LogDetails is what a line of auth.logs says of an attempt at a hook, failed_hook or success_hook, of a synchronous webhook as
// of an asynchronous one. It is fit to be shown: what was secret in the request is masked in it.
type LogDetails struct {
	TriggerID  string `json:"trigger_id"`
	HookID     string `json:"hook_id"`
	HookName   string `json:"hook_name"`
	EventID    string `json:"event_id"`
	WebhookID  string `json:"webhook_id"`
	Attempt    int    `json:"attempt"` // the first is 1; 0: none was made, since the endpoint's breaker was open
	Outcome    string `json:"outcome"` // of a delivery done, retry or dead; of a write that was asked about allowed or refused
	DurationMS int64  `json:"duration_ms"`
	StatusCode int    `json:"status_code,omitempty"` // 0: there was no answer
	Error      string `json:"error,omitempty"`       // at most 512 characters, as Body
	Body       string `json:"body,omitempty"`
	Reason     string `json:"reason,omitempty"` // of a refusal: what the writer was told
}

// Of adds what came of the attempt.
func (d LogDetails) Of(a Attempt) LogDetails {
	d.DurationMS, d.StatusCode, d.Error, d.Body = int64(a.Latency/time.Millisecond), a.Code, a.Error, a.Body
	return d
}
