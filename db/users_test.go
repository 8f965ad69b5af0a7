package db_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/db"
)

func TestUsers(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	u := e.user(t, db.CreateUser{Email: ptr("  Ann@Example.COM "), Username: ptr(" "), AppMetadata: json.RawMessage(`{"plan": "pro"}`)})
	if !strings.HasPrefix(u.UserID, "auth0|") || *u.Email != "ann@example.com" || u.Username != nil || u.Provider != "auth0" ||
		u.Connection != "Username-Password-Authentication" || string(u.UserMetadata) != "{}" || u.Multifactor == nil {
		t.Errorf("created %+v", u)
	}
	if g := e.user(t, db.CreateUser{Provider: "google-oauth2", Connection: "google", Email: u.Email}); !strings.HasPrefix(g.UserID, "google-oauth2|") {
		t.Errorf("id %s", g.UserID)
	}
	_, err := e.Users.Create(ctx, "acme", db.CreateUser{Email: ptr("ANN@example.com")})
	wantConflict(t, err, "email")
	e.user(t, db.CreateUser{Username: ptr("Ann")})
	_, err = e.Users.Create(ctx, "acme", db.CreateUser{Username: ptr("ann")})
	wantConflict(t, err, "username")
	_, err = e.Users.Create(ctx, "acme", db.CreateUser{UserID: u.UserID})
	wantConflict(t, err, "user_id")
	for _, bad := range []db.CreateUser{{UserMetadata: json.RawMessage(`[]`)}, {UserMetadata: json.RawMessage(`null`)}, {UserMetadata: json.RawMessage(`{`)}} {
		_, err = e.Users.Create(ctx, "acme", bad)
		wantInvalid(t, err, "user_metadata")
	}
	_, err = e.Users.Create(ctx, "acme", db.CreateUser{LinkedTo: ptr("auth0|none")})
	wantInvalid(t, err, "linked_to")
	_, err = e.Users.Update(ctx, "acme", u.UserID, db.UpdateUser{LinkedTo: db.Set(u.UserID)})
	wantInvalid(t, err, "linked_to")

	// absent, null and a value
	v, err := e.Users.Update(ctx, "acme", u.UserID, db.UpdateUser{
		Email: db.Null[string](), Nickname: db.Set("ann"), UserMetadata: db.Set(json.RawMessage(`{"a": 1}`)),
	})
	ok(t, err)
	if v.Email != nil || *v.Nickname != "ann" || string(v.AppMetadata) != `{"plan": "pro"}` || string(v.UserMetadata) != `{"a": 1}` {
		t.Errorf("updated %+v", v)
	}
	// A column is replaced as a whole.
	v, err = e.Users.Update(ctx, "acme", u.UserID, db.UpdateUser{UserMetadata: db.Set(json.RawMessage(`{"b": 2}`)), AppMetadata: db.Null[json.RawMessage]()})
	ok(t, err)
	if string(v.UserMetadata) != `{"b": 2}` || string(v.AppMetadata) != `{}` {
		t.Errorf("updated %+v", v)
	}
}

func TestIdentities(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	main := e.user(t, db.CreateUser{UserID: "zzz|1"})
	a := e.user(t, db.CreateUser{Provider: "google", LinkedTo: &main.UserID})
	b := e.user(t, db.CreateUser{Provider: "apple", LinkedTo: &main.UserID})
	users, err := e.Users.Identities(ctx, "acme", main.UserID)
	ok(t, err)
	if len(users) != 3 || users[0].UserID != main.UserID || users[1].UserID != a.UserID || users[2].UserID != b.UserID {
		t.Errorf("identities %+v", users)
	}
	page, err := e.Users.List(ctx, "acme", db.ListOptions{Filter: []db.Filter{db.Unset("linked_to"), db.Prefix("user_id", "Z")}})
	ok(t, err)
	if len(page.Rows) != 1 || page.Rows[0].UserID != main.UserID {
		t.Errorf("the unlinked %+v", page.Rows)
	}
	_, err = e.Users.Identities(ctx, "acme", "auth0|none")
	wantError(t, err, db.ErrNotFound)
	ok(t, e.Users.Delete(ctx, "acme", main.UserID))
	e.wantCount(t, 0, `auth.users`)
}

func TestLoginsAndPasswords(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	id := e.user(t, db.CreateUser{}).UserID
	stats, err := e.Users.Stats(ctx, "acme", id)
	ok(t, err)
	if stats.LoginCount != 0 || stats.UserID != id || stats.LastLogin != nil {
		t.Errorf("stats %+v", stats)
	}
	_, err = e.Users.PasswordHash(ctx, "acme", id)
	wantError(t, err, db.ErrNotFound)
	ok(t, e.Users.SetPassword(ctx, "acme", id, "one"))
	stats, err = e.Users.Stats(ctx, "acme", id)
	ok(t, err)
	if stats.LastPasswordReset != nil {
		t.Error("setting the first password counts as a reset")
	}
	at := time.Date(2024, 2, 29, 1, 2, 3, 4000, time.UTC)
	_, err = e.Users.RecordLogin(ctx, "acme", id, db.Login{IP: "::1"})
	ok(t, err)
	stats, err = e.Users.RecordLogin(ctx, "acme", id, db.Login{At: at, IP: "10.0.0.1"})
	ok(t, err)
	if stats.LoginCount != 2 || !stats.LastLogin.Equal(at) || *stats.LastIP != "10.0.0.1" {
		t.Errorf("stats %+v", stats)
	}
	ok(t, e.Users.SetPassword(ctx, "acme", id, "two"))
	hash, err := e.Users.PasswordHash(ctx, "acme", id)
	ok(t, err)
	stats, err = e.Users.Stats(ctx, "acme", id)
	ok(t, err)
	if hash != "two" || stats.LastPasswordReset == nil || stats.LoginCount != 2 {
		t.Errorf("hash %s, stats %+v", hash, stats)
	}
	err = e.InTx(ctx, func(tx *db.Tx) error {
		wantError(t, tx.Users.SetPassword(ctx, "acme", "auth0|none", "x"), db.ErrNotFound)
		return tx.Users.SetPassword(ctx, "acme", id, "three")
	})
	ok(t, err)
}
