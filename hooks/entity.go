package hooks

import "context"

// Entity is where the hooks of a table that repositories write are registered, before and after; Row is what its rows are.
type Entity[Row any] struct {
	AfterHooks[Row]

	beforeCreate chain[func(context.Context, Tx, *Row) error]
	beforeUpdate chain[func(context.Context, Tx, Row, *Row) error]
	beforeDelete chain[func(context.Context, Tx, Row) error]
}

// NewEntity adds a table to the registry. decode reads what the log has of a row.
func NewEntity[Row any](r *Registry, table string, decode func(*Image) (Row, error)) *Entity[Row] {
	r.tables = append(r.tables, table)
	e := &Entity[Row]{AfterHooks: AfterHooks[Row]{registry: r, table: table, decode: decode}}
	e.audit()
	return e
}

// BeforeCreate runs fn before a repository inserts a row, inside the transaction; fn may change the row or refuse it. It
// doesn't run for other writers.
func (e *Entity[Row]) BeforeCreate(name string, fn func(ctx context.Context, tx Tx, row *Row) error, opts ...Option) {
	addBefore(e.registry, &e.beforeCreate, e.table, name, Insert, fn == nil, fn, opts)
}

// BeforeUpdate runs fn before a repository updates a row, inside the transaction, with the row locked: old is what is
// really being changed, row what it will be, and fn may change it. Changes of the key are ignored.
func (e *Entity[Row]) BeforeUpdate(name string, fn func(ctx context.Context, tx Tx, old Row, row *Row) error, opts ...Option) {
	addBefore(e.registry, &e.beforeUpdate, e.table, name, Update, fn == nil, fn, opts)
}

// BeforeDelete runs fn before a repository deletes a row, inside the transaction, with the row locked. It also runs for
// rows that a repository's delete takes along; not for other writers.
func (e *Entity[Row]) BeforeDelete(name string, fn func(ctx context.Context, tx Tx, row Row) error, opts ...Option) {
	addBefore(e.registry, &e.beforeDelete, e.table, name, Delete, fn == nil, fn, opts)
}

// HasBefore reports whether a before-hook of the operation is registered.
func (e *Entity[Row]) HasBefore(op Operation) bool {
	switch op {
	case Insert:
		return len(e.beforeCreate) > 0
	case Update:
		return len(e.beforeUpdate) > 0
	case Delete:
		return len(e.beforeDelete) > 0
	default:
		return false
	}
}

// RunBeforeCreate runs the BeforeCreate hooks in order. Repositories call it.
func (e *Entity[Row]) RunBeforeCreate(ctx context.Context, tx Tx, row *Row) error {
	return e.beforeCreate.run(ctx, e.registry, e.table, Insert, tx, func(ctx context.Context, fn func(context.Context, Tx, *Row) error) error {
		return fn(ctx, tx, row)
	})
}

// RunBeforeUpdate runs the BeforeUpdate hooks in order. Repositories call it.
func (e *Entity[Row]) RunBeforeUpdate(ctx context.Context, tx Tx, old Row, row *Row) error {
	return e.beforeUpdate.run(ctx, e.registry, e.table, Update, tx, func(ctx context.Context, fn func(context.Context, Tx, Row, *Row) error) error {
		return fn(ctx, tx, old, row)
	})
}

// RunBeforeDelete runs the BeforeDelete hooks in order. Repositories call it.
func (e *Entity[Row]) RunBeforeDelete(ctx context.Context, tx Tx, row Row) error {
	return e.beforeDelete.run(ctx, e.registry, e.table, Delete, tx, func(ctx context.Context, fn func(context.Context, Tx, Row) error) error {
		return fn(ctx, tx, row)
	})
}
