package authevents_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/examples/authevents"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/hooks/hookstest"
	"github.com/latchkey-dev/latchkey/internal/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Suite{M: m}) }

const tenant = hookstest.Tenant

func TestMailsAndAudit(t *testing.T) {
	t.Parallel()
	reg := db.NewHooks()
	flows := auth.NewHooks(reg)
	var sent atomic.Pointer[authevents.Mail]
	authevents.Welcome(flows, func(_ context.Context, m authevents.Mail) error { sent.Store(&m); return nil })
	authevents.NoteLogins(flows)
	authevents.Audit(flows, "after_register", "after_login", "after_logout")
	env := hookstest.New(t, reg)

	// A user whom psql makes is welcome too.
	env.SQL(`insert into auth.users (tenant_id, user_id, email) values ($1, 'ann', 'ann@x.com')`, tenant)
	env.CatchUp()
	if m := sent.Load(); m == nil || m.To != "ann@x.com" || m.ID != "welcome-1" {
		t.Errorf("the mail is %+v", m)
	}

	// What a login flow does: its row, and whatever else belongs to it, in one transaction.
	ctx := db.WithStamp(t.Context(), hooks.Stamp{Actor: "ann", IP: "10.0.0.1"})
	err := env.Store.InTx(ctx, func(tx *db.Tx) error {
		if _, err := tx.Users.RecordLogin(ctx, tenant, "ann", db.Login{IP: "10.0.0.1"}); err != nil {
			return err
		}
		user, err := tx.Users.Get(ctx, tenant, "ann")
		if err != nil {
			return err
		}
		return auth.Raise(ctx, tx.AuthEvents, tenant, auth.AfterLogin, auth.Login{User: user, Connection: user.Connection})
	})
	if err != nil {
		t.Fatal(err)
	}
	env.CatchUp()
	env.Crash()
	env.SQL(`insert into auth.auth_events (tenant_id, type, user_id) values ($1, 'after_logout', 'ann')`, tenant)
	env.CatchUp()

	for hook, runs := range map[string]int{
		"after_register:welcome": 1, "after_login:note": 1, "after_register:audit": 1, "after_login:audit": 1, "after_logout:audit": 1,
	} {
		env.RequireRuns(hook, runs)
	}
	env.RequireNoOther()
	var lines []string
	const query = `select array_agg(concat_ws(' ', description, user_id, ip, connection, details ->> 'origin')) from auth.logs`
	if err := env.Pool().QueryRow(ctx, query).Scan(&lines); err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	want := []string{
		"after_login ann app", "after_logout ann external", "after_register ann external", "login ann 10.0.0.1 Username-Password-Authentication",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("the log has\n%s", strings.Join(lines, "\n"))
	}
}

// sealed is a service's own way to keep tokens from who reads its database; this one keeps nothing.
type sealed struct{}

func (sealed) Seal(plain []byte, name string) []byte { return append([]byte(name+" "), plain...) }

func (sealed) Open(text []byte, name string) ([]byte, error) {
	plain, is := bytes.CutPrefix(text, []byte(name+" "))
	if !is {
		return nil, errors.New("it is another row's")
	}
	return plain, nil
}

func TestLinks(t *testing.T) {
	t.Parallel()
	reg := db.NewHooks()
	flows := auth.NewHooks(reg)
	flows.Serve(auth.Services{Opener: sealed{}})
	sent := make(chan authevents.Mail, 2)
	authevents.Links(flows, "https://myapp.com", func(_ context.Context, m authevents.Mail) error { sent <- m; return nil })
	env := hookstest.New(t, reg)
	for _, test := range []struct {
		event auth.Event[auth.SendEmail]
		want  authevents.Mail
	}{
		{auth.SendVerificationEmail, authevents.Mail{ID: "verify-1", To: "ann@x.com", Subject: "Verify your email", Body: "Click here to verify: https://myapp.com/verify?token=a%26b"}},
		{auth.SendPasswordResetEmail, authevents.Mail{ID: "reset-2", To: "ann@x.com", Subject: "Reset your password", Body: "Click here to reset: https://myapp.com/reset-password?token=a%26b"}},
	} {
		mail := auth.SendEmail{Email: "ann@x.com", UserID: "ann", Token: "a&b"}
		if err := auth.RaiseSendEmail(t.Context(), env.Store.AuthEvents, sealed{}, tenant, test.event, mail); err != nil {
			t.Fatal(err)
		}
		env.CatchUp()
		if got := <-sent; got != test.want {
			t.Errorf("the mail is %+v, want %+v", got, test.want)
		}
	}
}

func TestAuditOfNoEvent(t *testing.T) {
	t.Parallel()
	reg := db.NewHooks()
	authevents.Audit(auth.NewHooks(reg), "after_signin")
	if err := reg.Err(); err == nil || !strings.Contains(err.Error(), `there is no event "after_signin": did you mean "after_login"?`) {
		t.Errorf("it says %v", err)
	}
}
