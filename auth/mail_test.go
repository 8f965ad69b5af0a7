package auth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/hooks/hookstest"
	"github.com/latchkey-dev/latchkey/internal/seal"
	"github.com/latchkey-dev/latchkey/listener"
)

// planted is nowhere to be found.
const planted = "PLANTED-token-of-a-mail"

// lines is a log that may be read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func keys(t *testing.T) *seal.Keys {
	t.Helper()
	k, err := seal.Parse(seal.New())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func raiseMail(t *testing.T, env *hookstest.Env, e auth.Event[auth.SendEmail], k auth.Sealer) {
	t.Helper()
	mail := auth.SendEmail{Email: "ann@x.com", UserID: "ann", Token: planted}
	if err := auth.RaiseSendEmail(t.Context(), env.Store.AuthEvents, k, tenant, e, mail); err != nil {
		t.Fatal(err)
	}
}

// The token reaches the hook, and nobody and nothing else: no hook by name, no webhook, no table, no log line.
func TestMailToken(t *testing.T) {
	t.Parallel()
	var logged lines
	reg, h, k := db.NewHooks(), &heard{}, keys(t)
	flows := auth.NewHooks(reg)
	flows.Serve(auth.Services{Opener: k})
	for _, e := range []auth.Event[auth.SendEmail]{auth.SendVerificationEmail, auth.SendPasswordResetEmail} {
		on(flows, h, e, "send", func(e auth.SendEmail) string { return e.Email + " " + e.UserID + " " + e.Token })
		auth.On(flows, auth.Named(string(e)), "any", func(_ context.Context, _ hooks.Tx, _ hooks.Event, o auth.Occurrence) error {
			h.add("by name", string(o.Payload))
			return nil
		})
	}
	env := hookstest.New(t, reg, hookstest.Logger(slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	verify, reset := env.Webhook("send_verification_email"), env.Webhook("send_password_reset_email")
	raiseMail(t, env, auth.SendVerificationEmail, k)
	raiseMail(t, env, auth.SendPasswordResetEmail, k)
	env.CatchUp()
	env.Crash()
	env.CatchUp()
	h.require(t, "send_verification_email ann@x.com ann "+planted, "send_password_reset_email ann@x.com ann "+planted,
		`by name {"email":"ann@x.com","user_id":"ann"}`, `by name {"email":"ann@x.com","user_id":"ann"}`)

	for _, sink := range []*hookstest.Sink{verify, reset} {
		got := sink.Await(1)[0]
		body := string(got.Body)
		var read struct {
			EventID string                     `json:"event_id"`
			Entity  map[string]json.RawMessage `json:"entity"`
		}
		if err := json.Unmarshal(got.Body, &read); err != nil {
			t.Fatal(err)
		}
		if _, has := read.Entity["sealed"]; has || read.EventID == "" || !strings.Contains(body, "ann@x.com") || strings.Contains(body, "sealed") || strings.Contains(body, planted) {
			t.Errorf("the webhook got %s", body)
		}
	}
	for _, table := range []string{"auth.auth_events", "latchkey.event_batches", "latchkey.deliveries", "latchkey.acks"} {
		var found int
		err := env.Pool().QueryRow(t.Context(), `select count(*) from `+table+` t where strpos(t::text, $1) + strpos(t::text, encode($1::bytea, 'hex')) > 0`, planted).Scan(&found)
		if err != nil || found != 0 {
			t.Errorf("%d rows of %s have it, %v", found, table, err)
		}
	}
	if strings.Contains(logged.String(), planted) {
		t.Error("it is in the log")
	}
}

// A token that doesn't open fails the delivery, which says what to do.
func TestMailTokenDoesNotOpen(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		serve func(*auth.Hooks, *seal.Keys)
		after string
		says  string
	}{
		"no services": {func(*auth.Hooks, *seal.Keys) {}, "", "its token is sealed, and this program has nothing to open it with: give Hooks.Serve"},
		"another key": {func(h *auth.Hooks, _ *seal.Keys) { h.Serve(auth.Services{Opener: keys(t)}) }, "", "open its token: seal: sealed with the key"},
		"another row": {
			func(h *auth.Hooks, k *seal.Keys) { h.Serve(auth.Services{Opener: k}) },
			`insert into auth.auth_events (tenant_id, id, type, details, sealed) select tenant_id, 'moved', type, details, sealed from auth.auth_events`,
			"row moved of auth.auth_events: open its token: seal: the sealed value doesn't open",
		},
		"another tenant": {
			func(h *auth.Hooks, k *seal.Keys) { h.Serve(auth.Services{Opener: k}) },
			`insert into auth.auth_events (tenant_id, id, type, details, sealed) select 'other', id, type, details, sealed from auth.auth_events`,
			"open its token: seal: the sealed value doesn't open",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg, h, k := db.NewHooks(), &heard{}, keys(t)
			flows := auth.NewHooks(reg)
			test.serve(flows, k)
			on(flows, h, auth.SendVerificationEmail, "send", func(e auth.SendEmail) string { return e.Token })
			env := hookstest.New(t, reg, hookstest.Retry(listener.Retry{Attempts: 1}))
			env.SQL(`insert into auth.tenants (id) values ('other')`)
			raiseMail(t, env, auth.SendVerificationEmail, k)
			env.CatchUp()
			if test.after != "" {
				h.require(t, "send_verification_email "+planted)
				env.SQL(test.after)
				env.CatchUp()
			}
			h.require(t)
			var said string
			if err := env.Pool().QueryRow(t.Context(), `select last_error from latchkey.deliveries`).Scan(&said); err != nil || !strings.Contains(said, test.says) {
				t.Errorf("it says %s, %v; want %s", said, err, test.says)
			}
		})
	}
}

