package db_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// A hook counts from its commit on, whoever made it, and no longer than it is there.
func TestAskFromThenOn(t *testing.T) {
	t.Parallel()
	e, a := asking(t, nil)
	ann := e.user(t, db.CreateUser{Email: ptr("ann@example.com")})
	wantAsked(t, a, 0)
	e.syncHook(t, "c", onCreate)
	e.syncHook(t, "u", onUpdate)
	e.syncHook(t, "d", onDelete)
	bob := e.user(t, db.CreateUser{Email: ptr(" Bob@Example.com"), Provider: "google"})
	q := wantAsked(t, a, 1)[0]
	if q.Trigger != onCreate || q.TenantID != "acme" || q.User.UserID != bob.UserID || *q.User.Email != "bob@example.com" || q.Before != nil || !strings.HasPrefix(q.ID, "evt_") {
		t.Errorf("%+v", q)
	}
	ctx := db.WithStamp(t.Context(), hooks.Stamp{Actor: "root"})
	_, err := e.Users.Update(ctx, "acme", ann.UserID, db.UpdateUser{Name: db.Set("Ann"), Email: db.Set("ANN@example.com")})
	ok(t, err)
	q = wantAsked(t, a, 1)[0]
	if q.Trigger != onUpdate || *q.User.Name != "Ann" || q.Before == nil || q.Before.Name != nil || !slices.Equal(q.Updates, []string{"email", "name"}) || q.Stamp.Actor != "root" {
		t.Errorf("%+v", q)
	}
	_, err = e.Users.Update(ctx, "acme", bob.UserID, db.UpdateUser{LinkedTo: db.Set(ann.UserID)})
	ok(t, err)
	wantAsked(t, a, 0) // a link is no change
	ok(t, e.Users.Delete(t.Context(), "acme", ann.UserID))
	asked := wantAsked(t, a, 2)
	if asked[0].User.UserID != ann.UserID || asked[1].User.UserID != bob.UserID || asked[0].ID == asked[1].ID {
		t.Errorf("%+v", asked)
	}
	_, err = e.Users.Create(t.Context(), "globex", db.CreateUser{})
	ok(t, err)
	wantAsked(t, a, 0) // another tenant's
	for _, off := range []string{"enabled = false", "enabled = true, status = 'paused'", "status = 'active', url = null, form_id = 'f'"} {
		e.exec(t, "update auth.hooks set "+off)
		a.nobody = true
		e.user(t, db.CreateUser{})
		_, err := e.Users.Create(t.Context(), "acme", db.CreateUser{})
		ok(t, err)
	}
}

func TestAskRefusal(t *testing.T) {
	t.Parallel()
	ran := 0
	e, a := asking(t, func(reg *db.Hooks) {
		reg.Users.BeforeCreate("count", func(context.Context, hooks.Tx, *db.User) error { ran++; return nil })
		reg.Users.BeforeDelete("count", func(context.Context, hooks.Tx, db.User) error { ran++; return nil })
	})
	ann := e.user(t, db.CreateUser{})
	e.syncHook(t, "c", onCreate)
	e.syncHook(t, "u", onUpdate)
	e.syncHook(t, "d", onDelete)
	e.user(t, db.CreateUser{}) // now the store knows of one
	ran = 0
	a.answer = func(int, *db.Question) (json.RawMessage, error) {
		return nil, &hooks.Rejection{Hook: "h", Code: "no", Reason: "no"}
	}
	_, err := e.Users.Create(t.Context(), "acme", db.CreateUser{})
	wantRejection(t, err, "h", "no")
	_, err = e.Users.Update(t.Context(), "acme", ann.UserID, db.UpdateUser{Name: db.Set("x")})
	wantRejection(t, err, "h", "no")
	wantRejection(t, e.Users.Delete(t.Context(), "acme", ann.UserID), "h", "no")
	down := errors.New("down")
	a.answer = func(int, *db.Question) (json.RawMessage, error) { return nil, down }
	_, err = e.Users.Create(t.Context(), "acme", db.CreateUser{})
	wantError(t, err, down)
	e.wantCount(t, 2, `auth.users where name is null`)
	if ran != 1 { // a delete whose hooks are not known yet gets that far, and is rolled back
		t.Errorf("%d before-hooks ran", ran)
	}
	wantInvalid(t, func() error {
		_, err := e.Users.Create(t.Context(), "acme", db.CreateUser{UserMetadata: json.RawMessage(`[]`)})
		return err
	}(), "user_metadata")
	_, err = e.Users.Update(t.Context(), "acme", "nobody", db.UpdateUser{Name: db.Set("x")})
	wantError(t, err, db.ErrNotFound)
}

func TestAskMergesMetadata(t *testing.T) {
	t.Parallel()
	e, a := asking(t, nil)
	e.syncHook(t, "c", onCreate)
	e.syncHook(t, "u", onUpdate)
	a.answer = func(n int, _ *db.Question) (json.RawMessage, error) {
		return json.RawMessage(`{"plan":"` + []string{"", "free", "pro"}[n] + `"}`), nil
	}
	u := e.user(t, db.CreateUser{UserMetadata: json.RawMessage(`{"a":1}`)})
	if string(u.UserMetadata) != `{"plan": "free"}` {
		t.Errorf("created with %s", u.UserMetadata)
	}
	u, err := e.Users.Update(t.Context(), "acme", u.UserID, db.UpdateUser{Name: db.Set("x")})
	ok(t, err)
	if string(u.UserMetadata) != `{"plan": "pro"}` || *u.Name != "x" {
		t.Errorf("updated to %s", u.UserMetadata)
	}
}

