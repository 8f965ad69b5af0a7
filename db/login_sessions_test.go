package db_test

import (
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/db"
)

func TestLoginSessions(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	e.users(t, "ann")
	_, err := e.Clients.Create(ctx, "acme", db.CreateClient{ClientID: "app", Name: "App"})
	ok(t, err)
	begin := func() (db.LoginSession, string) {
		t.Helper()
		l, state, err := e.LoginSessions.Create(ctx, "acme", db.CreateLoginSession{Step: "identifier", ClientID: "app", Browser: "cookie", Lifetime: time.Hour, Request: json.RawMessage(`{"a": 1}`)})
		ok(t, err)
		return l, state
	}
	l, state := begin()
	if !db.InBrowser(&l, "cookie") || db.InBrowser(&l, "other") || db.InBrowser(&l, "") {
		t.Error("it is another browser's")
	}
	found, err := e.LoginSessions.Find(ctx, "acme", state)
	ok(t, err)
	if found.ID != l.ID || string(found.Request) != `{"a": 1}` {
		t.Errorf("found %+v", found)
	}
	tenant, err := e.TenantOfLogin(ctx, state)
	ok(t, err)
	if tenant != "acme" {
		t.Errorf("it is a login of %q", tenant)
	}
	_, err = e.TenantOfLogin(ctx, state+"x")
	wantError(t, err, db.ErrNotFound)
	for tenant, state := range map[string]string{"globex": state, "acme": state + "x"} {
		_, err = e.LoginSessions.Find(ctx, tenant, state)
		wantError(t, err, db.ErrNotFound)
	}

	var code string
	finish := func(l *db.LoginSession) error {
		l.Step, l.UserID = "done", ptr("ann")
		code = db.GiveCode(l, time.Minute)
		return nil
	}
	_, err = e.LoginSessions.Move(ctx, "acme", l.ID, []string{"consent"}, finish)
	var wrong *db.WrongStep
	if !errors.As(err, &wrong) || wrong.Is != "identifier" {
		t.Errorf("%v", err)
	}
	no := errors.New("no")
	_, err = e.LoginSessions.Move(ctx, "acme", l.ID, []string{"identifier"}, func(*db.LoginSession) error { return no })
	wantError(t, err, no)
	done, err := e.LoginSessions.Move(ctx, "acme", l.ID, []string{"password", "identifier"}, finish)
	ok(t, err)
	if done.Step != "done" || *done.UserID != "ann" || time.Until(done.ExpiresAt) < 23*time.Hour {
		t.Errorf("moved to %+v", done)
	}
	_, err = e.LoginSessions.Move(ctx, "acme", l.ID, []string{"identifier"}, finish) // a form that came twice
	if !errors.As(err, &wrong) {
		t.Errorf("%v", err)
	}

	_, err = e.LoginSessions.Redeem(ctx, "globex", code)
	wantError(t, err, db.ErrNotFound)
	redeemed, err := e.LoginSessions.Redeem(ctx, "acme", code)
	ok(t, err)
	again, err := e.LoginSessions.Redeem(ctx, "acme", code)
	wantError(t, err, db.ErrCodeUsed)
	if redeemed.ID != l.ID || again.ID != l.ID {
		t.Errorf("redeemed %q, again %q", redeemed.ID, again.ID)
	}

	late, _ := begin()
	_, err = e.LoginSessions.Move(ctx, "acme", late.ID, []string{"identifier"}, finish)
	ok(t, err)
	e.exec(t, `update auth.login_sessions set code_expires_at = now() where id = $1`, late.ID)
	_, err = e.LoginSessions.Redeem(ctx, "acme", code)
	wantError(t, err, db.ErrNotFound)

	over, state := begin()
	e.exec(t, `update auth.login_sessions set expires_at = now() where id = $1`, over.ID)
	_, err = e.LoginSessions.Find(ctx, "acme", state)
	wantError(t, err, db.ErrNotFound)
	_, err = e.LoginSessions.Move(ctx, "acme", over.ID, []string{"identifier"}, finish)
	wantError(t, err, db.ErrNotFound)
}

// Whoever comes first has the code; the others know that it was used.
func TestLoginCodeRace(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	_, err := e.Clients.Create(ctx, "acme", db.CreateClient{ClientID: "app", Name: "App"})
	ok(t, err)
	l, _, err := e.LoginSessions.Create(ctx, "acme", db.CreateLoginSession{Step: "identifier", ClientID: "app", Lifetime: time.Hour})
	ok(t, err)
	var code string
	_, err = e.LoginSessions.Move(ctx, "acme", l.ID, []string{"identifier"}, func(l *db.LoginSession) error {
		code = db.GiveCode(l, time.Minute)
		return nil
	})
	ok(t, err)
	var wait sync.WaitGroup
	results := make(chan error, 8)
	for range cap(results) {
		wait.Go(func() {
			_, err := e.LoginSessions.Redeem(ctx, "acme", code)
			results <- err
		})
	}
	wait.Wait()
	close(results)
	won := 0
	for err := range results {
		if err == nil {
			won++
		} else {
			wantError(t, err, db.ErrCodeUsed)
		}
	}
	if won != 1 {
		t.Errorf("%d redeemed it", won)
	}
}

func TestLoginCodes(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	hash, other := make([]byte, 32), append(make([]byte, 31), 1)
	put := func() {
		t.Helper()
		_, err := e.LoginCodes.Put(ctx, "acme", db.PutLoginCode{Connection: "email", Address: "Ann@x.com", Hash: hash, Lifetime: time.Minute})
		ok(t, err)
	}
	use := func(hash []byte) error {
		_, err := e.LoginCodes.Use(ctx, "acme", "email", "ann@X.com", hash, 3)
		return err
	}
	put()
	for range 2 {
		wantError(t, use(other), db.ErrNotFound)
	}
	ok(t, use(hash))
	wantError(t, use(hash), db.ErrNotFound)
	put()
	for range 3 {
		wantError(t, use(other), db.ErrNotFound)
	}
	wantError(t, use(hash), db.ErrNotFound) // that was one too many
	put()
	ok(t, use(hash))
	put()
	e.exec(t, `update auth.login_codes set expires_at = now()`)
	wantError(t, use(hash), db.ErrNotFound)
}

func TestTries(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	count := func(want int32) {
		t.Helper()
		try, err := e.Tries.Count(ctx, "acme", "account", "ann@x.com", time.Minute)
		ok(t, err)
		got, err := e.Tries.Get(ctx, "acme", "account", "ann@x.com")
		ok(t, err)
		if try.Count != want || got.Count != want {
			t.Errorf("counted %d and %d, want %d", try.Count, got.Count, want)
		}
	}
	count(1)
	count(2)
	for _, name := range [][2]string{{"address", "ann@x.com"}, {"account", "bob@x.com"}} {
		try, err := e.Tries.Get(ctx, "acme", name[0], name[1])
		ok(t, err)
		if try.Count != 0 {
			t.Errorf("%v: %d", name, try.Count)
		}
	}
	e.wantCount(t, 0, `auth.tries k where strpos(k::text, 'ann') > 0`)
	e.exec(t, `update auth.tries set expires_at = now()`)
	count(1)
	ok(t, e.Tries.Clear(ctx, "acme", "account", "ann@x.com"))
	count(1)
}
