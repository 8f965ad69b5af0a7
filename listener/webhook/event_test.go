package webhook_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/hooks/hookstest"
	"github.com/latchkey-dev/latchkey/listener/webhook"
)

// From a row that psql writes to what a receiver verifies and reads.
func TestEventReachesReceiver(t *testing.T) {
	t.Parallel()
	type message struct {
		ID   string
		User struct {
			Email        string          `json:"email"`
			Verified     bool            `json:"email_verified"`
			UserMetadata json.RawMessage `json:"user_metadata"`
		} `json:"user"`
		Before  *json.RawMessage `json:"before"`
		Changed []string         `json:"changed"`
		Origin  string           `json:"origin"`
		Request json.RawMessage  `json:"request"`
	}
	secret := webhook.NewSecret()
	messages := make(chan message, 2)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = webhook.Verify(r.Header, body, secret)
		}
		m := message{ID: r.Header.Get("webhook-id")}
		if err == nil {
			err = json.Unmarshal(body, &m)
		}
		if err != nil {
			t.Error(err)
			w.WriteHeader(http.StatusBadRequest)
		}
		messages <- m
	}))
	defer receiver.Close()

	guard, err := webhook.NewGuard("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	client := webhook.NewClient(guard)
	defer client.Close()
	send := func(ctx context.Context, ev hooks.Event) error {
		body, err := webhook.NewBodies(&ev).Of("post-user-update")
		if err != nil {
			return err
		}
		return client.Send(ctx, &webhook.Request{
			URL: receiver.URL, ID: webhook.MessageID(webhook.EventID(&ev), "hook_1"), Secrets: []webhook.Secret{secret}, Body: body,
		}).Err
	}
	reg := db.NewHooks()
	reg.Users.AfterCreate("send", func(ctx context.Context, _ hooks.Tx, ev hooks.Event, _ db.User) error { return send(ctx, ev) })
	reg.Users.AfterUpdate("send", func(ctx context.Context, _ hooks.Tx, ev hooks.Event, _, _ db.User) error { return send(ctx, ev) })
	env := hookstest.New(t, reg)
	env.SQL(`insert into auth.tenants (id) values ('shop')`)
	env.SQL(`insert into auth.users (tenant_id, user_id, email, user_metadata) values ('shop', 'auth0|1', 'a@b.c', '{"n": 1.50}')`)
	env.SQL(`update auth.users set email_verified = true where user_id = 'auth0|1'`)
	env.CatchUp()

	created, updated := <-messages, <-messages
	if created.User.Email != "a@b.c" || created.User.Verified || string(created.User.UserMetadata) != `{"n":1.50}` || created.Before != nil {
		t.Errorf("created: %+v", created)
	}
	if !updated.User.Verified || updated.Before == nil || len(updated.Changed) != 1 || updated.Changed[0] != "email_verified" {
		t.Errorf("updated: %+v", updated)
	}
	if created.Origin != hooks.OriginExternal || string(created.Request) != "null" || created.ID == updated.ID {
		t.Errorf("created: %+v", created)
	}
}
