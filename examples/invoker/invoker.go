// Package invoker has ways of its own to send webhooks, to copy from: give one to sender.Config.Invoker.
package invoker

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/latchkey-dev/latchkey/listener/webhook"
)

// APIKey sends the body as it is, with an API key in place of a signature and a service token. The headers that the hook's owner
// chose are not sent: whoever wants them takes in.Hook.Headers.
func APIKey(key string) webhook.Invoker {
	return func(ctx context.Context, in webhook.Invocation) (*http.Response, error) {
		return post(ctx, in, in.Data, http.Header{"X-Api-Key": {key}})
	}
}

// Envelope wraps the body, and makes a service token for the receiver.
func Envelope(ctx context.Context, in webhook.Invocation) (*http.Response, error) {
	token, err := in.CreateServiceToken(ctx, "") // scope webhook
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(struct {
		Event     string          `json:"event"`
		Timestamp time.Time       `json:"timestamp"`
		Payload   json.RawMessage `json:"payload"`
	}{in.Hook.TriggerID, time.Now().UTC(), in.Data})
	if err != nil {
		return nil, err
	}
	return post(ctx, in, body, http.Header{"Authorization": {"Bearer " + token}, "X-Tenant-Id": {in.TenantID}})
}

// post uses the transport that it is given, which dials only where the deployment lets webhooks go, and by itself, so that no redirect
// is followed. The webhook-id is what a receiver knows a repeat by.
func post(ctx context.Context, in webhook.Invocation, body []byte, headers http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, in.Hook.URL, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = headers
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("webhook-id", in.WebhookID)
	return in.Transport.RoundTrip(req)
}
