// Package hooks is what a hook sees: the transaction it is given ([Tx]), the committed change it is told of ([Event]),
// how it says no ([Reject]), and the typed places where it is registered ([Entity], [Set], [AfterHooks]). It knows no SQL
// and no row type; package db holds the catalogue, one field per hooked table:
//
//	reg := db.NewHooks()
//	reg.Roles.BeforeCreate("lowercase", func(ctx context.Context, tx hooks.Tx, row *db.Role) error {
//		row.Name = strings.ToLower(row.Name)
//		return nil
//	})
//	reg.Roles.AfterCreate("audit", func(ctx context.Context, tx hooks.Tx, ev hooks.Event, row db.Role) error {
//		_, err := tx.Exec(ctx, `insert into audit (what) values ($1)`, row.ID)
//		return err
//	})
//
// # Before
//
// Before-hooks run inside the writer's transaction, in the order of their registration, each seeing what the one before
// it made of the row. Whatever one of them returns but nil (a [Rejection], another error, a panic, a missed deadline)
// leaves nothing written. They run for writes through the repositories only: a [Policy] says what becomes of others, and
// before-hooks in SQL (db.SQLHook) run for every writer, after those in Go, right before each row is written.
//
// # After
//
// After-hooks run once for every committed change, whoever made it: a repository, psql, COPY, a migration. They run from
// the write-ahead log, so not in the writer's transaction, and after its commit. What a hook writes through its [Tx]
// commits together with the record that it ran. A failing one is tried again by itself, and the writer never learns of it.
//
// # Tables of one's own
//
// db.Table gives a service's own table after-hooks, typed by a struct. Its rows go past the repositories, so it has no
// before-hooks in Go.
//
// # Identity
//
// (table, name) is a hook's identity across releases: its subscription, its cursor and its label in logs. A name may
// stand once per operation of a table, and of a [Kind] of its events. Mistakes in registration don't panic; they are gathered, and opening a store
// or a listener returns them.
package hooks
