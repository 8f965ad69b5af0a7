package webhook

import (
	"context"
	"encoding/json"
	"net/http"
)

// Invoker sends in place of Latchkey, for asynchronous and synchronous webhooks alike: with a body, headers or a way of its own.
// It returns the receiver's response, which Latchkey reads, judges and closes: a 2xx is a delivery, 400 and above a failure. An
// error, or no response, is a failure too. ctx ends with the time for the attempt. What is sent again has the same WebhookID,
// by which a receiver drops what it has seen.
//
// An Invoker decides where it connects to: only [Invocation.Transport] looks at addresses as Latchkey does.
type Invoker func(ctx context.Context, in Invocation) (*http.Response, error)

// Invocation is what an Invoker is given.
type Invocation struct {
	Hook      HookInfo
	TenantID  string
	Data      json.RawMessage // the body that Latchkey would send; not to be changed
	WebhookID string
	// CreateServiceToken makes a token for Authorization: Bearer, when it is called; scope "" is "webhook".
	CreateServiceToken func(ctx context.Context, scope string) (string, error)
	// Transport dials where the deployment lets webhooks go, and nowhere else.
	Transport http.RoundTripper
}

// HookInfo is the hook that an Invoker sends for.
type HookInfo struct {
	ID, Name, TriggerID, URL string
	Headers                  map[string]string // the hook's own
}
