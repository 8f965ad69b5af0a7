package db

import (
	"context"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
	"github.com/latchkey-dev/latchkey/hooks"
)

// ConnectionSecret is a sealed secret of a connection, such as its client_secret. Nothing here opens it.
type ConnectionSecret = dbsqlc.AuthConnectionSecret

// ConnectionSecretName is the place that a connection's secret is sealed for.
func ConnectionSecretName(tenantID, connectionID, name string) string {
	return "connection/" + tenantID + "/" + connectionID + "/" + name
}

// ConnectionSecrets keeps what must not stand in a connection's options. They are not published, and no hook runs for them. A
// secret and its connection are written in one transaction by [Store.InTx].
type ConnectionSecrets struct{ s *session }

// List reads a connection's secrets, by name. A connection that isn't there has none.
func (c *ConnectionSecrets) List(ctx context.Context, tenantID, connectionID string) ([]ConnectionSecret, error) {
	secrets, err := dbsqlc.New(c.s.reader()).ListConnectionSecrets(ctx, tenantID, connectionID)
	return secrets, failed(err, "list", "connection secrets")
}

// Put stores a secret in the place of the one of that name. Sealed must be for [ConnectionSecretName]. Errors: [ErrNotFound],
// where there is no such connection, hooks.ErrOutsideTx.
func (c *ConnectionSecrets) Put(ctx context.Context, tenantID, connectionID, name string, sealed []byte) error {
	a := action{operation: hooks.Update, table: "auth.connection_secrets", verb: "put", entity: "connection secret"}
	_, err := inWrite(ctx, c.s, a, func(ctx context.Context, w *write) (struct{}, error) {
		return struct{}{}, w.lastUnstamped().PutConnectionSecret(ctx, dbsqlc.PutConnectionSecretParams{
			TenantID: tenantID, ConnectionID: connectionID, Name: name, Sealed: sealed, UpdatedAt: now(),
		})
	})
	if names(err, "connection_id") { // how a foreign key says it
		err = failed(ErrNotFound, "find", "connection")
	}
	return err
}

// Remove removes a secret; one that isn't there is passed over. Errors: hooks.ErrOutsideTx.
func (c *ConnectionSecrets) Remove(ctx context.Context, tenantID, connectionID, name string) error {
	a := action{operation: hooks.Delete, table: "auth.connection_secrets", verb: "remove", entity: "connection secret"}
	_, err := inWrite(ctx, c.s, a, func(ctx context.Context, w *write) (struct{}, error) {
		return struct{}{}, w.lastUnstamped().RemoveConnectionSecret(ctx, tenantID, connectionID, name)
	})
	return err
}
