package db_test

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/db"
)

func (e *env) webhook(t *testing.T, in db.CreateTenantHook) db.TenantHook {
	t.Helper()
	if in.URL == nil {
		in.URL = ptr("https://example.com/" + in.Name)
	}
	if in.TriggerID == "" {
		in.TriggerID = "post-user-login"
	}
	h, err := e.TenantHooks.Create(t.Context(), "acme", in)
	ok(t, err)
	return h
}

func TestTenantHooks(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	h := e.webhook(t, db.CreateTenantHook{Name: " crm ", Priority: 3, TimeoutMS: ptr[int32](2000), RateLimit: ptr(0.5)})
	if !regexp.MustCompile(`^hook_[0-9A-Za-z]{21}$`).MatchString(h.HookID) || h.Name != "crm" || !h.Enabled || h.OnError != "deny" ||
		h.Status != "active" || len(h.WhenChanged) != 0 || string(h.Metadata) != "{}" || h.StartLSN == 0 || *h.TimeoutMS != 2000 || *h.RateLimit != 0.5 {
		t.Errorf("created %+v", h)
	}
	updated, err := e.TenantHooks.Update(ctx, "acme", h.HookID, db.UpdateTenantHook{
		Enabled: db.Set(false), WhenChanged: db.Set([]string{"email"}), OnError: db.Set("allow"), TimeoutMS: db.Null[int32](),
		Status: db.Set("disabled"), StatusReason: db.Set("gone"), Metadata: db.Set(json.RawMessage(`{"a": 1}`)),
	})
	ok(t, err)
	if updated.Enabled || updated.WhenChanged[0] != "email" || updated.OnError != "allow" || updated.TimeoutMS != nil || updated.Status != "disabled" ||
		updated.StatusReason != "gone" || string(updated.Metadata) != `{"a": 1}` || updated.StartLSN != h.StartLSN || updated.Priority != 3 {
		t.Errorf("updated %+v", updated)
	}
	on, err := e.TenantHooks.Update(ctx, "acme", h.HookID, db.UpdateTenantHook{Enabled: db.Set(true)})
	ok(t, err)
	if on.StartLSN <= h.StartLSN {
		t.Errorf("switched on again it begins at %s, and was made at %s", on.StartLSN, h.StartLSN)
	}
	got, err := e.TenantHooks.Get(ctx, "acme", h.HookID)
	ok(t, err)
	if got.StartLSN != on.StartLSN || got.Name != "crm" {
		t.Errorf("got %+v", got)
	}

	_, err = e.TenantHooks.Get(ctx, "globex", h.HookID)
	wantError(t, err, db.ErrNotFound)
	_, err = e.TenantHooks.Update(ctx, "globex", h.HookID, db.UpdateTenantHook{Name: db.Set("x")})
	wantError(t, err, db.ErrNotFound)
	wantError(t, e.TenantHooks.Delete(ctx, "globex", h.HookID), db.ErrNotFound)
	ok(t, e.TenantHooks.Delete(ctx, "acme", h.HookID))
	wantError(t, e.TenantHooks.Delete(ctx, "acme", h.HookID), db.ErrNotFound)
}

func TestTenantHookErrors(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	url := ptr("https://example.com")
	for field, in := range map[string]db.CreateTenantHook{
		"trigger_id": {URL: url},
		"":           {URL: url, FormID: ptr("f"), TriggerID: "t"},
		"hook_id":    {URL: url, TriggerID: "t", HookID: "a b"},
		"on_error":   {URL: url, TriggerID: "t", OnError: "maybe"},
		"timeout_ms": {URL: url, TriggerID: "t", TimeoutMS: ptr[int32](999)},
		"rate_limit": {URL: url, TriggerID: "t", RateLimit: ptr(0.0)},
		"metadata":   {URL: url, TriggerID: "t", Metadata: json.RawMessage(`[]`)},
	} {
		_, err := e.TenantHooks.Create(t.Context(), "acme", in)
		wantInvalid(t, err, field)
	}
	_, err := e.TenantHooks.Create(t.Context(), "acme", db.CreateTenantHook{TriggerID: "t"})
	wantInvalid(t, err, "")
	h := e.webhook(t, db.CreateTenantHook{})
	_, err = e.TenantHooks.Create(t.Context(), "acme", db.CreateTenantHook{HookID: h.HookID, URL: url, TriggerID: "t"})
	wantConflict(t, err, "hook_id")
	_, err = e.TenantHooks.Update(t.Context(), "acme", h.HookID, db.UpdateTenantHook{Status: db.Set("odd")})
	wantInvalid(t, err, "status")
	_, err = e.TenantHooks.Update(t.Context(), "acme", h.HookID, db.UpdateTenantHook{URL: db.Null[string]()})
	wantInvalid(t, err, "")
}

