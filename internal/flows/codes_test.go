package flows_test

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/flows"
)

// code is what was sent.
func (a *accounts) code(address string) string {
	a.t.Helper()
	a.ok(a.SendCode(a.t.Context(), a.caller, flows.SendCode{Connection: "mail", Address: address}))
	return a.mail("send_login_code", address)
}

func (a *accounts) checkCode(address, code string) (flows.Authenticated, error) {
	return a.CheckCode(a.t.Context(), a.caller, "mail", address, code)
}

func TestCode(t *testing.T) {
	t.Parallel()
	a := newAccounts(t, nil)
	code := a.code("ann@example.com")
	if !regexp.MustCompile(`^\d{6}$`).MatchString(code) {
		t.Errorf("code %q", code)
	}
	a.wantRan([]string{"send_login_code"})
	who, err := a.checkCode(" ANN@example.com", code)
	a.ok(err)
	if !who.New || !who.User.EmailVerified || *who.User.Email != "ann@example.com" || who.User.Connection != "mail" || who.Methods[0].Name != "email" {
		t.Errorf("authenticated %+v", who)
	}
	a.wantRan([]string{"validate ann@example.com", "pre-registration by app from 203.0.113.7"}, "after_register", "post-registration")
	a.wantLines("cls ss")
	_, err = a.checkCode("ann@example.com", code)
	a.wantRefused(err, "invalid_grant")

	code = a.code("ann@example.com")
	who, err = a.checkCode("ann@example.com", code)
	a.ok(err)
	if who.New {
		t.Error("she is new again")
	}
	a.wantRan([]string{"send_login_code"})
	a.wantLines("cls cls f ss")
}

func TestCodeTries(t *testing.T) {
	t.Parallel()
	a := newAccounts(t, nil)
	for round, wrong := range []int{4, 5} {
		code := a.code("ann@example.com")
		for range wrong {
			_, err := a.checkCode("ann@example.com", "x"+code[1:])
			a.wantRefused(err, "invalid_grant")
		}
		_, err := a.checkCode("ann@example.com", code)
		if round == 0 {
			a.ok(err)
		} else {
			a.wantRefused(err, "invalid_grant")
		}
	}
	code := a.code("ann@example.com")
	a.env.SQL(`update auth.login_codes set expires_at = now()`)
	_, err := a.checkCode("ann@example.com", code)
	a.wantRefused(err, "invalid_grant")
	code = a.code("ann@example.com")
	_, err = a.checkCode("bob@example.com", code)
	a.wantRefused(err, "invalid_grant")
	a.code("ann@example.com")
	for range 2 { // the sixth and seventh are not sent, and nothing is said of it
		a.ok(a.SendCode(t.Context(), a.caller, flows.SendCode{Connection: "mail", Address: "ann@example.com"}))
	}
	if n := a.text(`select count(*)::text from auth.auth_events where type = 'send_login_code'`); n != "5" {
		t.Errorf("%s were sent", n)
	}
}

// Whom the connection takes no signups of gets no code, and hears no other answer.
func TestCodeWithoutSignup(t *testing.T) {
	t.Parallel()
	a := newAccounts(t, nil)
	a.options("mail", `{"disable_signup": true}`)
	a.ok(a.SendCode(t.Context(), a.caller, flows.SendCode{Address: "ann@example.com"}))
	a.wantRan(nil)
	a.wantLines("fu")
	a.env.SQL(`insert into auth.users (tenant_id, user_id, provider, connection, email) values ('test', 'email|ann', 'email', 'mail', 'ann@example.com')`)
	a.wantRan(nil, "after_register", "post-registration")
	code := a.code("ann@example.com")
	a.wantRan([]string{"send_login_code"})
	who, err := a.checkCode("ann@example.com", code)
	a.ok(err)
	if who.New || who.User.UserID != "email|ann" || !who.User.EmailVerified {
		t.Errorf("authenticated %+v", who)
	}
	a.wantRan([]string{"pre-update of email_verified"}, "after_email_verify")
}

// Who is refused by a hook is no user; a code proves the address, so it joins the account that has it.
func TestCodeLinksAndIsDenied(t *testing.T) {
	t.Parallel()
	a := newAccounts(t, func(a *accounts) {
		a.hooks.PreUserRegistration("deny", func(_ context.Context, _ hooks.Tx, ev *auth.PreUserRegistration, api auth.PreUserRegistrationAPI) error {
			if *ev.User.Email == "bob@example.com" {
				api.Deny("not you")
			}
			return nil
		})
	})
	u := a.signup("ann@example.com")
	_, _, err := a.VerifyEmail(t.Context(), a.caller, a.mail("send_verification_email", "ann@example.com"))
	a.ok(err)
	who, err := a.checkCode("ann@example.com", a.code("ann@example.com"))
	a.ok(err)
	if who.User.UserID != u.UserID || who.Identity.Connection != "mail" {
		t.Errorf("authenticated %+v", who)
	}
	if _, err = a.checkCode("bob@example.com", a.code("bob@example.com")); err == nil {
		t.Error("bob got in")
	}
	a.wantLines("cls cls f ss ss sv")
}

// Neither the code nor a token of a mail is anywhere in the database.
func TestCodesAndTokensAreSealed(t *testing.T) {
	t.Parallel()
	a := newAccounts(t, nil)
	a.signup("ann@example.com")
	a.ok(a.RequestPasswordReset(t.Context(), a.caller, "db", "ann@example.com"))
	code := a.code("ann@example.com")
	planted := []string{secret, a.mail("send_verification_email", "ann@example.com"), a.mail("send_password_reset_email", "ann@example.com")}
	rows, err := a.env.Pool().Query(t.Context(), `select format('%I.%I', table_schema, table_name) from information_schema.tables where table_schema in ('auth', 'latchkey') and table_type = 'BASE TABLE'`)
	a.ok(err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	a.ok(err)
	for _, table := range tables {
		for _, text := range planted {
			if n := a.text(`select count(*)::text from `+table+` r where strpos(r::text, $1) > 0 or strpos(r::text, encode(convert_to($1, 'UTF8'), 'hex')) > 0`, text); n != "0" {
				t.Errorf("%s has %s", table, text)
			}
		}
		if strings.HasPrefix(table, "latchkey.") {
			continue // counters and positions, some of which may have six digits
		}
		if n := a.text(`select count(*)::text from `+table+` r where r::text ~ ('(^|[^.0-9a-zA-Z])' || $1 || '($|[^0-9a-zA-Z])')`, code); n != "0" { // a dot: a time's microseconds
			t.Errorf("%s has the code", table)
		}
	}
}
