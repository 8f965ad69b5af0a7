package db

import (
	"context"
	"errors"
	"time"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
	"github.com/latchkey-dev/latchkey/hooks"
)

// Try is how often something was tried in vain, in a window that began with the first.
type Try = dbsqlc.AuthTry

// Tries counts what fails: of what, kind and name say ("login/account", an e-mail address). Names are stored as hashes. They are
// not published, and no hook runs for them.
type Tries struct{ s *session }

// Count counts one more, in the window that is open or in a new one. Errors: hooks.ErrOutsideTx.
func (r *Tries) Count(ctx context.Context, tenantID, kind, name string, window time.Duration) (Try, error) {
	return inWrite(ctx, r.s, r.action(hooks.Update, "count"), func(ctx context.Context, w *write) (Try, error) {
		at := now()
		return w.lastUnstamped().CountTry(ctx, dbsqlc.CountTryParams{TenantID: tenantID, Kind: kind, NameHash: hashOf(name), At: at, ExpiresAt: at.Add(window)})
	})
}

// Get reads the count of the window that is open; without one it is zero.
func (r *Tries) Get(ctx context.Context, tenantID, kind, name string) (Try, error) {
	try, err := dbsqlc.New(r.s.reader()).GetTries(ctx, tenantID, kind, hashOf(name), now())
	if err = failed(err, "read", "tries"); errors.Is(err, ErrNotFound) {
		return Try{TenantID: tenantID, Kind: kind}, nil
	}
	return try, err
}

// TakeBack takes back one that was counted in the window that is open, as it was none in vain. Errors: hooks.ErrOutsideTx.
func (r *Tries) TakeBack(ctx context.Context, tenantID, kind, name string) error {
	_, err := inWrite(ctx, r.s, r.action(hooks.Update, "take back"), func(ctx context.Context, w *write) (struct{}, error) {
		return struct{}{}, w.lastUnstamped().TakeBackTry(ctx, tenantID, kind, hashOf(name), now())
	})
	return err
}

// Clear forgets them. Errors: hooks.ErrOutsideTx.
func (r *Tries) Clear(ctx context.Context, tenantID, kind, name string) error {
	_, err := inWrite(ctx, r.s, r.action(hooks.Delete, "clear"), func(ctx context.Context, w *write) (struct{}, error) {
		return struct{}{}, w.lastUnstamped().ClearTries(ctx, tenantID, kind, hashOf(name))
	})
	return err
}

func (r *Tries) action(op hooks.Operation, verb string) action {
	return action{operation: op, table: "auth.tries", verb: verb, entity: "tries"}
}
