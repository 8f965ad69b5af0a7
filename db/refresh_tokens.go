package db

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
	"github.com/latchkey-dev/latchkey/hooks"
)

// RefreshToken is one of a family: each is used once and followed by another, and all end at the same time.
type RefreshToken = dbsqlc.AuthRefreshToken

// CreateRefreshToken is what the first of a family is made of. FamilyID is what access tokens name the family by: the login's id.
type CreateRefreshToken struct {
	FamilyID        string
	ClientID        string
	UserID          string
	SessionID       *string
	Audience        string
	Scope           []string
	Methods         json.RawMessage
	Claims          json.RawMessage // of PostLogin's hooks, for the tokens to come
	AuthenticatedAt time.Time
	Idle            time.Duration // 0: none
	Lifetime        time.Duration
}

// Rotation says how a refresh token is followed by another.
type Rotation struct {
	Idle   time.Duration // how long the next lasts without use; 0: as long as its family
	Leeway time.Duration // how long after its use one may be used again, for an answer that got lost on its way
	Keep   bool          // no rotation: the token stays the one that it is, and lasts for another idle time
}

// ErrReused says that a refresh token was used before, so it is in two hands: all of its family is revoked. Access tokens go
// on until they expire, unless the family is put among the [Revocations].
var ErrReused = errors.New("the refresh token was used before: its family is revoked")

// RefreshTokens is the repository of refresh tokens. They are not published, and no hook runs for them.
type RefreshTokens struct{ s *session }

// Create begins a family, and returns the token that is stored nowhere. Errors: [ErrNotFound] for the user, [Invalid],
// hooks.ErrOutsideTx.
func (r *RefreshTokens) Create(ctx context.Context, tenantID string, in CreateRefreshToken) (RefreshToken, string, error) {
	token := newToken()
	made, err := inWrite(ctx, r.s, r.action(hooks.Insert, "create"), func(ctx context.Context, w *write) (RefreshToken, error) {
		at := now()
		return w.lastUnstamped().InsertRefreshToken(ctx, dbsqlc.InsertRefreshTokenParams{
			TenantID: tenantID, ID: newID("rt_"), FamilyID: in.FamilyID, Hash: hashOf(token), ClientID: in.ClientID, UserID: in.UserID, SessionID: in.SessionID,
			Audience: in.Audience, Scope: orNone(in.Scope), Methods: orEmptyArray(in.Methods), Claims: orEmptyObject(in.Claims),
			AuthenticatedAt: in.AuthenticatedAt, CreatedAt: at, IdleExpiresAt: idleUntil(at, in.Idle, at.Add(in.Lifetime)), ExpiresAt: at.Add(in.Lifetime),
		})
	})
	return made, token, noUser(err)
}

// Find reads a refresh token, whatever became of it. Errors: [ErrNotFound].
func (r *RefreshTokens) Find(ctx context.Context, tenantID, token string) (RefreshToken, error) {
	found, err := dbsqlc.New(r.s.reader()).FindRefreshToken(ctx, tenantID, hashOf(token))
	return found, failed(err, "find", "refresh token")
}

// Rotate uses a refresh token and returns the one that follows it, with its row. One that was used before ends its family: that
// is committed although it is an error, so call it on the store, and not inside a transaction that the error rolls back.
// Errors: [ErrReused]; [ErrNotFound], also where it has expired or was revoked; hooks.ErrOutsideTx.
func (r *RefreshTokens) Rotate(ctx context.Context, tenantID, token string, how Rotation) (RefreshToken, string, error) {
	reused, next := false, newToken()
	row, err := inWrite(ctx, r.s, r.action(hooks.Update, "rotate"), func(ctx context.Context, w *write) (RefreshToken, error) {
		at := now()
		was, err := w.step().FindRefreshToken(ctx, tenantID, hashOf(token))
		if err == nil {
			was, err = w.step().LockRefreshToken(ctx, tenantID, was.ID)
		}
		switch {
		case err != nil:
			return was, err
		case was.RevokedAt != nil, !was.ExpiresAt.After(at), was.IdleExpiresAt != nil && !was.IdleExpiresAt.After(at):
			return was, ErrNotFound
		case how.Keep:
			next = token
			return w.step().ProlongRefreshToken(ctx, tenantID, was.ID, idleUntil(at, how.Idle, was.ExpiresAt))
		case was.UsedAt != nil && at.Sub(*was.UsedAt) > how.Leeway:
			reused = true
			_, err := w.step().RevokeRefreshTokens(ctx, dbsqlc.RevokeRefreshTokensParams{TenantID: tenantID, At: at, FamilyID: &was.FamilyID})
			return was, err
		}
		if err := w.step().UseRefreshToken(ctx, tenantID, was.ID, at); err != nil {
			return was, err
		}
		return w.step().InsertRefreshToken(ctx, dbsqlc.InsertRefreshTokenParams{
			TenantID: tenantID, ID: newID("rt_"), FamilyID: was.FamilyID, Hash: hashOf(next), ClientID: was.ClientID, UserID: was.UserID, SessionID: was.SessionID,
			Audience: was.Audience, Scope: was.Scope, Methods: was.Methods, Claims: was.Claims, AuthenticatedAt: was.AuthenticatedAt,
			CreatedAt: at, IdleExpiresAt: idleUntil(at, how.Idle, was.ExpiresAt), ExpiresAt: was.ExpiresAt,
		})
	})
	if err == nil && reused {
		err = failed(ErrReused, "rotate", "refresh token")
	}
	return row, next, err
}

// RevokeFamily ends the tokens of a family. Errors: hooks.ErrOutsideTx.
func (r *RefreshTokens) RevokeFamily(ctx context.Context, tenantID, familyID string) error {
	_, err := r.revoke(ctx, dbsqlc.RevokeRefreshTokensParams{TenantID: tenantID, FamilyID: &familyID})
	return err
}

// RevokeOf ends all refresh tokens of a user, and returns the families that they are of. Errors: hooks.ErrOutsideTx.
func (r *RefreshTokens) RevokeOf(ctx context.Context, tenantID, userID string) ([]string, error) {
	return r.revoke(ctx, dbsqlc.RevokeRefreshTokensParams{TenantID: tenantID, UserID: &userID})
}

func (r *RefreshTokens) revoke(ctx context.Context, which dbsqlc.RevokeRefreshTokensParams) ([]string, error) {
	families, err := inWrite(ctx, r.s, r.action(hooks.Update, "revoke"), func(ctx context.Context, w *write) ([]string, error) {
		which.At = now()
		return w.step().RevokeRefreshTokens(ctx, which)
	})
	slices.Sort(families)
	return slices.Compact(families), err
}

func (r *RefreshTokens) action(op hooks.Operation, verb string) action {
	return action{operation: op, table: "auth.refresh_tokens", verb: verb, entity: "refresh token"}
}

func idleUntil(at time.Time, idle time.Duration, end time.Time) *time.Time {
	until := at.Add(idle)
	if idle == 0 || until.After(end) {
		return nil
	}
	return &until
}

func orNone(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
