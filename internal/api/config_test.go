package api_test

import (
	"context"
	"errors"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/api"
	"github.com/latchkey-dev/latchkey/internal/seal"
	"github.com/latchkey-dev/latchkey/internal/token"
	"github.com/latchkey-dev/latchkey/listener/webhook"
)

const audience = "urn:test"

// receiverHost is this machine by an address that no other test takes for granted to be refused.
const receiverHost = "127.0.0.2"

// config has real tokens, and webhooks that are tried by a trier.
func (r *rig) config() api.Config {
	r.t.Helper()
	keys, err := seal.Parse(seal.New())
	r.ok(err)
	r.tokens, err = token.Open(r.t.Context(), token.Config{Database: r.pool, Keys: keys, Issuer: "https://id.test/", Audience: audience, Alg: token.EdDSA, Now: r.clock.now})
	r.ok(err)
	guard, err := webhook.NewGuard(receiverHost)
	r.ok(err)
	r.keys = keys
	return api.Config{
		Store: r.store, Conn: r.pool, Tokens: r.tokens, Audience: audience, Seal: keys, Guard: guard, Tables: db.NewHooks().Tables(), Trier: &r.tried,
	}
}

// clock may be set back, for tokens that have expired since.
type clock struct{ back time.Duration }

func (c *clock) now() time.Time { return time.Now().Add(-c.back) }

// trier notes what was tried, and answers.
type trier struct{ hooks []db.TenantHook }

func (f *trier) Try(_ context.Context, hook db.TenantHook) (api.Tried, error) {
	f.hooks = append(f.hooks, hook)
	if hook.Name == "panics" {
		panic("password=hunter2")
	}
	if hook.Name == "fails" {
		return api.Tried{}, errors.New("password=hunter2")
	}
	return api.Tried{Code: 200, Latency: 1500 * time.Microsecond, Body: "fine", Decision: &api.Decision{Allowed: false, Reason: "no"}}, nil
}
