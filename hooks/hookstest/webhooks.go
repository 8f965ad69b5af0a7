package hookstest

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-dev/latchkey/listener/webhook"
	"github.com/latchkey-dev/latchkey/listener/webhook/sender"
)

// Webhook makes a hook of [Tenant] with a trigger, such as "role.created" or "*", and the receiver that it sends to. Its
// webhook fires for what commits from now on; CatchUp waits for it. One with a synchronous trigger, such as
// "pre-user-registration", is asked by Store before each write: [Sink.Answer] refuses.
func (e *Env) Webhook(trigger string) *Sink {
	e.tb.Helper()
	if _, err := webhook.ParseTrigger(trigger, e.config.Hooks.Tables()); err != nil {
		e.tb.Fatalf("hookstest: %v", err)
	}
	sink := NewSink(e.tb)
	const sql = `with made as (insert into auth.hooks (tenant_id, trigger_id, url) values ($1, $2, $3) returning hook_id)
		insert into auth.hook_secrets (tenant_id, hook_id, kind, sealed) select $1, hook_id, 'signing', $4 from made`
	e.SQL(sql, Tenant, trigger, sink.URL, []byte(sink.Secret.Reveal()))
	if err := e.running.l.Reread(e.tb.Context()); err != nil {
		e.tb.Fatalf("hookstest: %v", err)
	}
	return sink
}

// RequireWebhook fails the test unless the receiver got these triggers, each once, in any order, and nothing else. It is to
// follow a CatchUp.
func (e *Env) RequireWebhook(sink *Sink, triggers ...string) {
	e.tb.Helper()
	var got []string
	seen := map[string]bool{}
	for _, w := range sink.Received() {
		if !seen[w.ID] { // another attempt
			got = append(got, w.TriggerID)
		}
		seen[w.ID] = true
	}
	want := slices.Clone(triggers)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		e.tb.Errorf("hookstest: the receiver got webhooks for %v, want %v", got, want)
	}
}

// unsealed is for secrets that a test keeps as they are.
type unsealed struct{}

func (unsealed) Open(sealed []byte, _ string) ([]byte, error) { return sealed, nil }

// newSender sends to this machine, where receivers of tests are.
func newSender(tb testing.TB, tables []string, pool *pgxpool.Pool) *sender.Sender {
	tb.Helper()
	guard, err := webhook.NewGuard("127.0.0.0/8", "::1/128")
	if err != nil {
		tb.Fatalf("hookstest: %v", err)
	}
	s, err := sender.New(sender.Config{Tables: tables, Guard: guard, Seal: unsealed{}, DB: pool})
	if err != nil {
		tb.Fatalf("hookstest: %v", err)
	}
	tb.Cleanup(s.Close)
	return s
}