func TestAskRegistration(t *testing.T) {
	t.Parallel()
	e, a := asking(t, nil)
	ok(t, e.AskRegistration(t.Context(), "acme", "ann@example.com", "db"))
	e.syncHook(t, "r", onRegistration)
	ok(t, e.AskRegistration(t.Context(), "acme", " Ann@Example.com ", "db"))
	q := wantAsked(t, a, 1)[0]
	if q.Trigger != onRegistration || *q.User.Email != "ann@example.com" || q.User.Connection != "db" {
		t.Errorf("%+v", q)
	}
	a.answer = func(int, *db.Question) (json.RawMessage, error) {
		return nil, hooks.Reject("no", "no")
	}
	wantRejection(t, e.AskRegistration(t.Context(), "acme", "bob@example.com", "db"), "", "no")
}

// A store that can't ask lets nothing past a hook.
func TestNoAsker(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	u := e.user(t, db.CreateUser{})
	e.syncHook(t, "c", onCreate)
	e.syncHook(t, "u", onUpdate)
	e.syncHook(t, "d", onDelete)
	_, err := e.Users.Create(t.Context(), "acme", db.CreateUser{})
	wantError(t, err, db.ErrNotAsked)
	wantText(t, err, "db.Config.Asker")
	_, err = e.Users.Update(t.Context(), "acme", u.UserID, db.UpdateUser{Name: db.Set("x")})
	wantError(t, err, db.ErrNotAsked)
	wantError(t, e.Users.Delete(t.Context(), "acme", u.UserID), db.ErrNotAsked)
	wantError(t, e.AskRegistration(t.Context(), "acme", "ann@example.com", "db"), db.ErrNotAsked)
	_, err = e.Users.AskCreate(t.Context(), "acme", db.CreateUser{})
	wantError(t, err, db.ErrNotAsked)
	wantText(t, err, "db.Config.Asker")
	e.wantCount(t, 1, "auth.users where name is null")
}

// Where nobody is to be asked, an asker costs no round trip.
func TestAskRoundTrips(t *testing.T) {
	t.Parallel()
	for name, asker := range map[string]func(*pgxpool.Pool) db.Asker{"none": nil, "one": func(sql *pgxpool.Pool) db.Asker { return &asker{sql: sql} }} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := openAsking(t, nil, asker)
			trips := func(write func() error) int {
				e.wire.take()
				ok(t, write())
				return len(e.wire.take())
			}
			var got [3]int
			for range 2 { // the second time all is prepared
				var u db.User
				got[0] = trips(func() (err error) { u, err = e.Users.Create(t.Context(), "acme", db.CreateUser{}); return err })
				got[1] = trips(func() error {
					_, err := e.Users.Update(t.Context(), "acme", u.UserID, db.UpdateUser{Name: db.Set("x")})
					return err
				})
				got[2] = trips(func() error { return e.Users.Delete(t.Context(), "acme", u.UserID) })
			}
			if got != [3]int{1, 2, 1} {
				t.Errorf("round trips of create, update, delete: %v", got)
			}
		})
	}
}

// What is merged is asked about as it will be, and written as it was asked about; what a webhook makes of it takes its place.
func TestAskMergedMetadata(t *testing.T) {
	t.Parallel()
	e, a := asking(t, nil)
	e.user(t, db.CreateUser{UserID: "ann", UserMetadata: json.RawMessage(`{"a": 1, "b": 2}`), AppMetadata: json.RawMessage(`{"plan": "free"}`)})
	e.syncHook(t, "u", onUpdate)
	update := func(in db.UpdateUser, want string) db.Question {
		t.Helper()
		in.MergeMetadata = true
		_, err := e.Users.Update(t.Context(), "acme", "ann", in)
		ok(t, err)
		e.wantCount(t, 1, `auth.users where user_id = 'ann' and user_metadata || jsonb_build_object('app', app_metadata) = $1::jsonb`, want)
		return wantAsked(t, a, 1)[0]
	}
	q := update(db.UpdateUser{UserMetadata: db.Set(json.RawMessage(`{"b": null, "c": 3}`))}, `{"a": 1, "c": 3, "app": {"plan": "free"}}`)
	var asked map[string]int
	ok(t, json.Unmarshal(q.User.UserMetadata, &asked))
	if len(asked) != 2 || asked["a"] != 1 || asked["c"] != 3 || string(q.Before.UserMetadata) != `{"a": 1, "b": 2}` || len(q.Updates) != 1 {
		t.Errorf("asked about %s, before %s, updates %q", q.User.UserMetadata, q.Before.UserMetadata, q.Updates)
	}
	a.answer = func(int, *db.Question) (json.RawMessage, error) { return json.RawMessage(`{"only": true}`), nil }
	update(db.UpdateUser{UserMetadata: db.Set(json.RawMessage(`{"d": 4}`)), AppMetadata: db.Set(json.RawMessage(`{"seats": 5}`))},
		`{"only": true, "app": {"plan": "free", "seats": 5}}`)

	// Merged into what the user has by then: it is asked again about that.
	a.answer = func(n int, _ *db.Question) (json.RawMessage, error) {
		if n == 1 {
			e.exec(t, `update auth.users set user_metadata = '{"theirs": 1}' where user_id = 'ann'`)
		}
		return nil, nil
	}
	_, err := e.Users.Update(t.Context(), "acme", "ann", db.UpdateUser{MergeMetadata: true, UserMetadata: db.Set(json.RawMessage(`{"ours": 1}`))})
	ok(t, err)
	wantAsked(t, a, 2)
	e.wantCount(t, 1, `auth.users where user_metadata = '{"theirs": 1, "ours": 1}'`)
}
