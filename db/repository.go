package db

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
	"github.com/latchkey-dev/latchkey/hooks"
)

// Repository reads and writes one entity. ID is its key within a tenant, Create and Update what a caller gives. All of
// its methods may be called by several goroutines, unless it belongs to a transaction.
type Repository[Row, ID, Create, Update any] struct {
	s *session
	e *entity[Row, ID, Create, Update]
}

// entity is all that sets one entity apart: its hooks, its SQL, and how a row comes from what a caller gives.
type entity[Row, ID, Create, Update any] struct {
	name  string // for messages: "role"
	hooks *hooks.Entity[Row]

	fields    func(*Row) fields[ID]
	create    func(Create) Row
	update    func(*Row, Update)
	normalize func(*Row) error // before the hooks, and again after them

	get, lock func(*dbsqlc.Queries, context.Context, string, ID) (Row, error)
	insert    func(*dbsqlc.Queries, context.Context, Row) (Row, error)
	change    func(*dbsqlc.Queries, context.Context, Row) (Row, error)
	remove    func(*dbsqlc.Queries, context.Context, string, ID) (int64, error)
	// alongside runs before a delete, in its transaction: the before-hooks of rows that it takes along.
	alongside func(ctx context.Context, w *write, row Row) error

	list listing
}

// fields are what every entity has; hooks can't change the first three.
type fields[ID any] struct {
	tenantID  *string
	createdAt *time.Time
	id        func() ID
	setID     func(ID)
	updatedAt *time.Time // nil for rows that are never updated
}

// Get reads one row. Errors: [ErrNotFound].
func (r *Repository[Row, ID, Create, Update]) Get(ctx context.Context, tenantID string, id ID) (Row, error) {
	row, err := r.e.get(dbsqlc.New(r.s.reader()), ctx, tenantID, id)
	return row, failed(err, "get", r.e.name)
}

// Create inserts a row. An empty id is made up. Without hooks that use their transaction it is one round trip.
// Errors: [Conflict], [Invalid], hooks.Rejection, hooks.Fault, hooks.ErrOutsideTx.
func (r *Repository[Row, ID, Create, Update]) Create(ctx context.Context, tenantID string, in Create) (Row, error) {
	row, err := inWrite(ctx, r.s, func(w *write) (Row, error) { return r.insertRow(ctx, w, tenantID, in) })
	return row, failed(err, "create", r.e.name)
}

func (r *Repository[Row, ID, Create, Update]) insertRow(ctx context.Context, w *write, tenantID string, in Create) (Row, error) {
	row := r.e.create(in)
	f := r.e.fields(&row)
	now := time.Now().UTC().Truncate(time.Microsecond) // what Postgres keeps
	*f.tenantID, *f.createdAt = tenantID, now
	if f.updatedAt != nil {
		*f.updatedAt = now
	}
	id := f.id()
	if err := r.e.normalize(&row); err != nil {
		return row, err
	}
	if r.e.hooks.HasBefore(hooks.Insert) {
		if err := r.e.hooks.RunBeforeCreate(ctx, w.tx, &row); err != nil {
			return row, err
		}
		*f.tenantID, *f.createdAt = tenantID, now
		f.setID(id)
		if err := r.e.normalize(&row); err != nil {
			return row, err
		}
	}
	return r.e.insert(w.last(), ctx, row)
}

// Update changes the fields that are present and leaves the others. The row is locked first, so its before-hooks see
// what is really being changed: two round trips. Errors as [Repository.Create], and [ErrNotFound].
func (r *Repository[Row, ID, Create, Update]) Update(ctx context.Context, tenantID string, id ID, in Update) (Row, error) {
	row, err := inWrite(ctx, r.s, func(w *write) (Row, error) { return r.updateRow(ctx, w, tenantID, id, in) })
	return row, failed(err, "update", r.e.name)
}

func (r *Repository[Row, ID, Create, Update]) updateRow(ctx context.Context, w *write, tenantID string, id ID, in Update) (Row, error) {
	old, err := r.e.lock(dbsqlc.New(w.tx), ctx, tenantID, id)
	if err != nil {
		return old, err
	}
	row := old
	r.e.update(&row, in)
	f := r.e.fields(&row)
	createdAt := *f.createdAt
	now := time.Now().UTC().Truncate(time.Microsecond)
	if f.updatedAt != nil {
		*f.updatedAt = now
	}
	if err := r.e.normalize(&row); err != nil {
		return row, err
	}
	if r.e.hooks.HasBefore(hooks.Update) {
		if err := r.e.hooks.RunBeforeUpdate(ctx, w.tx, old, &row); err != nil {
			return row, err
		}
		*f.tenantID, *f.createdAt = tenantID, createdAt
		f.setID(id)
		if err := r.e.normalize(&row); err != nil {
			return row, err
		}
	}
	return r.e.change(w.last(), ctx, row)
}

// Delete removes a row, and with it what belongs to it; the before-hooks of hooked rows that it takes along run too.
// Errors as [Repository.Update].
func (r *Repository[Row, ID, Create, Update]) Delete(ctx context.Context, tenantID string, id ID) error {
	_, err := inWrite(ctx, r.s, func(w *write) (int64, error) { return r.deleteRow(ctx, w, tenantID, id) })
	return failed(err, "delete", r.e.name)
}

func (r *Repository[Row, ID, Create, Update]) deleteRow(ctx context.Context, w *write, tenantID string, id ID) (int64, error) {
	if r.e.hooks.HasBefore(hooks.Delete) || r.e.alongside != nil {
		row, err := r.e.lock(dbsqlc.New(w.tx), ctx, tenantID, id)
		if err != nil {
			return 0, err
		}
		if err := r.e.hooks.RunBeforeDelete(ctx, w.tx, row); err != nil {
			return 0, err
		}
		if r.e.alongside != nil {
			if err := r.e.alongside(ctx, w, row); err != nil {
				return 0, err
			}
		}
	}
	n, err := r.e.remove(w.last(), ctx, tenantID, id)
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	return n, err
}

// required is the commonest rule of normalize.
func required(entity, field, value string) error {
	if value == "" {
		return &Invalid{Entity: entity, Field: field, Reason: "must not be empty"}
	}
	return nil
}

// object gives a JSON column that the caller left out its default, and refuses what is no object.
func object(entity, field string, value *json.RawMessage) error {
	if len(*value) == 0 {
		*value = json.RawMessage("{}")
	}
	if trimmed := bytes.TrimLeft(*value, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' || !json.Valid(trimmed) {
		return &Invalid{Entity: entity, Field: field, Reason: "must be a JSON object"}
	}
	return nil
}
