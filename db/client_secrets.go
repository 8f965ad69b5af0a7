package db

import (
	"context"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
	"github.com/latchkey-dev/latchkey/hooks"
)

// ClientSecret is the sealed secret of a client. What it is sealed with, and under which name, is its writer's business:
// nothing here opens it.
type ClientSecret = dbsqlc.AuthClientSecret

// ClientSecrets keeps the secrets of clients, one each. They are not published, and no hook runs for them. A client and its
// secret are written in one transaction by [Store.InTx].
type ClientSecrets struct{ s *session }

// Get reads a client's secret. Errors: [ErrNotFound], also for a client that has none.
func (c *ClientSecrets) Get(ctx context.Context, tenantID, clientID string) (ClientSecret, error) {
	secret, err := dbsqlc.New(c.s.reader()).GetClientSecret(ctx, tenantID, clientID)
	return secret, failed(err, "get", "client secret")
}

// Put stores a client's secret; the one before it ends at once. Errors: [ErrNotFound], where there is no such client,
// hooks.ErrOutsideTx.
func (c *ClientSecrets) Put(ctx context.Context, tenantID, clientID string, sealed []byte) (ClientSecret, error) {
	a := action{operation: hooks.Insert, table: "auth.client_secrets", verb: "put", entity: "client secret"}
	secret, err := inWrite(ctx, c.s, a, func(ctx context.Context, w *write) (ClientSecret, error) {
		return w.lastUnstamped().PutClientSecret(ctx, tenantID, clientID, sealed, now())
	})
	if names(err, "client_id") { // how a foreign key says it
		err = failed(ErrNotFound, "find", "client")
	}
	return secret, err
}

// Delete takes a client's secret away, as one that becomes public has none. Errors: [ErrNotFound], hooks.ErrOutsideTx.
func (c *ClientSecrets) Delete(ctx context.Context, tenantID, clientID string) error {
	a := action{operation: hooks.Delete, table: "auth.client_secrets", verb: "delete", entity: "client secret"}
	_, err := inWrite(ctx, c.s, a, func(ctx context.Context, w *write) (int64, error) {
		n, err := w.lastUnstamped().DeleteClientSecret(ctx, tenantID, clientID)
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		return n, err
	})
	return err
}
