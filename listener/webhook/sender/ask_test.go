package sender_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/listener/webhook"
	"github.com/latchkey-dev/latchkey/listener/webhook/sender"
)

// What each answer decides, and what it leaves in the log; a refusal leaves nothing else.
func TestAskAnswers(t *testing.T) {
	t.Parallel()
	e := newAsking(t, nil)
	r := e.receiver(t, nil)
	e.hook(t, "h", onCreate, r)
	for name, c := range map[string]struct {
		code         int
		body         string
		want, reason string // code of the refusal, empty: it is allowed; "fault": on_error decides
	}{
		"allowed":     {200, `{"allowed":true}`, "", ""},
		"empty":       {204, ``, "", ""},
		"refused":     {200, `{"allowed":false,"reason":"not on the list"}`, sender.CodeRefused, "not on the list"},
		"4xx":         {403, `{"reason":"blocked"}`, sender.CodeRefused, "blocked"},
		"429":         {429, `{"allowed":true}`, "fault", ""},
		"5xx":         {502, `{"allowed":true}`, "fault", ""},
		"no JSON":     {200, `sure`, "fault", ""},
		"redirect":    {307, `{"allowed":true}`, "fault", ""},
		"echoed":      {403, `{"reason":"key ` + e.secret.Reveal() + `"}`, sender.CodeRefused, "key ***"},
		"no metadata": {200, `{"user_metadata":[]}`, "fault", ""},
	} {
		for _, onError := range []string{"deny", "allow"} {
			e.exec(t, `delete from auth.logs; delete from auth.users`)
			e.exec(t, `update auth.hooks set on_error = $1`, onError)
			r.answer = says(c.code, c.body)
			_, err := e.Users.Create(t.Context(), "acme", db.CreateUser{UserID: "ann"})
			users, logged, outcome := 0, 1, "refused"
			switch {
			case c.want == "":
				users, logged = 1, 0
				ok(t, err)
			case c.want == "fault" && onError == "allow":
				users, outcome = 1, "allowed"
				ok(t, err)
			case c.want == "fault":
				wantRejection(t, err, "h", sender.CodeNoAnswer, "")
			default:
				wantRejection(t, err, "h", c.want, c.reason)
			}
			e.wantCount(t, users, "auth.users")
			if n := e.count(t, `auth.logs where tenant_id = 'acme' and type = 'failed_hook' and user_id = 'ann' and details ->> 'trigger_id' = $1
				and details ->> 'hook_id' = 'h' and details ->> 'hook_name' = 'my hook' and (details ->> 'status_code')::int = $2 and details ->> 'outcome' = $3
				and details ->> 'event_id' like 'evt\_%' and details ->> 'webhook_id' like 'msg\_%' and (details ->> 'attempt')::int = 1
				and (details ->> 'duration_ms')::int >= 0`, onCreate, c.code, outcome); n != logged {
				t.Errorf("%s, on_error %s: %d lines in the log; want %d", name, onError, n, logged)
			}
			e.wantCount(t, 0, `auth.logs where details::text like '%' || $1 || '%'`, strings.TrimPrefix(e.secret.Reveal(), "whsec_"))
		}
	}
}

// Nobody answers at all.
func TestAskNobodyThere(t *testing.T) {
	t.Parallel()
	e := newAsking(t, nil)
	r := e.receiver(t, says(200, `{}`))
	e.hook(t, "h", onCreate, r)
	r.Close()
	_, err := e.Users.Create(t.Context(), "acme", db.CreateUser{})
	wantRejection(t, err, "h", sender.CodeNoAnswer, "")
	e.exec(t, `update auth.hooks set on_error = 'allow'`)
	_, err = e.Users.Create(t.Context(), "acme", db.CreateUser{})
	ok(t, err)
	e.wantCount(t, 2, `auth.logs where type = 'failed_hook' and details ->> 'error' <> ''`)
	e.exec(t, `update auth.hooks set url = 'http://169.254.169.254/', on_error = 'deny'`) // the guard of dials is theirs too
	_, err = e.Users.Create(t.Context(), "acme", db.CreateUser{})
	wantRejection(t, err, "h", sender.CodeNoAnswer, "")
	e.exec(t, `delete from auth.hook_secrets`)
	_, err = e.Users.Create(t.Context(), "acme", db.CreateUser{})
	wantRejection(t, err, "h", sender.CodeNoAnswer, "")
}

