package db

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/lazytx"
)

// Repository reads and writes one entity. ID is its key within a tenant, Create and Update what a caller gives. All of
// its methods may be called by several goroutines, unless it belongs to a transaction.
//
// A write is one transaction, or a savepoint of the one that the repository belongs to: where it fails, nothing of it
// stays, and the transaction around it goes on. Its before-hooks run inside it, in the order of their registration, and
// may change the row, but neither its key nor created_at. Its after-hooks run later, from the log, see package hooks.
type Repository[Row, ID, Create, Update any] struct {
	s *session
	e *entity[Row, ID, Create, Update]
}

type queries = dbsqlc.Queries

// entity is all that sets one entity apart: its hooks, its SQL, and how a row comes from what a caller gives.
type entity[Row, ID, Create, Update any] struct {
	name  string             // for messages: "role"
	hooks *hooks.Entity[Row] // nil: it has none, and isn't published
	list  listing

	create    func(tenantID string, now time.Time, in Create) Row
	update    func(row *Row, now time.Time, in Update)
	keep      func(row *Row, was Row)              // restores what hooks can't change
	normalize func(*Row) error                     // before the hooks, and again after them
	takes     func(tenantID string, id ID) []taken // rows that a delete takes along; nil: none that are hooked
	asks      triggers                             // whose synchronous webhooks are asked before a write

	// What a row is to others, decided after its hooks; joinChanged returns what is written beside it. nil: nothing.
	joinNew     func(context.Context, *write, *Row) error
	joinChanged func(ctx context.Context, w *write, was Row, row *Row) ([]lazytx.Statement, error)

	get, lock func(*queries, context.Context, string, ID) (Row, error)
	insert    func(*queries, context.Context, Row) (Row, error)
	change    func(*queries, context.Context, Row) (Row, error)
	remove    func(*queries, context.Context, string, ID) (int64, error)
}

// on gives the same repository on another session.
func (r *Repository[Row, ID, Create, Update]) on(s *session) *Repository[Row, ID, Create, Update] {
	return &Repository[Row, ID, Create, Update]{s: s, e: r.e}
}

// Get reads one row. Errors: [ErrNotFound].
func (r *Repository[Row, ID, Create, Update]) Get(ctx context.Context, tenantID string, id ID) (Row, error) {
	row, err := r.e.get(dbsqlc.New(r.s.reader()), ctx, tenantID, id)
	return row, failed(err, "get", r.e.name)
}

// Create inserts a row; an empty id is made up. Its BeforeCreate hooks run first. Where none uses its transaction, it is
// one round trip. Errors: [Conflict], [Invalid], [ErrSuppressed], hooks.Rejection, hooks.Fault, hooks.ErrOutsideTx.
func (r *Repository[Row, ID, Create, Update]) Create(ctx context.Context, tenantID string, in Create) (Row, error) {
	return inWrite(ctx, r.s, r.e.action(hooks.Insert, "create"), func(ctx context.Context, w *write) (Row, error) {
		return r.e.insertRow(ctx, w, tenantID, in, permit[Row]{})
	})
}

// Update changes the fields that are present and leaves the others. The row is locked first, so its BeforeUpdate hooks
// see what is really being changed: two round trips. Errors as [Repository.Create], and [ErrNotFound].
func (r *Repository[Row, ID, Create, Update]) Update(ctx context.Context, tenantID string, id ID, in Update) (Row, error) {
	return inWrite(ctx, r.s, r.e.action(hooks.Update, "update"), func(ctx context.Context, w *write) (Row, error) {
		return r.e.updateRow(ctx, w, tenantID, id, in, permit[Row]{})
	})
}

// Delete removes a row, and with it what belongs to it. Its BeforeDelete hooks run first, with the row locked, then those
// of the hooked rows that it takes along, locked too. Errors as [Repository.Update].
func (r *Repository[Row, ID, Create, Update]) Delete(ctx context.Context, tenantID string, id ID) error {
	_, err := inWrite(ctx, r.s, r.e.action(hooks.Delete, "delete"), func(ctx context.Context, w *write) (int64, error) {
		return r.e.deleteRow(ctx, w, tenantID, id, permit[Row]{})
	})
	return err
}

func (e *entity[Row, ID, Create, Update]) action(op hooks.Operation, verb string) action {
	return action{operation: op, table: e.list.table, verb: verb, entity: e.name}
}

