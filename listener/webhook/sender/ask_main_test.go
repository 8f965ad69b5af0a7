package sender_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/pgtest"
	"github.com/latchkey-dev/latchkey/listener/webhook"
	"github.com/latchkey-dev/latchkey/listener/webhook/sender"
)

// asking is a store whose asker is a sender, with the tenants acme and globex, and another connection.
type asking struct {
	*db.Store
	sender *sender.Sender
	sql    *pgxpool.Pool
	secret webhook.Secret
}

func newAsking(t *testing.T, register func(*db.Hooks)) *asking {
	t.Helper()
	d := pgtest.New(t)
	e := &asking{sql: d.Pool(t), secret: webhook.NewSecret()}
	reg := db.NewHooks()
	if register != nil {
		register(reg)
	}
	guard, err := webhook.NewGuard("127.0.0.1")
	ok(t, err)
	s, err := sender.New(sender.Config{Tables: reg.Tables(), Guard: guard, Seal: plain{}, DB: e.sql, AskTimeout: 3 * time.Second})
	ok(t, err)
	e.sender = s
	e.Store, err = db.Open(t.Context(), db.Config{DatabaseURL: d.URL, Hooks: reg, Asker: s})
	ok(t, err)
	t.Cleanup(func() { e.Close(); s.Close() })
	e.exec(t, `insert into auth.tenants (id) values ('acme'), ('globex')`)
	return e
}

func (e *asking) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := e.sql.Exec(t.Context(), sql, args...)
	ok(t, err)
}

func (e *asking) count(t *testing.T, from string, args ...any) (n int) {
	t.Helper()
	ok(t, e.sql.QueryRow(t.Context(), "select count(*) from "+from, args...).Scan(&n))
	return n
}

func (e *asking) wantCount(t *testing.T, want int, from string, args ...any) {
	t.Helper()
	if n := e.count(t, from, args...); n != want {
		t.Errorf("%d rows in %s; want %d", n, from, want)
	}
}

// plain seals nothing, but knows names.
type plain struct{}

func (plain) Open(sealed []byte, name string) ([]byte, error) {
	clear, ok := bytes.CutPrefix(sealed, []byte(name+"\n"))
	if !ok {
		return nil, errors.New("sealed under another name")
	}
	return clear, nil
}

// hook makes a webhook of acme's.
func (e *asking) hook(t *testing.T, id, trigger string, r *receiver) {
	t.Helper()
	e.exec(t, `insert into auth.hooks (tenant_id, hook_id, name, trigger_id, url) values ('acme', $1, 'my hook', $2, $3)`, id, trigger, r.URL)
	e.exec(t, `insert into auth.hook_secrets (tenant_id, hook_id, kind, sealed) values ('acme', $1, 'signing', $2)`,
		id, []byte(sender.SecretName("acme", id, "signing")+"\n"+e.secret.Reveal()))
}

// question is what a receiver got.
type question struct {
	WebhookID string `json:"-"`
	Raw       string `json:"-"`

	TenantID  string                     `json:"tenant_id"`
	TriggerID string                     `json:"trigger_id"`
	EventID   string                     `json:"event_id"`
	Origin    string                     `json:"origin"`
	User      map[string]json.RawMessage `json:"user"`
	Before    map[string]json.RawMessage `json:"before"`
	Updates   json.RawMessage            `json:"updates"`
	Changed   []string                   `json:"changed"`
	Request   map[string]string          `json:"request"`
}

// receiver verifies what it gets, and answers.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []question
	answer func(w http.ResponseWriter, n int) // n is 1 for the first
}

func (e *asking) receiver(t *testing.T, answer func(w http.ResponseWriter, n int)) *receiver {
	t.Helper()
	r := &receiver{answer: answer}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err == nil {
			err = webhook.Verify(req.Header, body, e.secret)
		}
		q := question{WebhookID: req.Header.Get("webhook-id"), Raw: string(body)}
		if err == nil {
			err = json.Unmarshal(body, &q)
		}
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		r.got = append(r.got, q)
		n := len(r.got)
		r.mu.Unlock()
		r.answer(w, n)
	}))
	t.Cleanup(r.Close)
	return r
}

// take is what came since.
func (r *receiver) take() []question {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.got
	r.got = nil
	return got
}

func says(code int, body string) func(http.ResponseWriter, int) {
	return func(w http.ResponseWriter, _ int) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

const (
	onCreate = webhook.PreUserRegistration
	onUpdate = webhook.PreUserUpdate
	onDelete = webhook.PreUserDeletion
)

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v; want %v", err, want)
	}
}

func wantRejection(t *testing.T, err error, hook, code, reason string) {
	t.Helper()
	var no *hooks.Rejection
	if !errors.As(err, &no) || no.Hook != hook || no.Code != code || reason != "" && no.Reason != reason {
		t.Fatalf("error %v; want %s (%s) by %s", err, reason, code, hook)
	}
}