// Priority descending, then the oldest; the first refusal wins, and what is off isn't asked.
func TestAskOrder(t *testing.T) {
	t.Parallel()
	e := newAsking(t, nil)
	refuses := "c"
	order := make(chan string, 10)
	for _, h := range []struct {
		id       string
		priority int
		created  string
		enabled  bool
		trigger  string
	}{
		{"a", 0, "2020-01-02", true, onCreate},
		{"b", 0, "2020-01-01", true, onCreate},
		{"c", 5, "2020-01-03", true, onCreate},
		{"off", 9, "2020-01-01", false, onCreate},
		{"other", 9, "2020-01-01", true, onUpdate},
	} {
		e.hook(t, h.id, h.trigger, e.receiver(t, func(w http.ResponseWriter, _ int) {
			order <- h.id
			if refuses == h.id {
				w.WriteHeader(http.StatusForbidden)
			} else {
				w.WriteHeader(http.StatusNoContent)
			}
		}))
		e.exec(t, `update auth.hooks set priority = $2, created_at = $3::text::timestamptz, enabled = $4 where hook_id = $1`, h.id, h.priority, h.created, h.enabled)
	}
	asked := func() (ids []string) {
		for len(order) > 0 {
			ids = append(ids, <-order)
		}
		return ids
	}
	_, err := e.Users.Create(t.Context(), "acme", db.CreateUser{})
	wantRejection(t, err, "c", sender.CodeRefused, "")
	if got := asked(); !slices.Equal(got, []string{"c"}) {
		t.Errorf("asked %v", got)
	}
	refuses = ""
	_, err = e.Users.Create(t.Context(), "acme", db.CreateUser{})
	ok(t, err)
	if got := asked(); !slices.Equal(got, []string{"c", "b", "a"}) {
		t.Errorf("asked %v", got)
	}
	_, err = e.Users.Create(t.Context(), "globex", db.CreateUser{})
	ok(t, err)
	if got := asked(); len(got) > 0 {
		t.Errorf("another tenant's: asked %v", got)
	}
}

// Each hook sees what those before it made of the metadata, and the row has it all.
func TestAskMetadata(t *testing.T) {
	t.Parallel()
	e := newAsking(t, nil)
	first := e.receiver(t, says(200, `{"user_metadata":{"a":2,"b":null,"c":{"d":1}}}`))
	second := e.receiver(t, says(200, `{"user_metadata":{"e":true}}`))
	for i, trigger := range []string{onCreate, onUpdate} {
		e.hook(t, "1"+trigger, trigger, first)
		e.hook(t, "2"+trigger, trigger, second)
		e.exec(t, `update auth.hooks set priority = 1 where hook_id = '1' || $1`, trigger)
		var u db.User
		var err error
		if i == 0 {
			u, err = e.Users.Create(t.Context(), "acme", db.CreateUser{UserID: "ann", UserMetadata: json.RawMessage(`{"a":1,"b":1}`)})
		} else {
			u, err = e.Users.Update(t.Context(), "acme", "ann", db.UpdateUser{UserMetadata: db.Set(json.RawMessage(`{"a":7,"b":7}`))})
		}
		ok(t, err)
		if string(u.UserMetadata) != `{"a": 2, "c": {"d": 1}, "e": true}` {
			t.Errorf("%s: %s", trigger, u.UserMetadata)
		}
		if got := second.take(); len(got) != 1 || string(got[0].User["user_metadata"]) != `{"a":2,"c":{"d":1}}` {
			t.Errorf("%s: the second was asked %+v", trigger, got)
		}
	}
}

func TestAskBody(t *testing.T) {
	t.Parallel()
	e := newAsking(t, nil)
	r := e.receiver(t, says(204, ``))
	for _, trigger := range []string{onCreate, onUpdate, onDelete, webhook.ValidateRegistrationUsername} {
		e.hook(t, trigger, trigger, r)
	}
	ctx := db.WithStamp(t.Context(), hooks.Stamp{Actor: "root", IP: "192.0.2.1", ClientID: "web"})
	mail := "Ann@Example.com"
	_, err := e.Users.Create(ctx, "acme", db.CreateUser{UserID: "ann", Email: &mail, ProfileData: json.RawMessage(`{"access_token":"planted","sub":"1"}`)})
	ok(t, err)
	_, err = e.Users.Update(ctx, "acme", "ann", db.UpdateUser{Name: db.Set("Ann"), Email: db.Set("ANN@example.com")})
	ok(t, err)
	ok(t, e.Users.Delete(ctx, "acme", "ann"))
	ok(t, e.AskRegistration(ctx, "acme", " Bob@Example.com", "db"))
	got := r.take()
	if len(got) != 4 {
		t.Fatalf("%d requests", len(got))
	}
	ids := map[string]bool{}
	for i, trigger := range []string{onCreate, onUpdate, onDelete, webhook.ValidateRegistrationUsername} {
		q := got[i]
		ids[q.WebhookID] = true
		if q.TenantID != "acme" || q.TriggerID != trigger || q.Origin != "app" || q.Request["actor"] != "root" || q.Request["ip"] != "192.0.2.1" ||
			!strings.HasPrefix(q.EventID, "evt_") || q.WebhookID != webhook.MessageID(q.EventID, trigger) || strings.Contains(q.Raw, "planted") ||
			(q.Before != nil) != (trigger == onUpdate) || (q.Updates != nil) != (trigger == onUpdate) {
			t.Errorf("%s: %s", trigger, q.Raw)
		}
	}
	if len(ids) != 4 {
		t.Errorf("webhook-ids %v", ids)
	}
	if q := got[0]; string(q.User["email"]) != `"ann@example.com"` || string(q.User["profile_data"]) != `{"sub":"1"}` {
		t.Errorf("%s", q.Raw)
	}
	if q := got[1]; string(q.Updates) != `{"email":"ann@example.com","name":"Ann"}` || !slices.Equal(q.Changed, []string{"name", "updated_at"}) ||
		string(q.Before["name"]) != "null" || string(q.User["name"]) != `"Ann"` {
		t.Errorf("%s", q.Raw)
	}
	if q := got[3]; len(q.User) != 2 || string(q.User["email"]) != `"bob@example.com"` || string(q.User["connection"]) != `"db"` {
		t.Errorf("%s", q.Raw)
	}
}

