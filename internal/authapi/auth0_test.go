package authapi_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// What Auth0's authentication API answers, and the hooks that run for it.

func TestSignup(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	a := r.post("/dbconnections/signup", `{"client_id":"app","connection":"db","email":"Ann@example.com","password":"`+secret+`","given_name":"Ann","user_metadata":{"plan":"free"},"extra":1}`).
		want(200, `"user_metadata":{"plan":"free"}`)
	if id := a.text("_id"); id == "" || strings.Contains(id, "|") || a.text("given_name") != "Ann" || a.text("email") != "ann@example.com" {
		t.Errorf("answered %s", a.body)
	}
	r.wantRan("ValidateRegistrationUsername, before users insert, PreUserRegistration | PostUserRegistration, after_register, send_verification_email, users insert")
	r.post("/dbconnections/signup", `{"client_id":"app","connection":"db","email":"ann@example.com","password":"`+secret+`"}`).
		want(409, `{"name":"ConflictError","code":"user_exists","description":"The user already exists.","statusCode":409}`)
	r.post("/dbconnections/signup", `{"client_id":"app","connection":"db","email":"bob@example.com","password":"short"}`).
		want(400, `{"name":"PasswordStrengthError","code":"invalid_password","description":"The password must`)
	r.post("/dbconnections/signup", `{"client_id":"none","email":"bob@example.com","password":"`+secret+`"}`).want(401, `"code":"invalid_client"`)
	r.take()
	form := url.Values{"client_id": {"app"}, "connection": {"db"}, "email": {"bob@example.com"}, "password": {secret}}
	r.post("/dbconnections/signup", form.Encode(), "Content-Type", "application/x-www-form-urlencoded").want(200, `"email":"bob@example.com"`)
}

func TestChangePasswordMail(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ann()
	a := r.post("/dbconnections/change_password", `{"client_id":"app","connection":"db","email":"ann@example.com"}`).want(200, "We've just sent you an email to reset your password.")
	if kind := a.header.Get("Content-Type"); !strings.HasPrefix(kind, "text/html") {
		t.Errorf("it is %s", kind)
	}
	r.wantRan(" | send_password_reset_email")
	r.post("/dbconnections/change_password", `{"client_id":"app"}`).want(400, `{"error":"invalid_request","error_description":"email: is required."}`)
}

func TestPasswordlessStart(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	a := r.post("/passwordless/start", `{"client_id":"app","connection":"email","email":"Ann@example.com","send":"code","authParams":{"scope":"openid"}}`).want(200, `"email_verified":false`)
	if a.text("_id") == "" || a.text("email") != "ann@example.com" {
		t.Errorf("answered %s", a.body)
	}
	r.wantRan(" | send_login_code")
	r.post("/passwordless/start", `{"client_id":"app","connection":"email","email":"ann@example.com","send":"link"}`).want(400, "send: has to be code")
	r.post("/passwordless/start", `{"client_id":"app","connection":"sms","email":"ann@example.com"}`).want(400, `"error":"invalid_request"`)
	r.post("/passwordless/start", `{"client_id":"app","connection":"email","email":"ann@example.com","client_secret":"x"}`).want(401, `"error":"invalid_client"`)
	r.wantRan(" | ")
}

func TestLogout(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ann()
	r.env.SQL(`insert into auth.sessions (tenant_id, hash, user_id, connection, idle_expires_at, expires_at)
		select 'test', sha256('cookie'), user_id, 'db', now() + interval '1 hour', now() + interval '1 hour' from auth.users`)
	w := &cookies{header: http.Header{}}
	tenant, err := r.env.Store.Tenants.Get(t.Context(), "test")
	r.ok(err)
	r.finder.Cookies.SetSession(w, &tenant, "cookie")
	cookie, _, _ := strings.Cut(w.header.Get("Set-Cookie"), ";")

	for _, bad := range []string{"https://evil.example.com/", "https://app.example.com/bye/", "https://app.example.com/bye?x=1", "//app.example.com/bye"} {
		r.do("GET", "/v2/logout?client_id=app&returnTo="+url.QueryEscape(bad), "", "Cookie", cookie).want(400, "allowed_logout_urls")
	}
	r.do("GET", "/v2/logout?returnTo="+url.QueryEscape("https://app.example.com/bye"), "", "Cookie", cookie).want(400, "allowed_logout_urls")
	r.wantRan(" | ")
	a := r.do("GET", "/v2/logout?client_id=app&returnTo="+url.QueryEscape("https://app.example.com/bye"), "", "Cookie", cookie).want(302, "")
	if a.header.Get("Location") != "https://app.example.com/bye" || !strings.Contains(a.header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("to %q, with %q", a.header.Get("Location"), a.header.Get("Set-Cookie"))
	}
	r.wantRan(" | after_logout")
	a = r.do("GET", "/v2/logout", "", "Cookie", cookie).want(302, "")
	if a.header.Get("Location") != "https://www.example.com/" {
		t.Errorf("to %q", a.header.Get("Location"))
	}
	r.wantRan(" | ")
}

// cookies is a http.ResponseWriter of which only the header counts.
type cookies struct {
	http.ResponseWriter
	header http.Header
}

func (c *cookies) Header() http.Header { return c.header }
