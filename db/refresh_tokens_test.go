package db_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/db"
)

type refreshRig struct {
	*env
	t *testing.T
}

func refreshing(t *testing.T) refreshRig {
	t.Helper()
	e := open(t, nil)
	e.users(t, "ann")
	_, err := e.Clients.Create(t.Context(), "acme", db.CreateClient{ClientID: "app", Name: "App"})
	ok(t, err)
	return refreshRig{e, t}
}

func (r refreshRig) begin(family string, idle time.Duration) (db.RefreshToken, string) {
	r.t.Helper()
	row, token, err := r.RefreshTokens.Create(r.t.Context(), "acme", db.CreateRefreshToken{
		FamilyID: family, ClientID: "app", UserID: "ann", Scope: []string{"openid"}, AuthenticatedAt: time.Now(), Idle: idle, Lifetime: 24 * time.Hour,
	})
	ok(r.t, err)
	return row, token
}

func (r refreshRig) rotate(token string, how db.Rotation) (db.RefreshToken, string, error) {
	return r.RefreshTokens.Rotate(r.t.Context(), "acme", token, how)
}

func TestRefreshTokensRotate(t *testing.T) {
	t.Parallel()
	r := refreshing(t)
	first, token := r.begin("login_1", time.Hour)
	_, other := r.begin("login_2", 0)
	r.wantCount(t, 0, `auth.refresh_tokens k where strpos(k::text, $1) > 0 or strpos(k::text, encode($1::bytea, 'hex')) > 0`, token)
	second, next, err := r.rotate(token, db.Rotation{Idle: time.Hour})
	ok(t, err)
	if next == token || second.FamilyID != "login_1" || !second.ExpiresAt.Equal(first.ExpiresAt) || second.Scope[0] != "openid" || second.IdleExpiresAt == nil {
		t.Errorf("followed by %+v", second)
	}
	_, third, err := r.rotate(next, db.Rotation{})
	ok(t, err)
	_, _, err = r.rotate(token, db.Rotation{}) // in two hands
	wantError(t, err, db.ErrReused)
	_, _, err = r.rotate(third, db.Rotation{})
	wantError(t, err, db.ErrNotFound)
	_, other, err = r.rotate(other, db.Rotation{}) // another family
	ok(t, err)
	_, kept, err := r.rotate(other, db.Rotation{Keep: true, Idle: time.Hour})
	ok(t, err)
	if kept != other {
		t.Error("kept another")
	}
	if _, _, err = r.RefreshTokens.Rotate(t.Context(), "globex", other, db.Rotation{}); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("another tenant's: %v", err)
	}
	found, err := r.RefreshTokens.Find(t.Context(), "acme", other)
	ok(t, err)
	families, err := r.RefreshTokens.RevokeOf(t.Context(), "acme", found.UserID)
	ok(t, err)
	if len(families) != 1 || families[0] != "login_2" {
		t.Errorf("revoked %v", families)
	}
	_, _, err = r.rotate(other, db.Rotation{})
	wantError(t, err, db.ErrNotFound)
}

func TestRefreshTokensLeeway(t *testing.T) {
	t.Parallel()
	r := refreshing(t)
	_, token := r.begin("login_1", 0)
	_, _, err := r.rotate(token, db.Rotation{})
	ok(t, err)
	_, again, err := r.rotate(token, db.Rotation{Leeway: time.Minute}) // the answer got lost
	ok(t, err)
	r.exec(t, `update auth.refresh_tokens set used_at = used_at - interval '2 minutes' where used_at is not null`)
	_, _, err = r.rotate(token, db.Rotation{Leeway: time.Minute})
	wantError(t, err, db.ErrReused)
	_, _, err = r.rotate(again, db.Rotation{})
	wantError(t, err, db.ErrNotFound)
}

func TestRefreshTokensExpire(t *testing.T) {
	t.Parallel()
	for _, column := range []string{"expires_at", "idle_expires_at"} {
		r := refreshing(t)
		_, token := r.begin("login_1", time.Hour)
		r.exec(t, `update auth.refresh_tokens set `+column+` = now()`)
		_, _, err := r.rotate(token, db.Rotation{})
		wantError(t, err, db.ErrNotFound)
	}
	r := refreshing(t)
	_, token := r.begin("login_1", 0)
	ok(t, r.RefreshTokens.RevokeFamily(t.Context(), "acme", "login_1"))
	_, _, err := r.rotate(token, db.Rotation{})
	wantError(t, err, db.ErrNotFound)
}

// Of many who use a token at once, one gets the next, and the family ends.
func TestRefreshTokensRace(t *testing.T) {
	t.Parallel()
	r := refreshing(t)
	_, token := r.begin("login_1", 0)
	var wait sync.WaitGroup
	type result struct {
		next string
		err  error
	}
	results := make(chan result, 6)
	for range cap(results) {
		wait.Go(func() {
			_, next, err := r.rotate(token, db.Rotation{})
			results <- result{next, err}
		})
	}
	wait.Wait()
	close(results)
	won := 0
	for got := range results {
		switch {
		case got.err == nil:
			won++
			_, _, err := r.rotate(got.next, db.Rotation{})
			wantError(t, err, db.ErrNotFound)
		case !errors.Is(got.err, db.ErrReused) && !errors.Is(got.err, db.ErrNotFound):
			t.Error(got.err)
		}
	}
	if won != 1 {
		t.Errorf("%d got one", won)
	}
}
