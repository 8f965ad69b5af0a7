package authapi_test

import (
	"testing"

	"github.com/latchkey-dev/latchkey/internal/authapi"
)

// Each of FullAuth's flows runs its hooks, in their order, and no other.

func TestRegister(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	a := r.post("/auth/register", `{"email":" Ann@Example.com ","password":"`+secret+`","name":"Ann","user_metadata":{"plan":"free"}}`).want(201, `"user_metadata":{"plan":"free"}`)
	if a.text("email") != "ann@example.com" || a.text("user_id") == "" || a.header.Get("X-Request-Id") == "" {
		t.Errorf("answered %s", a.body)
	}
	r.wantRan("ValidateRegistrationUsername, before users insert, PreUserRegistration | PostUserRegistration, after_register, send_verification_email, users insert")
	r.post("/auth/register", `{"email":"ann@example.com","password":"`+secret+`"}`).want(409, `"errorCode":"user_exists"`)
	r.wantRan("ValidateRegistrationUsername, before users insert, PreUserRegistration | ")
}

func TestVerifyEmail(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ann()
	r.post("/auth/verify-email/request", `{"email":"ann@example.com"}`).want(202, "If there is such an account")
	r.wantRan(" | send_verification_email")
	body := `{"token":"` + r.mail("send_verification_email", "ann@example.com") + `"}`
	r.post("/auth/verify-email/confirm", body).want(200, `"email_verified":true`)
	r.wantRan("before users update, PreUserUpdate | after_email_verify, users update")
	r.post("/auth/verify-email/confirm", body).want(400, `"errorCode":"invalid_ticket"`)
	r.wantRan(" | ")
}

func TestLogInAndOut(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ann()
	r.logIn("wrong wrong wrong").want(401, `"errorCode":"invalid_grant"`)
	r.wantRan(" | ")
	first := r.logIn(secret).want(200, `"token_type":"Bearer"`)
	r.wantRan("PostLogin by oauth2-password | after_login")
	for _, name := range []string{"access_token", "refresh_token", "id_token"} {
		if first.text(name) == "" {
			t.Errorf("no %s", name)
		}
	}
	second := r.post("/auth/refresh", `{"refresh_token":"`+first.text("refresh_token")+`"}`).want(200, "refresh_token")
	r.wantRan("PostLogin by oauth2-refresh-token | ")
	bearer := "Bearer " + second.text("access_token")
	r.post("/auth/logout", "", "Authorization", bearer).want(204, "")
	r.wantRan(" | after_logout")
	r.post("/auth/logout", "", "Authorization", bearer).want(401, `"errorCode":"invalid_token"`)
	r.post("/auth/logout", "", "Authorization", "Bearer "+first.text("access_token")).want(401, "invalid_token")
	r.post("/auth/refresh", `{"refresh_token":"`+second.text("refresh_token")+`"}`).want(401, `"errorCode":"invalid_grant"`)
	r.wantRan(" | ")
	r.post("/auth/logout", "").want(401, "Authorization: Bearer")
	r.post("/auth/logout", "", "Authorization", "Bearer "+first.text("id_token")).want(401, "invalid_token")
	r.post("/auth/logout", "", "Authorization", "Bearer a.b.c").want(401, "invalid_token")
}

// Of two logouts at once one raises the event.
func TestLogoutRace(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ann()
	bearer := "Bearer " + r.logIn(secret).want(200, "").text("access_token")
	r.take()
	statuses := make(chan int, 4)
	for range cap(statuses) {
		go func() { statuses <- r.post("/auth/logout", "", "Authorization", bearer).status }()
	}
	for range cap(statuses) {
		if status := <-statuses; status != 204 && status != 401 {
			t.Errorf("answered %d", status)
		}
	}
	r.wantRan(" | after_logout")
}

func TestChangePassword(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ann()
	tokens := r.logIn(secret).want(200, "")
	r.take()
	bearer := "Bearer " + tokens.text("access_token")
	r.post("/auth/change-password", `{"current_password":"wrong","new_password":"`+another+`"}`, "Authorization", bearer).want(401, "invalid_grant")
	r.post("/auth/change-password", `{"current_password":"`+secret+`","new_password":"short"}`, "Authorization", bearer).want(400, `"errorCode":"invalid_password"`)
	r.wantRan(" | ")
	r.post("/auth/change-password", `{"current_password":"`+secret+`","new_password":"`+another+`"}`, "Authorization", bearer).want(204, "")
	r.wantRan(" | after_password_change")
	r.post("/auth/refresh", `{"refresh_token":"`+tokens.text("refresh_token")+`"}`).want(401, "invalid_grant")
	r.logIn(secret).want(401, "invalid_grant")
	r.wantRan(" | ")
	r.logIn(another).want(200, "access_token")
}

func TestPasswordReset(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ann()
	tokens := r.logIn(secret).want(200, "")
	r.take()
	r.post("/auth/password-reset/request", `{"email":"ann@example.com"}`).want(202, "If there is such an account")
	r.wantRan(" | send_password_reset_email")
	mailed := r.mail("send_password_reset_email", "ann@example.com")
	r.post("/auth/password-reset/confirm", `{"token":"`+mailed+`","new_password":"short"}`).want(400, "invalid_password")
	r.wantRan(" | ")
	r.post("/auth/password-reset/confirm", `{"token":"`+mailed+`","new_password":"`+another+`"}`).want(204, "")
	r.wantRan("before users update, PreUserUpdate | after_email_verify, after_password_reset, users update")
	r.post("/auth/password-reset/confirm", `{"token":"`+mailed+`","new_password":"`+another+`"}`).want(400, "invalid_ticket")
	r.post("/auth/refresh", `{"refresh_token":"`+tokens.text("refresh_token")+`"}`).want(401, "invalid_grant")
	r.logIn(another).want(200, "access_token")
}

// One address has only so many requests a minute.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil, func(c *authapi.Config) { c.RateLimit = 2 })
	for range 2 {
		r.post("/auth/login", `{}`).want(400, "password: is required")
	}
	a := r.post("/auth/login", `{}`).want(429, `"errorCode":"too_many_requests"`)
	if a.header.Get("Retry-After") == "" {
		t.Error("it isn't said when to come back")
	}
}