// A receiver that changes the row itself, through another connection.
func TestAskChanged(t *testing.T) {
	t.Parallel()
	e := newAsking(t, nil)
	times := 0
	r := e.receiver(t, func(w http.ResponseWriter, n int) {
		if n <= times {
			e.exec(t, `update auth.users set nickname = coalesce(nickname, '') || 'x'`)
		}
		w.WriteHeader(http.StatusNoContent)
	})
	_, err := e.Users.Create(t.Context(), "acme", db.CreateUser{UserID: "ann"})
	ok(t, err)
	e.hook(t, "h", onUpdate, r)
	times = 2
	u, err := e.Users.Update(t.Context(), "acme", "ann", db.UpdateUser{Name: db.Set("Ann")})
	ok(t, err)
	got := r.take()
	if len(got) != 3 || got[0].WebhookID != got[2].WebhookID || string(got[2].Before["nickname"]) != `"xx"` || *u.Nickname != "xx" {
		t.Errorf("%+v", got)
	}
	times = 3
	_, err = e.Users.Update(t.Context(), "acme", "ann", db.UpdateUser{Name: db.Set("Bob")})
	wantError(t, err, db.ErrChanged)
	if got := r.take(); len(got) != 3 {
		t.Errorf("asked %d times", len(got))
	}
	e.wantCount(t, 1, "auth.users where name = 'Ann'")
}

// While a receiver takes its time no transaction is open; its own time ends the question, and that of all of them together.
func TestAskTimeouts(t *testing.T) {
	t.Parallel()
	e := newAsking(t, nil)
	_, err := e.Users.Create(t.Context(), "acme", db.CreateUser{UserID: "ann"})
	ok(t, err)
	asked, release := make(chan struct{}, 8), make(chan struct{})
	hang := func(http.ResponseWriter, int) {
		asked <- struct{}{}
		<-release
	}
	r := e.receiver(t, hang)
	t.Cleanup(func() { close(release) }) // before the receiver closes
	e.hook(t, "h", onUpdate, r)
	e.exec(t, `update auth.hooks set timeout_ms = 1000`)
	done := make(chan error, 1)
	began := time.Now()
	go func() {
		_, err := e.Users.Update(t.Context(), "acme", "ann", db.UpdateUser{Name: db.Set("Ann")})
		done <- err
	}()
	<-asked
	e.wantCount(t, 0, `pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend' and xact_start is not null`)
	wantRejection(t, <-done, "h", sender.CodeNoAnswer, "")
	if took := time.Since(began); took < time.Second || took > 8*time.Second {
		t.Errorf("it took %s", took)
	}
	e.wantCount(t, 1, `auth.logs where details ->> 'error' like '%no answer in time%'`)
	e.wantCount(t, 1, `auth.users where name is null`)

	// Six hooks of 1 s have 3 s together: those whose turn would come later are not asked any more.
	for _, id := range strings.Split("abcde", "") {
		e.hook(t, id, onUpdate, r)
	}
	e.exec(t, `update auth.hooks set timeout_ms = 1000, on_error = 'allow'; delete from auth.logs`)
	_, err = e.Users.Update(t.Context(), "acme", "ann", db.UpdateUser{Name: db.Set("Ann")})
	ok(t, err)
	if n := len(asked); n < 2 || n > 4 { // each has its second, and one more may begin
		t.Errorf("%d were asked in 3 s", n)
	}
	e.wantCount(t, 6, `auth.logs where details ->> 'error' like '%no answer in time%'`)
	e.wantCount(t, 1, `auth.users where name = 'Ann'`)
}

// A writer that gives up was answered by nobody: nothing is written, and no hook is to blame.
func TestAskGivenUp(t *testing.T) {
	t.Parallel()
	e := newAsking(t, nil)
	release := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	r := e.receiver(t, func(http.ResponseWriter, int) {
		cancel()
		<-release
	})
	t.Cleanup(func() { close(release) })
	e.hook(t, "h", onCreate, r)
	e.exec(t, `update auth.hooks set on_error = 'allow'`)
	_, err := e.Users.Create(ctx, "acme", db.CreateUser{})
	wantError(t, err, context.Canceled)
	e.wantCount(t, 0, "auth.users")
	e.wantCount(t, 0, "auth.logs")
}
