package main

import (
	"context"

	"github.com/latchkey-dev/latchkey/db"
)

// defaultTenant is made at the first start, so that there is something to try hooks on.
const defaultTenant = "default"

func firstTenant(ctx context.Context, store *db.Store) error {
	return store.InTx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `insert into auth.tenants (id) values ($1) on conflict do nothing`, defaultTenant)
		return err
	})
}
