package listener_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/hooks/hookstest"
	"github.com/latchkey-dev/latchkey/listener"
	"github.com/latchkey-dev/latchkey/listener/webhook"
	"github.com/latchkey-dev/latchkey/listener/webhook/sender"
)

// countedTokens makes tokens and counts them.
type countedTokens struct{ made atomic.Int64 }

func (c *countedTokens) ServiceToken(_ context.Context, tenantID, scope string, _ time.Duration) (string, error) {
	c.made.Add(1)
	return "token-of-" + tenantID + "-for-" + scope, nil
}

// An invoker sends in Latchkey's place: it is given what that takes, and what it answers or fails with is what the delivery has.
func TestInvoker(t *testing.T) {
	t.Parallel()
	r := newWebhookRig(t)
	tokens := &countedTokens{}
	var mu sync.Mutex
	calls := map[string][]webhook.Invocation{}
	answer := func(code int, body string) *http.Response {
		return &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
	}
	invoke := func(ctx context.Context, in webhook.Invocation) (*http.Response, error) {
		entity := strings.Fields(tells(hookstest.Webhook{TriggerID: in.Hook.TriggerID, Body: in.Data}))[1]
		mu.Lock()
		calls[entity] = append(calls[entity], in)
		again := len(calls[entity]) > 1
		mu.Unlock()
		switch {
		case entity == "token" && !again:
			token, err := in.CreateServiceToken(ctx, "billing")
			return answer(http.StatusBadRequest, token), err
		case again, entity == "good":
			return answer(http.StatusOK, ""), nil
		case entity == "bad":
			return answer(http.StatusNotFound, "no such thing"), nil
		case entity == "panics":
			panic("it went wrong")
		default:
			return nil, nil
		}
	}
	n := r.start(r.sending(func(c *sender.Config) { c.Invoker, c.Tokens = invoke, tokens }))
	r.exec(`insert into auth.hooks (tenant_id, hook_id, name, trigger_id, url) values ('t', 'h', 'mine', 'role.created', 'https://example.com/x')`) // without a secret
	n.reread()
	r.roles("good")
	r.awaitRows("h", "done 1")
	if made := tokens.made.Load(); made != 0 {
		t.Errorf("%d tokens were made, and nobody asked", made)
	}
	r.roles("bad", "panics", "nothing", "token")
	r.awaitRows("h", "done 1", "done 2", "done 2", "done 2", "done 2")
	n.stop()
	in := calls["good"][0]
	if in.TenantID != "t" || in.Hook.ID != "h" || in.Hook.Name != "mine" || in.Hook.TriggerID != "role.created" || in.Hook.URL != "https://example.com/x" || in.Transport == nil {
		t.Errorf("it was given %+v", in)
	}
	for entity, of := range calls {
		for _, in := range of {
			if !strings.HasPrefix(in.WebhookID, "msg_") || in.WebhookID != of[0].WebhookID || string(in.Data) != string(of[0].Data) {
				t.Errorf("%s was sent with the ids %s and %s", entity, of[0].WebhookID, in.WebhookID)
			}
		}
	}
	if made := tokens.made.Load(); made != 1 {
		t.Errorf("%d tokens were made, and one was asked for", made)
	}
	failures := value[string](r.rig, `select string_agg(coalesce(details ->> 'error', '') || (details ->> 'body'), '; ') from auth.logs where type = 'failed_hook'`)
	all := value[string](r.rig, `select string_agg(details::text, '; ') from auth.logs where type = 'failed_hook'`)
	for _, part := range []string{"no such thing", "it went wrong", "no response"} {
		if !strings.Contains(all, part) {
			t.Errorf("the log doesn't say %q: %s", part, failures)
		}
	}
}

// An invoker that doesn't return keeps no stop waiting, whatever error it ends with: what was cut off was no attempt.
func TestInvokerThatDoesNotReturn(t *testing.T) {
	t.Parallel()
	r := newWebhookRig(t)
	gate := newGate(t)
	n := r.start(r.sending(func(c *sender.Config) {
		c.Invoker = func(ctx context.Context, in webhook.Invocation) (*http.Response, error) {
			if strings.Contains(string(in.Data), `"deaf"`) {
				gate.pass() // whatever becomes of ctx
				return nil, nil
			}
			gate.arrived <- struct{}{}
			<-ctx.Done()
			return nil, io.ErrUnexpectedEOF
		}
	}), with(func(c *listener.Config) { c.StopTimeout = 200 * time.Millisecond }))
	r.exec(`insert into auth.hooks (tenant_id, hook_id, trigger_id, url) values ('t', 'h', 'role.created', 'https://example.com/x')`)
	n.reread()
	r.roles("deaf", "rude")
	gate.awaitArrival()
	gate.awaitArrival()
	began := time.Now()
	n.stop()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the stop took %v", took)
	}
	if rows := value[int](r.rig, `select count(*) from latchkey.deliveries`); rows != 0 {
		t.Errorf("%d attempts were recorded", rows)
	}
	gate.release()
}

// While a secret is replaced both sign, and afterwards the new one alone. The trace of the write goes along, and a token.
func TestWebhookHeaders(t *testing.T) {
	t.Parallel()
	r := newWebhookRig(t)
	r.exec(`do $$ begin execute format('alter database %I set timezone = ''Asia/Kolkata''', current_database()); end $$`)
	n := r.start(r.sending(func(c *sender.Config) { c.Tokens = &countedTokens{} }))
	sink := r.hook("h", "role.created")
	former := webhook.NewSecret()
	r.exec(`insert into auth.hook_secrets (tenant_id, hook_id, kind, sealed, expires_at) values ('t', 'h', 'signing', $1, now() + interval '1 hour')`, []byte(former.Reveal()))
	n.reread()
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	r.exec(`begin; set local latchkey.context = '{"origin":"app","traceparent":"00-` + trace + `-00f067aa0ba902b7-01"}'; insert into auth.roles (tenant_id, id, name) values ('t', 'a', 'a'); commit`)
	first := sink.Await(1)[0]
	if err := webhook.Verify(first.Header, first.Body, former); err != nil || len(strings.Fields(first.Header.Get("Webhook-Signature"))) != 2 {
		t.Errorf("the signatures are %q: %v", first.Header.Get("Webhook-Signature"), err)
	}
	if got := first.Header.Get("Traceparent"); !strings.Contains(got, trace) {
		t.Errorf("the traceparent is %q, and the write had %s", got, trace)
	}
	if got := first.Header.Get("Authorization"); got != "Bearer token-of-t-for-webhook" {
		t.Errorf("the authorization is %q", got)
	}
	r.exec(`update auth.hook_secrets set expires_at = now() + interval '1 second' where expires_at is not null`)
	n.reread()
	r.exec(`select pg_sleep(1.1)`)
	r.roles("b") // nothing has changed since, and the former is over all the same
	second := sink.Await(2)[1]
	if err := webhook.Verify(second.Header, second.Body, former); err == nil || len(strings.Fields(second.Header.Get("Webhook-Signature"))) != 1 {
		t.Errorf("the former secret still signs: %q", second.Header.Get("Webhook-Signature"))
	}
	if got := second.Header.Get("Traceparent"); got != "" {
		t.Errorf("the traceparent is %q, and the write had none", got)
	}
}
