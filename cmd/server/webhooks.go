package main

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/api"
	"github.com/latchkey-dev/latchkey/internal/seal"
	"github.com/latchkey-dev/latchkey/internal/token"
	"github.com/latchkey-dev/latchkey/listener/webhook"
	"github.com/latchkey-dev/latchkey/listener/webhook/sender"
)

// sending is the flags that say where webhooks may go.
type sending struct {
	Allow []string `name:"webhook-allow" env:"LATCHKEY_WEBHOOK_ALLOW" placeholder:"CIDR|HOST" help:"Let webhooks go to these addresses or hosts besides public ones: 10.1.0.0/16, hooks.internal, *.svc.local. With the private Postgres: to this machine too."`
}

// thisMachine is what webhooks may reach besides public addresses while someone tries things out.
func thisMachine() []string { return []string{"127.0.0.0/8", "::1/128", "localhost"} }

// guard looks at where webhooks go. private says that it is for someone who tries things out.
func (s *sending) guard(private bool) (*webhook.Guard, error) {
	allow := s.Allow
	if private {
		allow = append(allow, thisMachine()...)
	}
	return webhook.NewGuard(allow...)
}

// newSender sends webhooks, and asks the synchronous ones.
func newSender(guard *webhook.Guard, reg *db.Hooks, secrets *seal.Keys, issuer *token.Issuer, pool *pgxpool.Pool) (*sender.Sender, error) {
	return sender.New(sender.Config{Tables: reg.Tables(), Guard: guard, Seal: secrets, Tokens: issuer, DB: pool})
}

// trier is the sender as the API has it.
type trier struct{ *sender.Sender }

// Try sends a test delivery.
func (t trier) Try(ctx context.Context, hook db.TenantHook) (api.Tried, error) {
	tried, err := t.Sender.Try(ctx, hook.TenantID, hook.HookID)
	if errors.Is(err, sender.ErrNoHook) { // deleted meanwhile
		return api.Tried{}, db.ErrNotFound
	}
	if err != nil {
		return api.Tried{}, err
	}
	out := api.Tried{Code: tried.Code, Latency: tried.Latency, Body: tried.Body, Err: tried.Error}
	if d := tried.Decision; d != nil {
		out.Decision = &api.Decision{Allowed: d.Allowed, Reason: d.Reason}
	}
	return out, nil
}
