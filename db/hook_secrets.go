package db

import (
	"context"
	"time"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
	"github.com/latchkey-dev/latchkey/hooks"
)

// HookSecret is a sealed secret of a hook. What it is sealed with, and under which name, is its writer's business: nothing
// here opens it.
type HookSecret = dbsqlc.AuthHookSecret

// The kinds of secrets that a hook has.
const (
	HookSigningSecret = "signing" // signs its requests; while one is replaced, both do
	HookHeaders       = "headers" // what stands in its requests' headers
)

// HookSecrets keeps the secrets of hooks. They are not published, and no hook runs for them. A secret and its hook are
// written in one transaction by [Store.InTx].
type HookSecrets struct{ s *session }

// List reads the secrets of a hook that have not expired, the newest first. A hook that isn't there has none.
func (h *HookSecrets) List(ctx context.Context, tenantID, hookID string) ([]HookSecret, error) {
	secrets, err := dbsqlc.New(h.s.reader()).ListHookSecrets(ctx, tenantID, hookID, now())
	return secrets, failed(err, "list", "hook secrets")
}

// Put adds a secret, which holds until it is expired; those before it stay. Errors: [ErrNotFound], where there is no such
// hook, [Invalid], hooks.ErrOutsideTx.
func (h *HookSecrets) Put(ctx context.Context, tenantID, hookID, kind string, sealed []byte) (HookSecret, error) {
	a := action{operation: hooks.Insert, table: "auth.hook_secrets", verb: "put", entity: "hook secret"}
	secret, err := inWrite(ctx, h.s, a, func(ctx context.Context, w *write) (HookSecret, error) {
		return w.lastUnstamped().PutHookSecret(ctx, dbsqlc.PutHookSecretParams{TenantID: tenantID, HookID: hookID, Kind: kind, Sealed: sealed, CreatedAt: now()})
	})
	if names(err, "hook_id") { // how a foreign key says it
		err = failed(ErrNotFound, "find", tenantHook)
	}
	return secret, err
}

// Expire ends the hook's secrets of a kind at the given time; those that end earlier keep their end. What has ended is
// removed, so a time that has passed removes them all: put the new one after that. Errors: hooks.ErrOutsideTx.
func (h *HookSecrets) Expire(ctx context.Context, tenantID, hookID, kind string, at time.Time) error {
	a := action{operation: hooks.Update, table: "auth.hook_secrets", verb: "expire", entity: "hook secrets"}
	_, err := inWrite(ctx, h.s, a, func(ctx context.Context, w *write) (struct{}, error) {
		p := dbsqlc.ExpireHookSecretsParams{TenantID: tenantID, HookID: hookID, Kind: kind, ExpiresAt: at, At: now()}
		return struct{}{}, w.lastUnstamped().ExpireHookSecrets(ctx, p)
	})
	return err
}
