package authapi_test

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/latchkey-dev/latchkey/examples/authevents"
)

// mailbox is where the example's mails go.
type mailbox struct {
	mu   sync.Mutex
	sent []authevents.Mail
}

func (m *mailbox) send(_ context.Context, mail authevents.Mail) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent = append(m.sent, mail)
	return nil
}

// token is that of the link in the newest mail of a subject.
func (m *mailbox) token(t *testing.T, subject string) string {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, mail := range slices.Backward(m.sent) {
		_, token, found := strings.Cut(mail.Body, "?token=")
		if mail.Subject != subject || !found {
			continue
		}
		token, err := url.QueryUnescape(token)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	t.Fatalf("there is no mail %q in %+v", subject, m.sent)
	return ""
}

// The hooks of examples/authevents on the running endpoints: the mails whose links work, and the audit log of logins and logouts.
func TestExamples(t *testing.T) {
	t.Parallel()
	box := &mailbox{}
	r := newRig(t, func(r *rig) {
		authevents.Welcome(r.hooks, box.send)
		authevents.Links(r.hooks, "https://app.example.com", box.send)
		authevents.Audit(r.hooks, "after_login", "after_logout")
	})
	r.ann()
	box.mu.Lock()
	welcomed := slices.ContainsFunc(box.sent, func(m authevents.Mail) bool { return m.Subject == "Welcome!" && m.To == "ann@example.com" })
	box.mu.Unlock()
	if !welcomed {
		t.Error("nobody was welcomed")
	}
	r.post("/auth/verify-email/confirm", `{"token":"`+box.token(t, "Verify your email")+`"}`).want(200, `"email_verified":true`)
	r.post("/auth/password-reset/request", `{"email":"ann@example.com"}`).want(202, "")
	r.env.CatchUp()
	r.post("/auth/password-reset/confirm", `{"token":"`+box.token(t, "Reset your password")+`","new_password":"`+another+`"}`).want(204, "")
	bearer := "Bearer " + r.logIn(another).want(200, "").text("access_token")
	r.post("/auth/logout", "", "Authorization", bearer).want(204, "")
	r.env.CatchUp()
	if got := r.one(`select string_agg(description, ' ' order by description) from auth.logs where type = 'audit'`); got != "after_login after_logout" {
		t.Errorf("the audit log has %q", got)
	}
}
