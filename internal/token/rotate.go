package token

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/jackc/pgx/v5"
)

// TooEarly says that the next key isn't published for long enough: verifiers could meet it before they know it.
type TooEarly struct{ At time.Time }

func (t *TooEarly) Error() string {
	return fmt.Sprintf("verifiers may not know the next key yet: rotate after %s, or at once if tokens may fail for some minutes", t.At.Format(time.RFC3339))
}

// JWKS is the public keys: the current one, the next one, and those that have retired while tokens of theirs may still live.
func (i *Issuer) JWKS(ctx context.Context) (jose.JSONWebKeySet, error) {
	s, err := i.notOlderThan(ctx, readEvery)
	if err != nil {
		return jose.JSONWebKeySet{}, fmt.Errorf("token: %w", err)
	}
	return jose.JSONWebKeySet{Keys: s.public}, nil
}

// List is the keys that the JWKS has, the youngest first, as the database has them now.
func (i *Issuer) List(ctx context.Context) ([]Key, error) {
	s, err := i.notOlderThan(ctx, 0)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	return s.list, nil
}

// Rotate lets the next key sign and makes the one after it. The key before stays in the JWKS until its tokens have expired;
// its private part is thrown away. Other processes follow within a minute. Errors: [TooEarly].
func (i *Issuer) Rotate(ctx context.Context) error { return i.rotate(ctx, PublishedFirst) }

// RotateAtOnce is Rotate without the wait: verifiers that keep the JWKS may refuse tokens until they read it again.
func (i *Issuer) RotateAtOnce(ctx context.Context) error { return i.rotate(ctx, 0) }

func (i *Issuer) rotate(ctx context.Context, published time.Duration) error {
	after, err := i.newKey()
	if err != nil {
		return fmt.Errorf("token: rotate: %w", err)
	}
	err = i.alone(ctx, func(tx pgx.Tx) error {
		now := i.now()
		var next string
		var created time.Time
		err := tx.QueryRow(ctx, `select kid, created_at from auth.signing_keys where state = $1`, Next).Scan(&next, &created)
		if err != nil {
			return err
		}
		if at := created.Add(published); now.Before(at) {
			return &TooEarly{At: at}
		}
		var b pgx.Batch
		b.Queue(`update auth.signing_keys set state = $1, retired_at = $2, sealed = null where state = $3`, Retired, now, Current)
		b.Queue(`update auth.signing_keys set state = $1, activated_at = $2 where kid = $3`, Current, now, next)
		b.Queue(`delete from auth.signing_keys where state = $1 and retired_at <= $2`, Retired, now.Add(-retiredFor))
		if err := tx.SendBatch(ctx, &b).Close(); err != nil {
			return err
		}
		return i.insert(ctx, tx, after, Next)
	})
	if err == nil {
		_, err = i.notOlderThan(ctx, 0)
	}
	if err != nil {
		return fmt.Errorf("token: rotate: %w", err)
	}
	return nil
}

// Revoke takes a retired key out of the JWKS before its time: all that it signed fails from then on, in other processes
// within a minute. It is for a key that someone else may have.
func (i *Issuer) Revoke(ctx context.Context, kid string) error {
	err := i.alone(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `delete from auth.signing_keys where kid = $1 and state = $2`, kid, Retired)
		if err == nil && tag.RowsAffected() == 0 {
			err = errors.New("there is no retired key of this id: one that signs, or will, is retired by rotating first")
		}
		return err
	})
	if err == nil {
		_, err = i.notOlderThan(ctx, 0)
	}
	if err != nil {
		return fmt.Errorf("token: revoke: %w", err)
	}
	return nil
}