func (e *entity[Row, ID, Create, Update]) insertRow(ctx context.Context, w *write, tenantID string, in Create, p permit[Row]) (Row, error) {
	row, err := e.settle(e.create(tenantID, now(), in), e.hooked(hooks.Insert), func(row *Row) error {
		return e.hooks.RunBeforeCreate(ctx, w.tx, row)
	})
	if err != nil {
		return row, err
	}
	if e.joinNew != nil {
		if err := e.joinNew(ctx, w, &row); err != nil {
			return row, err
		}
	}
	return stored(e.insert(e.last(w, check(e.asks.create, tenantID, p)...), ctx, row))
}

func (e *entity[Row, ID, Create, Update]) updateRow(ctx context.Context, w *write, tenantID string, id ID, in Update, p permit[Row]) (Row, error) {
	old, err := e.lock(w.step(), ctx, tenantID, id)
	if err != nil {
		return old, err
	}
	if err := p.about(old); err != nil {
		return old, err
	}
	row := old
	e.update(&row, now(), in)
	row, err = e.settle(row, e.hooked(hooks.Update), func(row *Row) error {
		return e.hooks.RunBeforeUpdate(ctx, w.tx, old, row)
	})
	if err != nil {
		return row, err
	}
	first := check(e.asks.update, tenantID, p)
	if e.joinChanged != nil {
		others, err := e.joinChanged(ctx, w, old, &row)
		if err != nil {
			return row, err
		}
		first = append(first, others...)
	}
	return stored(e.change(e.last(w, first...), ctx, row))
}

func (e *entity[Row, ID, Create, Update]) deleteRow(ctx context.Context, w *write, tenantID string, id ID, p permit[Row]) (int64, error) {
	var along []taken
	if e.takes != nil {
		along = e.takes(tenantID, id)
	}
	if e.hooked(hooks.Delete) || anyHooked(along) || p.rows != nil {
		row, err := e.lock(w.step(), ctx, tenantID, id)
		if err != nil {
			return 0, err
		}
		if err := e.stillAbout(ctx, w, tenantID, id, row, p); err != nil {
			return 0, err
		}
		if err := e.hooks.RunBeforeDelete(ctx, w.tx, row); err != nil {
			return 0, err
		}
		if err := takeAlong(ctx, w.tx, along); err != nil {
			return 0, err
		}
	}
	n, err := e.remove(e.last(w, check(e.asks.remove, tenantID, p)...), ctx, tenantID, id)
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	return n, err
}

// stillAbout is p.about with the rows that go with the one that is deleted, locked too.
func (e *entity[Row, ID, Create, Update]) stillAbout(ctx context.Context, w *write, tenantID string, id ID, row Row, p permit[Row]) error {
	if p.rows == nil {
		return nil
	}
	along, err := lockRows[Row](ctx, w.tx, e.list.table, e.asks.along, []any{tenantID, id})
	if err != nil {
		return err
	}
	return p.about(append([]Row{row}, along...)...)
}

// last is what ends a write. What is not published needs no stamp, and nobody is asked about it.
func (e *entity[Row, ID, Create, Update]) last(w *write, checks ...lazytx.Statement) *queries {
	if e.hooks == nil {
		return w.lastUnstamped()
	}
	return w.last(checks...)
}

func (e *entity[Row, ID, Create, Update]) hooked(op hooks.Operation) bool {
	return e.hooks != nil && e.hooks.HasBefore(op)
}

// settle gives a row the form that is stored, before the hooks and again after them. Where a hook failed the row isn't
// looked at again: one that missed its deadline may still be writing it.
func (e *entity[Row, ID, Create, Update]) settle(row Row, hooked bool, run func(*Row) error) (Row, error) {
	var zero Row
	if err := e.normalize(&row); err != nil {
		return zero, err
	}
	if !hooked {
		return row, nil
	}
	theirs := row
	if err := run(&theirs); err != nil {
		return zero, err
	}
	e.keep(&theirs, row)
	return theirs, e.normalize(&theirs)
}

// stored tells that the database left a row out, which is an answer without one.
func stored[Row any](row Row, err error) (Row, error) {
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrSuppressed
	}
	return row, err
}

// now is the time as Postgres keeps it.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
