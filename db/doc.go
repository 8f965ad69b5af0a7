// Package db is how a Go service writes auth data: a [Store] with a repository per entity. Every write runs its
// before-hooks inside its transaction and leaves a stamp of who made it in the write-ahead log, from which package
// listener runs the after-hooks. [Hooks] is the catalogue, one typed field per hooked table.
//
//	reg := db.NewHooks()
//	reg.Roles.BeforeCreate("no-root", func(ctx context.Context, tx hooks.Tx, row *db.Role) error {
//		if row.Name == "root" {
//			return hooks.Reject("reserved", "the name root is reserved")
//		}
//		return nil
//	})
//	store, err := db.Open(ctx, db.Config{DatabaseURL: url, Hooks: reg})
//	role, err := store.Roles.Create(ctx, "acme", db.CreateRole{Name: "editor"})
//
// Writes of users ask a tenant's synchronous webhooks first, by the [Asker] in [Config]: ask.go is what is asked, asks.go when,
// and user_asks.go has the writes.
//
// A write is one transaction unless [Store.InTx] or [Store.With] puts it into a larger one. Its errors are typed:
// [ErrNotFound], [Conflict], [Invalid], and, from the hooks, hooks.Rejection and hooks.Fault; errors.As and errors.Is
// find them. Nothing is written when a write fails.
package db
