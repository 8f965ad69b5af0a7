package auth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/hooks/hookstest"
)

// all registers a hook on every event.
func all(flows *auth.Hooks, h *heard) {
	on(flows, h, auth.AfterRegister, "all", func(e auth.Registration) string { return address(e.User) })
	on(flows, h, auth.SendVerificationEmail, "all", func(e auth.SendEmail) string { return e.Email + " " + e.UserID })
	on(flows, h, auth.AfterEmailVerify, "all", func(e auth.EmailVerification) string { return address(e.User) })
	on(flows, h, auth.SendLoginCode, "all", func(e auth.SendEmail) string { return e.Email + " " + e.UserID })
	on(flows, h, auth.AfterLogin, "all", func(e auth.Login) string { return address(e.User) + " " + e.Connection })
	on(flows, h, auth.AfterLogout, "all", func(e auth.Logout) string { return e.UserID })
	on(flows, h, auth.AfterOAuthLogin, "all", func(e auth.OAuthLogin) string {
		return fmt.Sprint(address(e.User), " ", e.Provider, " ", e.IsNewUser)
	})
	on(flows, h, auth.AfterOAuthRegister, "all", func(e auth.OAuthRegistration) string { return address(e.User) + " " + string(e.UserInfo) })
	on(flows, h, auth.AfterPasswordChange, "all", func(e auth.PasswordChange) string { return address(e.User) })
	on(flows, h, auth.SendPasswordResetEmail, "all", func(e auth.SendEmail) string { return e.Email + " " + e.UserID })
	on(flows, h, auth.AfterPasswordReset, "all", func(e auth.PasswordReset) string { return address(e.User) })
}

