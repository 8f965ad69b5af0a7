package db_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// A BeforeUpdate hook knows what was asked for; a hook's own write inside it has a request of its own; nobody else knows one.
func TestRequestedUpdate(t *testing.T) {
	t.Parallel()
	var fields [][]string
	var e *env
	e = open(t, func(reg *db.Hooks) {
		note := func(ctx context.Context) db.UpdateUser {
			in, known := db.RequestedUpdate(ctx)
			if known {
				fields = append(fields, in.Fields())
			}
			return in
		}
		reg.Users.BeforeCreate("note", func(ctx context.Context, _ hooks.Tx, _ *db.User) error { note(ctx); return nil })
		reg.Users.BeforeUpdate("note", func(ctx context.Context, tx hooks.Tx, old db.User, u *db.User) error {
			in := note(ctx)
			if email, has := in.Email.Get(); has && email != "a@x.com" {
				t.Errorf("e-mail %q", email)
			}
			if phone, has := in.PhoneNumber.Get(); has || in.PhoneNumber.Present() && phone != "" {
				t.Errorf("phone %q", phone)
			}
			if metadata, has := in.UserMetadata.Get(); has {
				metadata[1] = 'X' // its own copy
			}
			if old.UserID == "inner" {
				return nil
			}
			_, err := e.With(tx).Users.Update(ctx, "acme", "inner", db.UpdateUser{Blocked: db.Set(true)})
			note(ctx)
			return err
		})
	})
	ctx := t.Context()
	for _, id := range []string{"outer", "inner"} {
		_, err := e.Users.Create(ctx, "acme", db.CreateUser{UserID: id})
		ok(t, err)
	}
	u, err := e.Users.Update(ctx, "acme", "outer", db.UpdateUser{
		Email: db.Set(" A@x.com"), PhoneNumber: db.Set(" "), Nickname: db.Null[string](), UserMetadata: db.Set(json.RawMessage(`{"a": 1}`)),
	})
	ok(t, err)
	if string(u.UserMetadata) != `{"a": 1}` {
		t.Errorf("a hook changed the caller's metadata: %s", u.UserMetadata)
	}
	outer := []string{"email", "phone_number", "nickname", "user_metadata"}
	if !slices.EqualFunc(fields, [][]string{outer, {"blocked"}, outer}, slices.Equal) {
		t.Errorf("they were told %q", fields)
	}
	if _, known := db.RequestedUpdate(ctx); known {
		t.Error("an update of nobody")
	}
}

func TestReadClient(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	_, err := e.Clients.Create(ctx, "acme", db.CreateClient{ClientID: "shop", Name: "Shop"})
	ok(t, err)
	for _, id := range []string{"con_b", "con_a"} {
		_, err = e.Connections.Create(ctx, "acme", db.CreateConnection{ID: id, Name: id, Strategy: "auth0", EnabledClients: []string{"x", "shop"}})
		ok(t, err)
	}
	_, err = e.Connections.Create(ctx, "acme", db.CreateConnection{ID: "con_c", Name: "con_c", Strategy: "auth0", EnabledClients: []string{"shopping"}})
	ok(t, err)
	ok(t, e.InTx(ctx, func(tx *db.Tx) error {
		client, connections, err := db.ReadClient(ctx, tx, "acme", "shop")
		if err != nil || client.Name != "Shop" || len(connections) != 2 || connections[0].ID != "con_a" || connections[1].ID != "con_b" {
			t.Errorf("%+v %+v, %v", client, connections, err)
		}
		for _, of := range [][2]string{{"acme", "none"}, {"other", "shop"}} {
			if _, _, err := db.ReadClient(ctx, tx, of[0], of[1]); !errors.Is(err, db.ErrNotFound) {
				t.Errorf("%v: %v", of, err)
			}
		}
		return nil
	}))
}
