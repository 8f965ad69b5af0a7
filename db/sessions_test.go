package db_test

import (
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/db"
)

func TestSessions(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	e.users(t, "ann", "bob")
	begin := func(user string) (db.Session, string) {
		t.Helper()
		s, token, err := e.Sessions.Create(ctx, "acme", db.CreateSession{UserID: user, ClientID: "app", Idle: time.Hour, Lifetime: 2 * time.Hour, IP: ptr("::1")})
		ok(t, err)
		return s, token
	}
	s, token := begin("ann")
	if len(token) != 43 || s.IdleExpiresAt.Sub(s.CreatedAt) != time.Hour || s.ExpiresAt.Sub(s.CreatedAt) != 2*time.Hour || string(s.Methods) != "[]" {
		t.Errorf("made %+v, %q", s, token)
	}
	e.wantCount(t, 0, `auth.sessions k where strpos(k::text, $1) > 0 or strpos(k::text, encode($1::bytea, 'hex')) > 0`, token)
	missing := func(tenant, token string) {
		t.Helper()
		_, err := e.Sessions.Find(ctx, tenant, token)
		wantError(t, err, db.ErrNotFound)
	}
	found := func(token string) db.Session {
		t.Helper()
		s, err := e.Sessions.Find(ctx, "acme", token)
		ok(t, err)
		return s
	}
	if found(token).ID != s.ID {
		t.Error("another session")
	}
	missing("globex", token)
	missing("acme", token+"x")

	used, err := e.Sessions.Use(ctx, "acme", s.ID, "other", 3*time.Hour)
	ok(t, err)
	if !used.IdleExpiresAt.Equal(s.ExpiresAt) || len(used.ClientIds) != 2 {
		t.Errorf("used %+v", used)
	}
	for column, back := range map[string]string{"idle_expires_at": "expires_at", "expires_at": "now() + interval '1 hour'"} {
		e.exec(t, `update auth.sessions set `+column+` = now() where user_id = 'ann'`)
		missing("acme", token)
		e.exec(t, `update auth.sessions set `+column+` = `+back+` where user_id = 'ann'`)
		found(token)
	}
	e.exec(t, `update auth.users set blocked = true where user_id = 'ann'`) // from outside
	missing("acme", token)
	e.exec(t, `update auth.users set blocked = false where user_id = 'ann'`)

	_, second := begin("ann")
	_, bobs := begin("bob")
	list, err := e.Sessions.List(ctx, "acme", "ann")
	ok(t, err)
	if len(list) != 2 || list[1].ID != s.ID {
		t.Errorf("lists %+v", list)
	}
	ended, err := e.Sessions.EndOf(ctx, "acme", "ann", s.ID)
	ok(t, err)
	if len(ended) != 1 || ended[0] == s.ID {
		t.Errorf("ended %v", ended)
	}
	missing("acme", second)
	found(token)
	_, err = e.Sessions.End(ctx, "acme", s.ID)
	ok(t, err)
	_, err = e.Sessions.End(ctx, "acme", s.ID)
	wantError(t, err, db.ErrNotFound)
	_, err = e.Sessions.Use(ctx, "acme", s.ID, "app", time.Hour)
	wantError(t, err, db.ErrNotFound)
	missing("acme", token)
	found(bobs)

	_, _, err = e.Sessions.Create(ctx, "acme", db.CreateSession{UserID: "none", Lifetime: time.Hour})
	wantError(t, err, db.ErrNotFound)
}

func TestRevocations(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx, until := t.Context(), time.Now().Add(time.Hour)
	ok(t, e.Revocations.Add(ctx, "acme", until, "a", "b"))
	ok(t, e.Revocations.Add(ctx, "acme", until.Add(-time.Minute), "b", "c")) // one that is needed longer stays
	ok(t, e.Revocations.Add(ctx, "acme", until))
	for _, test := range []struct {
		tenant string
		ids    []string
		want   bool
	}{{"acme", []string{"a"}, true}, {"acme", []string{"x", "c"}, true}, {"acme", []string{"x"}, false}, {"globex", []string{"a"}, false}, {"acme", nil, false}} {
		got, err := e.Revocations.Any(ctx, test.tenant, test.ids...)
		ok(t, err)
		if got != test.want {
			t.Errorf("%s %v: %t", test.tenant, test.ids, got)
		}
	}
}
