package db

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/lazytx"
)

// UserStats is what logins and password resets leave. It is no part of the user, so that a login is no change of it: it
// has no hooks and is not published. Neither is the password's hash.
type UserStats = dbsqlc.AuthUserStat

// Login is one that succeeded.
type Login struct {
	At time.Time // now unless said
	IP string
}

// Stats reads a user's stats; those of one that never logged in are zero. Errors: [ErrNotFound].
func (u *Users) Stats(ctx context.Context, tenantID, id string) (UserStats, error) {
	stats, err := dbsqlc.New(u.s.reader()).GetUserStats(ctx, tenantID, id)
	if errors.Is(err, pgx.ErrNoRows) {
		_, err = u.e.get(dbsqlc.New(u.s.reader()), ctx, tenantID, id)
		stats = UserStats{TenantID: tenantID, UserID: id}
	}
	return stats, failed(err, "read", "user stats")
}

// StatsOf reads the stats of those of the users that have any, in no order.
func (u *Users) StatsOf(ctx context.Context, tenantID string, ids ...string) ([]UserStats, error) {
	stats, err := dbsqlc.New(u.s.reader()).ListUserStats(ctx, tenantID, ids)
	return stats, failed(err, "list", "user stats")
}

// RecordLogin counts a login. No hook runs: a login that hooks should hear of is an [AuthEvent].
// Errors: [ErrNotFound], hooks.ErrOutsideTx.
func (u *Users) RecordLogin(ctx context.Context, tenantID, id string, login Login) (UserStats, error) {
	if login.At.IsZero() {
		login.At = now()
	}
	a := action{operation: hooks.Update, table: "auth.user_stats", verb: "record login of", entity: "user"}
	stats, err := inWrite(ctx, u.s, a, func(ctx context.Context, w *write) (UserStats, error) {
		return w.lastUnstamped().RecordLogin(ctx, tenantID, id, &login.At, &login.IP)
	})
	return stats, noUser(err)
}

// PasswordHash reads the hash of a user's password. Errors: [ErrNotFound], also for a user without one.
func (u *Users) PasswordHash(ctx context.Context, tenantID, id string) (string, error) {
	hash, err := dbsqlc.New(u.s.reader()).GetPasswordHash(ctx, tenantID, id)
	return hash, failed(err, "read", "password")
}

// SetPassword stores the hash of a user's password. Replacing one is a reset, which the stats keep the time of. No hook
// runs. Errors: [ErrNotFound], hooks.ErrOutsideTx.
func (u *Users) SetPassword(ctx context.Context, tenantID, id, hash string) error {
	a := action{operation: hooks.Update, table: "auth.passwords", verb: "set password of", entity: "user"}
	_, err := inWrite(ctx, u.s, a, func(ctx context.Context, w *write) (struct{}, error) {
		at := now()
		return struct{}{}, w.lastUnstamped().SetPassword(ctx, tenantID, id, hash, &at)
	})
	return noUser(err)
}

// setting makes a write of a user, and sets a password with it, if there is one.
func (u *Users) setting(ctx context.Context, w *write, hash string, do func(*write) (User, error)) (user User, err error) {
	if hash == "" {
		return do(w)
	}
	first := &write{tx: lazytx.Nested(w.tx), stamp: w.stamp}
	err = first.tx.Do(ctx, func() error {
		user, err = do(first)
		return err
	})
	if err != nil {
		return user, err
	}
	at := now()
	return user, w.lastUnstamped().SetPassword(ctx, user.TenantID, user.UserID, hash, &at)
}

// In finds the user of a connection whose e-mail address or username it is, without regard to case. Errors: [ErrNotFound].
func (u *Users) In(ctx context.Context, tenantID, connection, identifier string) (User, error) {
	user, err := dbsqlc.New(u.s.reader()).FindUserIn(ctx, tenantID, connection, strings.TrimSpace(identifier))
	return user, failed(err, "find", "user")
}

// Rehash replaces the hash of a password by another of the same password; nothing happens where it is no longer the one that it
// was. It is no reset. Errors: hooks.ErrOutsideTx.
func (u *Users) Rehash(ctx context.Context, tenantID, id, was, hash string) error {
	a := action{operation: hooks.Update, table: "auth.passwords", verb: "rehash password of", entity: "user"}
	_, err := inWrite(ctx, u.s, a, func(ctx context.Context, w *write) (int64, error) {
		return w.lastUnstamped().RehashPassword(ctx, tenantID, id, hash, was)
	})
	return err
}

// DropPassword takes a user's password away, if there is one: a reset gives another. Errors: hooks.ErrOutsideTx.
func (u *Users) DropPassword(ctx context.Context, tenantID, id string) error {
	a := action{operation: hooks.Delete, table: "auth.passwords", verb: "drop password of", entity: "user"}
	_, err := inWrite(ctx, u.s, a, func(ctx context.Context, w *write) (struct{}, error) {
		return struct{}{}, w.lastUnstamped().DropPassword(ctx, tenantID, id)
	})
	return err
}

// noUser is how a foreign key says it.
func noUser(err error) error {
	if names(err, "user_id") {
		return failed(ErrNotFound, "find", "user")
	}
	return err
}
