package authapi_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/hooks"
)

// What is wrong is named, every field of it, and no hook runs.
func TestBadInput(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ann()
	r.env.SQL(`insert into auth.tenants (id) values ('globex')`)
	r.env.SQL(`insert into auth.clients (tenant_id, client_id, name, token_endpoint_auth_method, grant_types) values ('globex', 'theirs', 'Theirs', 'none', '{password}'),
		('test', 'secretive', 'Secretive', 'client_secret_post', '{password}'), ('test', 'web', 'Web', 'none', '{authorization_code}')`)
	r.take()
	tenant := []string{"tenant-id", "test"}
	for _, c := range []struct {
		name, path, body string
		status           int
		says             string
	}{
		{"nothing", "/auth/register", ``, 400, "no JSON object"},
		{"a list", "/auth/register", `[]`, 400, "no JSON object"},
		{"null", "/auth/register", `null`, 400, "no JSON object"},
		{"two objects", "/auth/register", `{} {}`, 400, "something after"},
		{
			"every bad field", "/auth/register", `{"email":1,"name":[],"user_metadata":"x","nick":1}`, 400,
			"email: has to be a string; name: has to be a string; nick: there is no such field; password: is required; user_metadata: has to be an object.",
		},
		{"null in place of text", "/auth/register", `{"email":null,"password":"` + secret + `"}`, 400, "email: has to be a string"},
		{"a zero character", "/auth/register", `{"email":"a\u0000@example.com","password":"` + secret + `"}`, 400, "email: has a zero character"},
		{"a zero character within", "/auth/register", `{"email":"z@example.com","password":"` + secret + `","user_metadata":{"a":"\u0000"}}`, 400, "invalid_request"},
		{"no address", "/auth/register", `{"email":"ann","password":"` + secret + `"}`, 400, `"errorCode":"invalid_signup"`},
		{"a huge body", "/auth/register", `{"email":"` + strings.Repeat("x", 70<<10) + `"}`, 413, `"errorCode":"payload_too_large"`},
		{"a connection that there isn't", "/auth/register", `{"connection":"none","email":"b@example.com","password":"` + secret + `"}`, 400, "no such connection"},
		{"a connection of codes", "/auth/register", `{"connection":"email","email":"b@example.com","password":"` + secret + `"}`, 400, "no such connection"},
		{"another tenant's client", "/auth/register", `{"client_id":"theirs","email":"b@example.com","password":"` + secret + `"}`, 401, `"errorCode":"invalid_client"`},
		{"login with nothing", "/auth/login", `{}`, 400, "email: either it or username is required; password: is required."},
		{"login with both", "/auth/login", `{"email":"a","username":"b","password":"c"}`, 400, "email: either it or username is required"},
		{"login without a secret", "/auth/login", `{"client_id":"secretive","email":"ann@example.com","password":"` + secret + `"}`, 401, "invalid_client"},
		{"login by a client that may not", "/auth/login", `{"client_id":"web","email":"ann@example.com","password":"` + secret + `"}`, 403, "grant_types don't have password"},
		{"login for no audience", "/auth/login", `{"audience":"https://none/","email":"ann@example.com","password":"` + secret + `"}`, 403, "no resource server"},
		{"refresh with nothing", "/auth/refresh", `{}`, 400, "refresh_token: is required."},
		{"refresh with nonsense", "/auth/refresh", `{"refresh_token":"x"}`, 401, `"errorCode":"invalid_grant"`},
		{"a token of nobody", "/auth/verify-email/confirm", `{"token":"x"}`, 400, `"errorCode":"invalid_ticket"`},
		{"reset with nothing", "/auth/password-reset/confirm", `{}`, 400, "new_password: is required; token: is required."},
		{"change without a token", "/auth/change-password", `{"current_password":"a","new_password":"b"}`, 401, "invalid_token"},
		{"signup with nothing", "/dbconnections/signup", `{"email":2}`, 400, "client_id: is required; email: has to be a string; password: is required."},
		{"signup with a list", "/dbconnections/signup", `[]`, 400, `"name":"BadRequestError"`},
		{"start with nothing", "/passwordless/start", `{}`, 400, `"error_description":"client_id: is required; connection: is required; email: is required."`},
		{"a huge body for Auth0", "/passwordless/start", `{"email":"` + strings.Repeat("x", 70<<10) + `"}`, 413, `"error":"payload_too_large"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := r.post(c.path, c.body, tenant...)
			a.t = t
			a.want(c.status, c.says)
		})
	}
	r.post("/auth/register", `email=a`, "Content-Type", "application/x-www-form-urlencoded").want(415, "application/json")
	r.post("/dbconnections/signup", `email=a&email=b`, "Content-Type", "application/x-www-form-urlencoded").want(400, "email: is there more than once")
	r.post("/auth/register", `{"email":"b@example.com","password":"`+secret+`"}`, "tenant-id", "none").want(400, "no such tenant")
	if got := r.take(); strings.Contains(got, "PostLogin") || strings.Contains(got, "after_") {
		t.Errorf("there ran %s", got)
	}
}

func TestBlockedUser(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ann()
	tokens := r.logIn(secret).want(200, "")
	r.env.SQL(`update auth.users set blocked = true`)
	r.take()
	r.logIn(secret).want(403, `"errorCode":"access_denied"`)
	r.logIn("wrong wrong wrong").want(401, "invalid_grant") // which is all that a stranger is told
	r.post("/auth/refresh", `{"refresh_token":"`+tokens.text("refresh_token")+`"}`).want(401, "invalid_grant")
	r.post("/auth/change-password", `{"current_password":"`+secret+`","new_password":"`+another+`"}`, "Authorization", "Bearer "+tokens.text("access_token")).want(401, "invalid_token")
	r.wantRan(" | ")
}

// Of two signups at once one wins, the other is told so, and after-hooks hear of one.
func TestSignupRace(t *testing.T) {
	t.Parallel()
	var both sync.WaitGroup
	both.Add(2)
	r := newRig(t, func(r *rig) {
		r.hooks.ValidateRegistrationUsername("meet", func(context.Context, *auth.RegistrationAttempt, auth.ValidateRegistrationAPI) error {
			both.Done()
			both.Wait()
			return nil
		})
	})
	answers := make(chan reply, 2)
	for range 2 {
		go func() { answers <- r.post("/auth/register", `{"email":"ann@example.com","password":"`+secret+`"}`) }()
	}
	first, second := <-answers, <-answers
	if first.status > second.status {
		first, second = second, first
	}
	first.want(201, "ann@example.com")
	second.want(409, `"errorCode":"user_exists"`)
	if got := r.take(); !strings.HasSuffix(got, " | PostUserRegistration, after_register, send_verification_email, users insert") {
		t.Errorf("there ran %s", got)
	}
}

// A refusal of a hook has its code and its reason; a failure of one tells nothing.
func TestHooksRefuse(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(r *rig) {
		r.hooks.PreUserRegistration("refuse", func(_ context.Context, _ hooks.Tx, ev *auth.PreUserRegistration, _ auth.PreUserRegistrationAPI) error {
			switch *ev.User.Email {
			case "refused@example.com":
				return hooks.Reject("no_such_people", "Not this one.")
			case "failed@example.com":
				panic("the hook's secret")
			}
			return nil
		})
	})
	body := `{"client_id":"app","email":"?@example.com","password":"` + secret + `"}`
	r.post("/auth/register", strings.Replace(body, "?", "refused", 1)).
		want(400, `{"statusCode":400,"error":"Bad Request","message":"Not this one.","errorCode":"no_such_people"}`)
	r.post("/dbconnections/signup", strings.Replace(body, "?", "refused", 1)).want(400, `{"name":"BadRequestError","code":"no_such_people","description":"Not this one.","statusCode":400}`)
	for _, path := range []string{"/auth/register", "/dbconnections/signup"} {
		if a := r.post(path, strings.Replace(body, "?", "failed", 1)).want(500, "internal_error"); strings.Contains(a.body, "secret") {
			t.Errorf("%s tells %s", path, a.body)
		}
	}
	if n := r.one(`select count(*)::text from auth.users`); n != "0" {
		t.Errorf("%s users", n)
	}
}
