package db

import (
	"context"
	"time"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
	"github.com/latchkey-dev/latchkey/hooks"
)

// Revocations holds ids that tokens carry and that ended before the token does: of the token itself (jti), its session (sid), the
// login or exchange that gave it (grant). They are not published, and no hook runs for them.
type Revocations struct{ s *session }

// Add ends what the ids name; they are kept until a time by which every token that carries one has expired. Errors:
// [Invalid] for an unknown tenant, hooks.ErrOutsideTx.
func (r *Revocations) Add(ctx context.Context, tenantID string, until time.Time, ids ...string) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := inWrite(ctx, r.s, r.action(hooks.Insert, "add"), func(ctx context.Context, w *write) (struct{}, error) {
		return struct{}{}, w.lastUnstamped().Revoke(ctx, tenantID, ids, now(), until)
	})
	return err
}

// Once is Add for one id, and reports whether it was not revoked before: of two at once, it tells one so. Errors: as of Add.
func (r *Revocations) Once(ctx context.Context, tenantID string, until time.Time, id string) (bool, error) {
	n, err := inWrite(ctx, r.s, r.action(hooks.Insert, "add"), func(ctx context.Context, w *write) (int64, error) {
		return w.lastUnstamped().RevokeOnce(ctx, tenantID, id, now(), until)
	})
	return n == 1, err
}

// Any reports whether any of the ids is revoked.
func (r *Revocations) Any(ctx context.Context, tenantID string, ids ...string) (bool, error) {
	revoked, err := dbsqlc.New(r.s.reader()).IsRevoked(ctx, tenantID, ids)
	return revoked, failed(err, "read", "revocations")
}

func (r *Revocations) action(op hooks.Operation, verb string) action {
	return action{operation: op, table: "auth.revocations", verb: verb, entity: "revocation"}
}
