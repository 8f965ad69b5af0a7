package db

import (
	"context"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
)

// ReadClient reads a client and the connections that are enabled for it, in the order of their ids, inside a transaction: a
// hook has one, and need not have the store. Two round trips, besides the transaction's begin. Errors: [ErrNotFound].
func ReadClient(ctx context.Context, tx Conn, tenantID, clientID string) (Client, []Connection, error) {
	client, err := dbsqlc.New(tx).GetClient(ctx, tenantID, clientID)
	if err != nil {
		return client, nil, failed(err, "get", "client")
	}
	connections, err := readRows[Connection](ctx, tx, "auth.connections", "tenant_id = $1 and $2 = any(enabled_clients)", "", []any{tenantID, clientID})
	return client, connections, failed(err, "list", "connections")
}
