package hooks

import "context"

// AfterHooks is where the after-hooks of one table are registered; Row is what its rows are.
type AfterHooks[Row any] struct {
	registry *Registry
	table    string
	kind     Kind // the zero kind is all events
	decode   func(*Image) (Row, error)
}

// OwnTable is a table outside of the catalogue, of which a service wants to hear.
type OwnTable struct {
	Name   string // as [TableName] has it
	Fields []Field
}

// Field is a struct's field that stands for a column.
type Field struct {
	Name     string // Type.Field
	Column   string
	Optional bool // the table need not have the column
}

// NewAfterHooks adds a table of the service's own to the registry, once however often it is called. decode reads what the
// log has of a row.
func NewAfterHooks[Row any](r *Registry, table OwnTable, decode func(*Image) (Row, error)) *AfterHooks[Row] {
	r.addOwn(table)
	return &AfterHooks[Row]{registry: r, table: table.Name, decode: decode}
}

// Table is schema.table, as [TableName] has it.
func (a *AfterHooks[Row]) Table() string { return a.table }

// AfterCreate runs fn once for every committed insert, whoever made it, after the commit and outside the writer's
// transaction. tx is the hook's own: its effects commit together with the record that the hook ran.
func (a *AfterHooks[Row]) AfterCreate(name string, fn func(ctx context.Context, tx Tx, ev Event, row Row) error, opts ...Option) {
	a.registry.after(a.table, a.kind, name, Insert, fn == nil, func(ctx context.Context, tx Tx, ev *Event) error {
		row, err := a.decode(ev.New)
		if err != nil {
			return err
		}
		return fn(ctx, tx, *ev, row)
	}, opts)
}

// AfterUpdate runs fn once for every committed update, whoever made it, with the row before and after; otherwise as
// AfterCreate. An update of the key is one update.
func (a *AfterHooks[Row]) AfterUpdate(name string, fn func(ctx context.Context, tx Tx, ev Event, old, row Row) error, opts ...Option) {
	a.registry.after(a.table, a.kind, name, Update, fn == nil, func(ctx context.Context, tx Tx, ev *Event) error {
		old, err := a.decode(ev.Old)
		if err != nil {
			return err
		}
		row, err := a.decode(ev.New)
		if err != nil {
			return err
		}
		return fn(ctx, tx, *ev, old, row)
	}, opts)
}

// AfterDelete runs fn once for every committed delete, whoever made it and also for rows that a foreign key took along,
// with the row as it was; otherwise as AfterCreate. A TRUNCATE is no delete: see AfterTruncate.
func (a *AfterHooks[Row]) AfterDelete(name string, fn func(ctx context.Context, tx Tx, ev Event, row Row) error, opts ...Option) {
	a.registry.after(a.table, a.kind, name, Delete, fn == nil, func(ctx context.Context, tx Tx, ev *Event) error {
		row, err := a.decode(ev.Old)
		if err != nil {
			return err
		}
		return fn(ctx, tx, *ev, row)
	}, opts)
}

// AfterTruncate runs fn once for every committed TRUNCATE of the table; the log doesn't say which rows went.
func (a *AfterHooks[Row]) AfterTruncate(name string, fn func(ctx context.Context, tx Tx, ev Event) error, opts ...Option) {
	afterTruncate(a.registry, a.table, a.kind, name, fn, opts)
}

func afterTruncate(r *Registry, table string, kind Kind, name string, fn func(ctx context.Context, tx Tx, ev Event) error, opts []Option) {
	r.after(table, kind, name, Truncate, fn == nil, func(ctx context.Context, tx Tx, ev *Event) error { return fn(ctx, tx, *ev) }, opts)
}