// raiseAll raises every event that is a row of auth.auth_events.
func raiseAll(ctx context.Context, events *db.AuthEvents, u db.User) error {
	for _, err := range []error{
		auth.Raise(ctx, events, tenant, auth.SendVerificationEmail, auth.SendEmail{Email: "ann@x.com", UserID: "ann"}),
		auth.Raise(ctx, events, tenant, auth.SendLoginCode, auth.SendEmail{Email: "ann@x.com"}),
		auth.Raise(ctx, events, tenant, auth.AfterLogin, auth.Login{User: u, Connection: "db"}),
		auth.Raise(ctx, events, tenant, auth.AfterLogout, auth.Logout{UserID: "ann"}),
		auth.Raise(ctx, events, tenant, auth.AfterOAuthLogin, auth.OAuthLogin{User: u, Provider: "github", IsNewUser: true}),
		auth.Raise(ctx, events, tenant, auth.AfterOAuthRegister, auth.OAuthRegistration{User: u, UserInfo: json.RawMessage(`{"id": 7}`)}),
		auth.Raise(ctx, events, tenant, auth.AfterPasswordChange, auth.PasswordChange{User: u}),
		auth.Raise(ctx, events, tenant, auth.SendPasswordResetEmail, auth.SendEmail{Email: "ann@x.com"}),
		auth.Raise(ctx, events, tenant, auth.AfterPasswordReset, auth.PasswordReset{User: u}),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// Each event fires for its row and no other, once, whether a repository wrote the row or SQL, and through a crash.
func TestEachEvent(t *testing.T) {
	t.Parallel()
	reg, h := db.NewHooks(), &heard{}
	all(auth.NewHooks(reg), h)
	env := hookstest.New(t, reg)

	u := ann(t, env)
	env.CatchUp()
	h.require(t, "after_register ann@x.com")

	told := []string{
		"send_verification_email ann@x.com ann", "send_login_code ann@x.com ", "after_login ann@x.com db", "after_logout ann", "after_oauth_login ann@x.com github true",
		`after_oauth_register ann@x.com {"id": 7}`, "after_password_change ann@x.com", "send_password_reset_email ann@x.com ", "after_password_reset ann@x.com",
	}
	if err := env.Store.InTx(t.Context(), func(tx *db.Tx) error { return raiseAll(t.Context(), tx.AuthEvents, u) }); err != nil {
		t.Fatal(err)
	}
	env.CatchUp()
	h.require(t, told...)

	env.SQL(`insert into auth.auth_events (tenant_id, type, user_id, details) select tenant_id, type, user_id, details from auth.auth_events`)
	env.SQL(`insert into auth.users (tenant_id, user_id) values ($1, 'bob')`, tenant)
	env.CatchUp()
	env.Crash()
	env.CatchUp()
	h.require(t, append(told, "after_register bob")...)

	if _, err := env.Store.Users.Update(t.Context(), tenant, "ann", db.UpdateUser{EmailVerified: db.Set(true)}); err != nil {
		t.Fatal(err)
	}
	env.SQL(`update auth.users set email_verified = true, email = 'bob@x.com' where user_id = 'bob'`)
	env.CatchUp()
	h.require(t, "after_email_verify ann@x.com", "after_email_verify bob@x.com")

	for _, name := range auth.Names() {
		env.RequireRuns(name+":all", 2)
		env.RequireFailures(name+":all", 0)
	}
	env.RequireNoOther()
}

// What is written in a transaction that is rolled back was no event.
func TestRaiseRolledBack(t *testing.T) {
	t.Parallel()
	reg, h := db.NewHooks(), &heard{}
	all(auth.NewHooks(reg), h)
	env := hookstest.New(t, reg)
	u := ann(t, env)
	_ = env.Store.InTx(t.Context(), func(tx *db.Tx) error {
		if err := raiseAll(t.Context(), tx.AuthEvents, u); err != nil {
			t.Error(err)
		}
		return context.Canceled
	})
	env.CatchUp()
	h.require(t, "after_register ann@x.com")
}

// A row that is like an event's and isn't one fires nothing.
func TestNoOtherRow(t *testing.T) {
	t.Parallel()
	reg, h := db.NewHooks(), &heard{}
	all(auth.NewHooks(reg), h)
	env := hookstest.New(t, reg)
	env.SQL(`insert into auth.users (tenant_id, user_id, email_verified) values ($1, 'yes', true), ($1, 'no', false)`, tenant)
	env.CatchUp()
	h.require(t, "after_register yes", "after_register no")

	env.SQL(`update auth.users set name = 'x', email_verified = email_verified`) // true to true, false to false
	env.SQL(`update auth.users set email_verified = false`)
	env.SQL(`insert into auth.auth_events (tenant_id, type, user_id) values ($1, 'login', 'yes'), ($1, 'after_login2', 'yes'), ($1, 'AFTER_LOGIN', 'yes'), ($1, 'after_register', 'yes')`, tenant)
	env.SQL(`update auth.auth_events set type = 'after_logout'`)
	env.SQL(`delete from auth.auth_events`)
	env.SQL(`delete from auth.users`)
	env.CatchUp()
	h.require(t)
}

// Hooks of an event run in the order of their registration, and one that fails doesn't stop the next.
func TestOrder(t *testing.T) {
	t.Parallel()
	reg := db.NewHooks()
	flows := auth.NewHooks(reg)
	var order []string // one lane calls the hooks of an event
	for _, name := range []string{"c", "a", "b"} {
		auth.On(flows, auth.AfterLogout, name, func(_ context.Context, _ hooks.Tx, ev hooks.Event, _ auth.Logout) error {
			if ev.Attempt == 1 {
				order = append(order, name)
			}
			if name == "c" {
				return fmt.Errorf("%s fails", name)
			}
			return nil
		})
	}
	env := hookstest.New(t, reg)
	env.SQL(`insert into auth.auth_events (tenant_id, type, user_id) values ($1, 'after_logout', 'ann')`, tenant)
	env.CatchUp()
	env.RequireRuns("after_logout:b", 1)
	if want := []string{"c", "a", "b"}; !slices.Equal(order, want) {
		t.Errorf("they ran in the order %v, want %v", order, want)
	}
}

// What a hook wrote before a crash is not there twice.
func TestCrashInHook(t *testing.T) {
	t.Parallel()
	reg := db.NewHooks()
	inside := make(chan struct{}, 1)
	auth.On(auth.NewHooks(reg), auth.AfterLogin, "audit", func(ctx context.Context, tx hooks.Tx, _ hooks.Event, e auth.Login) error {
		if _, err := tx.Exec(ctx, `insert into auth.logs (tenant_id, type, description) values ($1, 's', $2)`, e.User.TenantID, e.User.UserID); err != nil {
			return err
		}
		select {
		case inside <- struct{}{}:
			<-ctx.Done() // the first run never ends by itself
			return ctx.Err()
		default:
			return nil
		}
	})
	env := hookstest.New(t, reg)
	if err := auth.Raise(t.Context(), env.Store.AuthEvents, tenant, auth.AfterLogin, auth.Login{User: ann(t, env)}); err != nil {
		t.Fatal(err)
	}
	<-inside
	inside <- struct{}{} // later runs go through
	env.Crash()
	env.CatchUp()
	env.RequireRuns("after_login:audit", 1)
	var logged int
	if err := env.Pool().QueryRow(t.Context(), `select count(*) from auth.logs`).Scan(&logged); err != nil || logged != 1 {
		t.Errorf("%d lines, %v", logged, err)
	}
}

// A filter narrows the event's hooks, and doesn't let others in.
func TestOptions(t *testing.T) {
	t.Parallel()
	reg, h := db.NewHooks(), &heard{}
	flows := auth.NewHooks(reg)
	not := hooks.Filter(func(ev *hooks.Event) bool {
		user, _ := ev.New.Value("user_id")
		return string(user) != "bob"
	})
	line := func(e auth.Logout) string { return e.UserID }
	on(flows, h, auth.AfterLogout, "filtered", line, not, hooks.RenamedFrom("old"), hooks.PassDead())
	on(flows, h, auth.AfterLogin, "filtered", func(auth.Login) string { return "" }, not)
	if a := reg.Afters()[0]; a.RenamedFrom() != "after_logout:old" || !a.PassDead() {
		t.Errorf("renamed from %q, passes dead ones: %t", a.RenamedFrom(), a.PassDead())
	}
	env := hookstest.New(t, reg)
	env.SQL(`insert into auth.auth_events (tenant_id, type, user_id) values ($1, 'after_logout', 'ann'), ($1, 'after_logout', 'bob'), ($1, 'other', 'ann')`, tenant)
	env.CatchUp()
	h.require(t, "after_logout ann")
}

// Hooks that are registered by name get what all events have.
func TestNamed(t *testing.T) {
	t.Parallel()
	reg, h := db.NewHooks(), &heard{}
	flows := auth.NewHooks(reg)
	for _, name := range auth.Names() {
		auth.On(flows, auth.Named(name), "any", func(_ context.Context, _ hooks.Tx, ev hooks.Event, e auth.Occurrence) error {
			var payload map[string]json.RawMessage
			if err := json.Unmarshal(e.Payload, &payload); err != nil {
				return err
			}
			if !e.At.Equal(ev.CommittedAt) || e.TenantID != tenant {
				return fmt.Errorf("%+v", e)
			}
			h.add(e.Event, e.UserID, string(payload["connection"]))
			return nil
		})
	}
	env := hookstest.New(t, reg)
	u := ann(t, env)
	if err := raiseAll(t.Context(), env.Store.AuthEvents, u); err != nil {
		t.Fatal(err)
	}
	env.SQL(`update auth.users set email_verified = true`)
	env.CatchUp()
	h.require(t, "after_register ann ", "send_verification_email ann ", "after_email_verify ann ", `after_login ann "db"`, "after_logout ann ",
		"after_oauth_login ann ", "after_oauth_register ann ", "after_password_change ann ", "send_login_code  ", "send_password_reset_email  ", "after_password_reset ann ")
}
