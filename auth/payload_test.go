package auth_test

import (
	"strings"
	"testing"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks/hookstest"
	"github.com/latchkey-dev/latchkey/listener"
)

// A row whose details aren't the event's payload fails the delivery, which says what is wrong; the next row isn't held up.
func TestWrongPayload(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ row, says string }{
		"no user":         {`'after_login', 'ann', '{}'`, "after_login: row e of auth.auth_events: details: field user.user_id is missing"},
		"no object":       {`'after_login', 'ann', '[]'`, "details: json: cannot unmarshal array"},
		"a wrong type":    {`'after_login', 'ann', '{"user": {"user_id": "ann", "email_verified": "yes"}}'`, "details: field user.email_verified is a JSON string, and must fit a bool"},
		"a wrong time":    {`'after_login', 'ann', '{"user": {"user_id": "ann", "created_at": "yesterday"}}'`, `field user.created_at or user.updated_at: parsing time "yesterday"`},
		"another tenant":  {`'after_login', 'ann', '{"user": {"user_id": "ann", "tenant_id": "other"}}'`, `field user.tenant_id is "other", and the row's tenant_id "test"`},
		"another user":    {`'after_login', 'ann', '{"user": {"user_id": "bob", "tenant_id": "test"}}'`, `field user.user_id is "bob", and the row's user_id "ann"`},
		"nobody's":        {`'after_login', null, '{"user": {"user_id": "bob", "tenant_id": "test"}}'`, `field user.user_id is "bob", and the row's user_id ""`},
		"no one left":     {`'after_logout', null, '{"user_id": "ann"}'`, "the row's user_id is NULL"},
		"no provider":     {`'after_oauth_login', 'ann', '{"user": {"user_id": "ann", "tenant_id": "test"}}'`, "field provider is missing"},
		"no address":      {`'send_verification_email', 'ann', '{}'`, "field email is missing"},
		"half an address": {`'send_password_reset_email', 'ann', '{"email": {"at": "x.com"}}'`, "field email is a JSON object, and must fit a string"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg, h := db.NewHooks(), &heard{}
			all(auth.NewHooks(reg), h)
			env := hookstest.New(t, reg, hookstest.Retry(listener.Retry{Attempts: 1}))
			env.SQL(`insert into auth.auth_events (tenant_id, id, type, user_id, details) values ('test', 'e', ` + test.row + `)`)
			env.SQL(`insert into auth.auth_events (tenant_id, id, type, user_id) values ('test', 'f', 'after_logout', 'next')`)
			env.CatchUp()
			h.require(t, "after_logout next")
			var status, said string
			if err := env.Pool().QueryRow(t.Context(), `select status, last_error from latchkey.deliveries`).Scan(&status, &said); err != nil {
				t.Fatal(err)
			}
			if status != "dead" || !strings.Contains(said, test.says) {
				t.Errorf("the delivery is %s: %s\nwant %s", status, said, test.says)
			}
		})
	}
}

// What hooks could not read isn't written.
func TestRaiseRefuses(t *testing.T) {
	t.Parallel()
	reg := db.NewHooks()
	env := hookstest.New(t, reg)
	u, events, ctx := ann(t, env), env.Store.AuthEvents, t.Context()
	for says, err := range map[string]error{
		"raise after_login: details: field user.user_id is missing": auth.Raise(ctx, events, tenant, auth.AfterLogin, auth.Login{}),
		`field user.tenant_id is "test"`:                            auth.Raise(ctx, events, "other", auth.AfterLogin, auth.Login{User: u}),
		"field provider is missing":                                 auth.Raise(ctx, events, tenant, auth.AfterOAuthLogin, auth.OAuthLogin{User: u}),
		"user_id is NULL":                                           auth.Raise(ctx, events, tenant, auth.AfterLogout, auth.Logout{}),
		"field email is missing":                                    auth.Raise(ctx, events, tenant, auth.SendVerificationEmail, auth.SendEmail{}),
		`json: error calling MarshalJSON`:                           auth.Raise(ctx, events, tenant, auth.AfterOAuthRegister, auth.OAuthRegistration{User: u, UserInfo: []byte("{")}),
		`there is no event "after_lgoin": did you mean "after_login"?`: auth.Raise(ctx, events, tenant, auth.Event[auth.Login]("after_lgoin"),
			auth.Login{User: u}),
	} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("it says %v, want %s", err, says)
		}
	}
	var rows int
	if err := env.Pool().QueryRow(ctx, `select count(*) from auth.auth_events`).Scan(&rows); err != nil || rows != 0 {
		t.Errorf("%d rows, %v", rows, err)
	}
}
