package db_test

import (
	"context"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// identity creates a user of ann's address, in a connection of its own.
func (e *env) identity(t *testing.T, id, email string, verified bool) db.User {
	t.Helper()
	u, err := e.Users.Create(t.Context(), "acme", db.CreateUser{UserID: id, Connection: id, Email: &email, EmailVerified: verified})
	ok(t, err)
	return u
}

func (e *env) verify(t *testing.T, id string) db.User {
	t.Helper()
	u, err := e.Users.Update(t.Context(), "acme", id, db.UpdateUser{EmailVerified: db.Set(true)})
	ok(t, err)
	return u
}

// wantLinks compares who is linked to whom: identity, account.
func (e *env) wantLinks(t *testing.T, want map[string]string) {
	t.Helper()
	page, err := e.Users.List(t.Context(), "acme", db.ListOptions{})
	ok(t, err)
	got := map[string]string{}
	for _, u := range page.Rows {
		if u.LinkedTo != nil {
			got[u.UserID] = *u.LinkedTo
		}
	}
	for id, account := range want {
		if got[id] != account {
			t.Errorf("%s is linked to %q; want %q", id, got[id], account)
		}
	}
	if len(got) != len(want) {
		t.Errorf("linked are %v; want %v", got, want)
	}
}

func TestLinkByEmail(t *testing.T) {
	t.Parallel()
	updates := 0
	e := open(t, func(reg *db.Hooks) {
		reg.Users.BeforeUpdate("count", func(context.Context, hooks.Tx, db.User, *db.User) error { updates++; return nil })
	})
	e.identity(t, "a", "ann@example.com", true)
	if u := e.identity(t, "b", " Ann@Example.com", true); u.LinkedTo == nil || *u.LinkedTo != "a" {
		t.Errorf("created %+v", u)
	}
	e.identity(t, "c", "ann@example.com", false)
	e.identity(t, "d", "bob@example.com", true)
	_, err := e.Users.Create(t.Context(), "globex", db.CreateUser{UserID: "e", Email: ptr("ann@example.com"), EmailVerified: true})
	ok(t, err)
	e.wantLinks(t, map[string]string{"b": "a"})
	e.verify(t, "c")
	e.wantLinks(t, map[string]string{"b": "a", "c": "a"})
	_, err = e.Users.Unlink(t.Context(), "acme", "a", "b")
	ok(t, err)
	e.verify(t, "b") // is as it was, so it stays apart
	e.wantLinks(t, map[string]string{"c": "a"})
	_, err = e.Users.Update(t.Context(), "acme", "d", db.UpdateUser{Email: db.Set("ANN@example.com")})
	ok(t, err)
	e.wantLinks(t, map[string]string{"c": "a", "d": "a"})
	if updates != 3 {
		t.Errorf("%d updates ran hooks; want those three that were asked for", updates)
	}
}

// Nobody gets at an account, or gives one away, by an address that isn't theirs.
func TestLinkPreHijack(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	e.identity(t, "attacker", "ann@example.com", false) // before ann comes
	e.identity(t, "ann", "ann@example.com", true)
	e.wantLinks(t, nil)
	e.identity(t, "late", "ann@example.com", false) // and after
	e.wantLinks(t, nil)
	_, err := e.Users.Update(t.Context(), "acme", "late", db.UpdateUser{Email: db.Set("ann@example.com"), Name: db.Set("Ann")})
	ok(t, err)
	e.wantLinks(t, nil)
}

// The older account stays, also where it is verified last; what was linked to the other comes along.
func TestLinkOlderStays(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	e.identity(t, "z", "ann@example.com", false)
	e.exec(t, `update auth.users set created_at = $1`, time.Now().Add(-time.Hour))
	e.identity(t, "a", "ann@example.com", true)
	e.identity(t, "b", "ann@example.com", true)
	e.wantLinks(t, map[string]string{"b": "a"})
	if u := e.verify(t, "z"); u.LinkedTo != nil {
		t.Errorf("verified %+v", u)
	}
	e.wantLinks(t, map[string]string{"a": "z", "b": "z"})
}

// A younger one takes what was linked to it along.
func TestLinkOneHop(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	e.identity(t, "a", "ann@example.com", true)
	e.identity(t, "b", "b@example.com", false)
	e.identity(t, "c", "c@example.com", true)
	_, err := e.Users.Link(t.Context(), "acme", "b", "c")
	ok(t, err)
	_, err = e.Users.Update(t.Context(), "acme", "b", db.UpdateUser{Email: db.Set("ann@example.com"), EmailVerified: db.Set(true)})
	ok(t, err)
	e.wantLinks(t, map[string]string{"b": "a", "c": "a"})
	e.identity(t, "d", "c@example.com", true) // by the address of an identity
	e.wantLinks(t, map[string]string{"b": "a", "c": "a", "d": "a"})
}

func TestLinkTurnedOff(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	_, err := e.Clients.Create(t.Context(), "acme", db.CreateClient{ClientID: "apart", Name: "apart", ClientMetadata: []byte(`{"disable_account_linking": "true"}`)})
	ok(t, err)
	e.identity(t, "a", "ann@example.com", true)
	create := func(ctx context.Context, users *db.Users, id string) {
		t.Helper()
		_, err := users.Create(ctx, "acme", db.CreateUser{UserID: id, Connection: id, Email: ptr("ann@example.com"), EmailVerified: true})
		ok(t, err)
	}
	create(db.WithStamp(t.Context(), hooks.Stamp{ClientID: "apart"}), e.Users, "b")
	off, err := db.Open(t.Context(), db.Config{DatabaseURL: e.url, NoLinking: true})
	ok(t, err)
	t.Cleanup(off.Close)
	create(t.Context(), off.Users, "c")
	e.exec(t, `update auth.tenants set flags = '{"disable_account_linking": true}' where id = 'acme'`)
	create(t.Context(), e.Users, "d")
	e.wantLinks(t, nil)
	e.exec(t, `update auth.tenants set flags = '{}'`)
	create(t.Context(), e.Users, "e")
	e.wantLinks(t, map[string]string{"e": "a"})
}

// Those who come at once see each other, whichever way they come, and nobody waits forever.
func TestLinkAtOnce(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	e.identity(t, "a", "ann@example.com", false)
	e.identity(t, "b", "ann@example.com", false)
	errs := make(chan error, 6)
	for _, id := range []string{"a", "b"} {
		go func() {
			_, err := e.Users.Update(t.Context(), "acme", id, db.UpdateUser{EmailVerified: db.Set(true)})
			errs <- err
		}()
	}
	for _, id := range []string{"c", "d", "e", "f"} {
		go func() {
			_, err := e.Users.Create(t.Context(), "acme", db.CreateUser{UserID: id, Connection: id, Email: ptr("ann@example.com"), EmailVerified: true})
			errs <- err
		}()
	}
	for range cap(errs) {
		ok(t, <-errs)
	}
	e.wantLinks(t, map[string]string{"b": "a", "c": "a", "d": "a", "e": "a", "f": "a"})
}
