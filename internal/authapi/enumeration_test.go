package authapi_test

import (
	"strings"
	"testing"
)

// Who asks can't tell whether there is an account: neither by the status, nor by the text, nor by the headers. That it takes as long is the
// flows' business: their tests count the hashes that are made.
func TestNobodyIsEnumerated(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ann()
	for _, c := range []struct{ path, body string }{
		{"/auth/login", `{"email":"?","password":"wrong wrong wrong"}`},
		{"/auth/password-reset/request", `{"email":"?"}`},
		{"/auth/verify-email/request", `{"email":"?"}`},
		{"/dbconnections/change_password", `{"client_id":"app","connection":"db","email":"?"}`},
		{"/passwordless/start", `{"client_id":"app","connection":"email","email":"?"}`},
	} {
		known := r.post(c.path, strings.ReplaceAll(c.body, "?", "ann@example.com"))
		nobody := r.post(c.path, strings.ReplaceAll(c.body, "?", "bob@example.com"))
		if c.path == "/passwordless/start" { // which says the address again, and an id that is random
			known.body = strings.Replace(known.body, known.text("_id"), "", 1)
			nobody.body = strings.Replace(strings.Replace(nobody.body, nobody.text("_id"), "", 1), "bob@", "ann@", 1)
		}
		if known.status != nobody.status || known.body != nobody.body || known.status >= 500 {
			t.Errorf("%s tells %d %s, and %d %s", c.path, known.status, known.body, nobody.status, nobody.body)
		}
		for name := range known.header {
			if name != "X-Request-Id" && name != "Date" && known.header.Get(name) != nobody.header.Get(name) {
				t.Errorf("%s: %s is %q, and %q", c.path, name, known.header.Get(name), nobody.header.Get(name))
			}
		}
	}
}

// Nor by a signup, where the connection prevents it: two answers differ by nothing but what was sent, the ids and the time.
func TestSignupIsNotEnumerated(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ann()
	r.env.SQL(`update auth.connections set options = '{"prevent_enumeration": true}' where id = 'con_1'`)
	for _, path := range []string{"/auth/register", "/dbconnections/signup"} {
		body := `{"client_id":"app","connection":"db","email":"?@example.com","password":"` + secret + `"}`
		known, nobody := r.post(path, strings.Replace(body, "?", "ann", 1)), r.post(path, strings.Replace(body, "?", "x"+path[1:5], 1))
		for _, a := range []*reply{&known, &nobody} {
			for _, name := range []string{"_id", "user_id", "created_at", "email"} {
				if value := a.text(name); value != "" {
					a.body = strings.Replace(a.body, value, "", 1)
				}
			}
		}
		if known.status != nobody.status || known.body != nobody.body || known.status >= 300 {
			t.Errorf("%s tells %d %s, and %d %s", path, known.status, known.body, nobody.status, nobody.body)
		}
	}
}

// After too many tries at a name it is said so, whether or not somebody has it.
func TestLockoutIsNotEnumerated(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ann()
	for _, name := range []string{"ann@example.com", "bob@example.com"} {
		body := `{"email":"` + name + `","password":"wrong wrong wrong"}`
		for range 10 {
			r.post("/auth/login", body).want(401, `"errorCode":"invalid_grant"`)
		}
		r.post("/auth/login", body).want(429, `"errorCode":"too_many_attempts"`)
	}
}