// No token gets into a row unsealed.
func TestRaiseMailRefuses(t *testing.T) {
	t.Parallel()
	env := hookstest.New(t, db.NewHooks())
	events, mail := env.Store.AuthEvents, auth.SendEmail{Email: "ann@x.com", Token: planted}
	for says, err := range map[string]error{
		"its token has to be sealed: call RaiseSendEmail": auth.Raise(t.Context(), events, tenant, auth.SendVerificationEmail, mail),
		"there is nothing to seal the token with":         auth.RaiseSendEmail(t.Context(), events, nil, tenant, auth.SendVerificationEmail, mail),
		"the token is missing":                            auth.RaiseSendEmail(t.Context(), events, keys(t), tenant, auth.SendVerificationEmail, auth.SendEmail{Email: "ann@x.com"}),
		"field email is missing":                          auth.RaiseSendEmail(t.Context(), events, keys(t), tenant, auth.SendVerificationEmail, auth.SendEmail{Token: planted}),
	} {
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), planted) {
			t.Errorf("it says %v, want %s", err, says)
		}
	}
	var rows int
	if err := env.Pool().QueryRow(t.Context(), `select count(*) from auth.auth_events`).Scan(&rows); err != nil || rows != 0 {
		t.Errorf("%d rows, %v", rows, err)
	}
}

// A mail shows no token, however it is printed.
func TestMailIsMasked(t *testing.T) {
	t.Parallel()
	mail := auth.SendEmail{Email: "ann@x.com", UserID: "ann", Token: planted}
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("mail", "mail", mail)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("mail", "mail", &mail)
	text, err := json.Marshal(mail)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(text)
	fmt.Fprintf(&out, "%v %+v %#v %s %q %v", mail, mail, mail, mail, mail, &mail)
	if strings.Contains(out.String(), planted) || !strings.Contains(out.String(), "ann@x.com") {
		t.Error(out.String())
	}
}

func TestRegistered(t *testing.T) {
	t.Parallel()
	reg := db.NewHooks()
	flows, h := auth.NewHooks(reg), &heard{}
	on(flows, h, auth.SendVerificationEmail, "x", func(auth.SendEmail) string { return "" })
	auth.On(flows, auth.Named("after_login"), "x", func(context.Context, hooks.Tx, hooks.Event, auth.Occurrence) error { return nil })
	for _, name := range auth.Names() {
		if is := flows.Registered(name); is != (name == "send_verification_email" || name == "after_login") {
			t.Errorf("%s: %v", name, is)
		}
	}
}
