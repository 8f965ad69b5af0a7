package sender_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/listener/webhook/sender"
)

// An endpoint that is down costs five writers their time, not all: on_error decides at once then, and the log says so. Now and then
// one write finds out whether it is back.
func TestAskEndpointDown(t *testing.T) {
	t.Parallel()
	e := newAsking(t, nil)
	now := time.Now() // writes come one after the other here
	e.sender.SetClock(func() time.Time { return now })
	breaks := func(http.ResponseWriter, int) { panic(http.ErrAbortHandler) } // the connection
	r := e.receiver(t, breaks)
	e.hook(t, "h", onCreate, r)
	e.exec(t, `update auth.hooks set rate_limit = 0.001`) // is for asynchronous ones alone: all below goes at once
	refused := func(asked int) {
		t.Helper()
		_, err := e.Users.Create(t.Context(), "acme", db.CreateUser{})
		wantRejection(t, err, "h", sender.CodeNoAnswer, "")
		if got := r.take(); len(got) != asked {
			t.Fatalf("asked %d times; want %d", len(got), asked)
		}
	}
	for range 5 {
		refused(1)
	}
	refused(0)
	e.wantCount(t, 1, `auth.logs where type = 'failed_hook' and details ->> 'error' like 'not asked%in 5s%' and (details ->> 'attempt')::int = 0
		and details ->> 'outcome' = 'refused' and details ->> 'hook_id' = 'h' and not details ? 'status_code'`)
	e.exec(t, `update auth.hooks set on_error = 'allow'`)
	_, err := e.Users.Create(t.Context(), "acme", db.CreateUser{})
	ok(t, err)
	e.wantCount(t, 1, `auth.logs where details ->> 'error' like 'not asked%' and details ->> 'outcome' = 'allowed'`)
	e.exec(t, `update auth.hooks set on_error = 'deny'`)
	if got := r.take(); len(got) > 0 {
		t.Fatalf("asked %d times", len(got))
	}

	for _, pause := range []time.Duration{5, 10, 20, 30, 30} { // seconds
		now = now.Add(pause*time.Second - 1)
		refused(0)
		now = now.Add(1)
		refused(1) // the probe
		refused(0)
	}
	now = now.Add(30 * time.Second)
	r.answer = says(403, `{}`) // a refusal is an answer
	for range 3 {
		_, err = e.Users.Create(t.Context(), "acme", db.CreateUser{})
		wantRejection(t, err, "h", sender.CodeRefused, "")
	}
	if got := r.take(); len(got) != 3 {
		t.Errorf("asked %d times after it was back", len(got))
	}
}

// What isn't the endpoint's fault, or costs no time, keeps nobody from asking.
func TestAskEndpointIsNotDown(t *testing.T) {
	t.Parallel()
	e := newAsking(t, nil)
	r := e.receiver(t, nil)
	e.hook(t, "h", onCreate, r)
	create := func(code string) {
		t.Helper()
		_, err := e.Users.Create(t.Context(), "acme", db.CreateUser{})
		wantRejection(t, err, "h", code, "")
	}
	for name, answer := range map[string]func(http.ResponseWriter, int){
		"refuses": says(403, `{}`), "asks for less": says(429, ``), "redirects": says(302, ``), "no JSON": says(200, `no`),
	} {
		r.answer = answer
		code := sender.CodeNoAnswer
		if name == "refuses" {
			code = sender.CodeRefused
		}
		for range 7 {
			create(code)
		}
		if got := r.take(); len(got) != 7 {
			t.Errorf("%s: asked %d times", name, len(got))
		}
	}
	e.exec(t, `update auth.hook_secrets set sealed = 'another'`)
	for range 7 {
		create(sender.CodeNoAnswer)
	}
	e.wantCount(t, 0, `auth.logs where details ->> 'error' like 'not asked%'`)
	e.exec(t, `update auth.hook_secrets set sealed = $1`, []byte(sender.SecretName("acme", "h", "signing")+"\n"+e.secret.Reveal()))
	r.answer = says(204, ``)
	_, err := e.Users.Create(t.Context(), "acme", db.CreateUser{})
	ok(t, err)
}
