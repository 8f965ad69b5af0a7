package main

import (
	"context"
	"errors"

	"github.com/latchkey-dev/latchkey/db"
)

// defaultTenant is made at the first start, so that there is something to try hooks on.
const defaultTenant = "default"

func firstTenant(ctx context.Context, store *db.Store) error {
	if _, err := store.Tenants.Get(ctx, defaultTenant); !errors.Is(err, db.ErrNotFound) {
		return err
	}
	_, err := store.Tenants.Create(ctx, db.CreateTenant{ID: defaultTenant, FriendlyName: "Default"})
	var conflict *db.Conflict
	if errors.As(err, &conflict) { // another instance was faster
		return nil
	}
	return err
}