// Without an order, hooks are listed as they are asked: priority first, then age.
func TestTenantHooksInOrder(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	for _, h := range []db.CreateTenantHook{{Name: "old"}, {Name: "urgent", Priority: 9}, {Name: "young"}, {Name: "low", Priority: -1}} {
		e.webhook(t, h)
	}
	for want, o := range map[string]db.ListOptions{
		"urgent old young low": {},
		"low old urgent young": {Sort: []db.Sort{{Column: "name"}}},
		"old young":            {Filter: []db.Filter{db.Equal("priority", "0"), db.Equal("enabled", "true"), db.Unset("form_id")}},
	} {
		page, err := e.TenantHooks.List(t.Context(), "acme", o)
		ok(t, err)
		got := ""
		for _, h := range page.Rows {
			got += " " + h.Name
		}
		if got != " "+want {
			t.Errorf("listed%s; want %s", got, want)
		}
	}
}

// Neither a hook nor a stamp: what is not published leaves nothing in the log.
func TestTenantHooksRoundTrips(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	h := e.webhook(t, db.CreateTenantHook{})
	e.wire.take()
	_, err := e.TenantHooks.Update(t.Context(), "acme", h.HookID, db.UpdateTenantHook{Name: db.Set("x")})
	ok(t, err)
	ok(t, e.TenantHooks.Delete(t.Context(), "acme", h.HookID))
	for _, sent := range e.wire.take() {
		if regexp.MustCompile(`logical_emit_message`).MatchString(sent) {
			t.Errorf("it leaves a stamp: %s", sent)
		}
	}
}

func TestHookSecrets(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	h := e.webhook(t, db.CreateTenantHook{})
	put := func(kind, sealed string) {
		_, err := e.HookSecrets.Put(ctx, "acme", h.HookID, kind, []byte(sealed))
		ok(t, err)
	}
	want := func(want ...string) {
		t.Helper()
		secrets, err := e.HookSecrets.List(ctx, "acme", h.HookID)
		ok(t, err)
		var got []string
		for _, s := range secrets {
			got = append(got, s.Kind+" "+string(s.Sealed))
		}
		if !slices.Equal(got, want) {
			t.Errorf("secrets %q; want %q", got, want)
		}
	}
	put(db.HookSigningSecret, "one")
	put(db.HookHeaders, "h")
	ok(t, e.HookSecrets.Expire(ctx, "acme", h.HookID, db.HookSigningSecret, time.Now().Add(time.Hour)))
	put(db.HookSigningSecret, "two")
	want("signing two", "headers h", "signing one") // both sign while the first is replaced
	ok(t, e.HookSecrets.Expire(ctx, "acme", h.HookID, db.HookSigningSecret, time.Now().Add(2*time.Hour)))
	e.wantCount(t, 1, `auth.hook_secrets where sealed = 'one' and expires_at < now() + '61 min'`) // the earlier end stays
	e.wantCount(t, 1, `auth.hook_secrets where kind = 'headers' and expires_at is null`)

	e.exec(t, `update auth.hook_secrets set expires_at = now() - interval '1 s' where sealed = 'one'`)
	want("signing two", "headers h") // what has ended isn't listed
	ok(t, e.HookSecrets.Expire(ctx, "globex", h.HookID, db.HookSigningSecret, time.Time{}))
	ok(t, e.HookSecrets.Expire(ctx, "acme", h.HookID, db.HookSigningSecret, time.Now()))
	want("headers h")
	e.wantCount(t, 1, `auth.hook_secrets`)

	_, err := e.HookSecrets.Put(ctx, "globex", h.HookID, db.HookHeaders, []byte("x"))
	wantError(t, err, db.ErrNotFound)
	_, err = e.HookSecrets.Put(ctx, "acme", h.HookID, "other", []byte("x"))
	wantInvalid(t, err, "kind")
	ok(t, e.TenantHooks.Delete(ctx, "acme", h.HookID))
	e.wantCount(t, 0, `auth.hook_secrets`)
}

// A hook whose secret can't be stored isn't there either.
func TestHookWithItsSecret(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	oops := errors.New("oops")
	err := e.InTx(t.Context(), func(tx *db.Tx) error {
		h, err := tx.TenantHooks.Create(t.Context(), "acme", db.CreateTenantHook{TriggerID: "t", URL: ptr("https://example.com")})
		ok(t, err)
		_, err = tx.HookSecrets.Put(t.Context(), "acme", h.HookID, db.HookSigningSecret, []byte("s"))
		ok(t, err)
		return oops
	})
	wantError(t, err, oops)
	e.wantCount(t, 0, `auth.hooks`)
	e.wantCount(t, 0, `auth.hook_secrets`)
}
