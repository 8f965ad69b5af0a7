package token_test

import (
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/internal/token"
)

func TestServiceToken(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	i := e.open(t)
	ctx := t.Context()
	e.exec(t, `insert into auth.tenants (id, audience) values ('acme', 'https://acme/'), ('globex', '')`)
	for tenant, aud := range map[string]string{"acme": "https://acme/", "globex": token.ManagementAudience} {
		raw, err := i.ServiceToken(ctx, tenant, "webhook", 0)
		ok(t, err)
		c, err := i.Verify(ctx, raw, aud)
		ok(t, err)
		if c.Subject != "auth-service" || c.AuthorizedParty != "auth-service" || c.TenantID != tenant || c.Scope != "webhook" || len(c.Permissions) != 0 ||
			len(c.Audience) != 1 || c.Expires.Sub(c.IssuedAt) != 300*time.Second {
			t.Errorf("%+v", c)
		}
	}
	raw, err := i.ServiceToken(ctx, "acme", "webhook", time.Hour)
	ok(t, err)
	c, err := i.Verify(ctx, raw, "https://acme/")
	ok(t, err)
	if c.Expires.Sub(c.IssuedAt) != time.Hour {
		t.Errorf("it lives for %v", c.Expires.Sub(c.IssuedAt))
	}
	for _, wrong := range []time.Duration{-time.Second, time.Hour + time.Second} {
		if _, err := i.ServiceToken(ctx, "acme", "webhook", wrong); err == nil {
			t.Errorf("a token for %v", wrong)
		}
	}
	_, err = i.ServiceToken(ctx, "nowhere", "webhook", 0)
	wantError(t, err, token.ErrNoTenant)
}

// A webhook's request costs neither a signature nor a look at the database, as long as a minute is left.
func TestServiceTokensAreReused(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	i := e.open(t)
	e.exec(t, `insert into auth.tenants (id) values ('acme'), ('globex')`)
	get := func(tenant, scope string) string {
		t.Helper()
		raw, err := i.ServiceToken(t.Context(), tenant, scope, 0)
		ok(t, err)
		return raw
	}
	first := get("acme", "webhook")
	if get("acme", "other") == first || get("globex", "webhook") == first {
		t.Fatal("tenants or scopes share a token")
	}
	asked := e.db.asked.Load()
	if get("acme", "webhook") != first || e.db.asked.Load() != asked {
		t.Error("the second token was made anew")
	}
	e.clock.move(4 * time.Minute)
	if get("acme", "webhook") != first {
		t.Error("with a minute left it was made anew")
	}
	e.clock.move(time.Second)
	second := get("acme", "webhook")
	if second == first {
		t.Error("with less than a minute left it was given again")
	}
	ok(t, i.RotateAtOnce(t.Context()))
	if kidOf(t, get("acme", "webhook")) == kidOf(t, second) {
		t.Error("after a rotation the old key's token was given again")
	}
}
