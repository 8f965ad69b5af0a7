package db

import (
	"context"
	"slices"
	"time"

	"github.com/latchkey-dev/latchkey/hooks"
)

// Links is the repository of rows that tie an owner to others and hold nothing else: a user and its roles. All that one call
// assigns or removes is one transaction; the hooks hear of each row by itself, the before-hooks inside the transaction. They
// can refuse a row, and then all of the call is refused; they can't change it. Deleting what a row names runs its BeforeDelete
// hooks too.
type Links[Row, Owner any, Member comparable] struct {
	s *session
	e *linking[Row, Owner, Member]
}

// linking is all that sets one kind of links apart.
type linking[Row, Owner any, Member comparable] struct {
	name  string // for messages: "user role"
	hooks *hooks.Entity[Row]
	list  listing

	row    func(tenantID string, owner Owner, m Member, now time.Time) Row
	member func(Row) Member
	lock   func(*queries, context.Context, string, Owner) error
	has    func(*queries, context.Context, string, Owner, []Member) ([]Row, error) // may give more than those that are asked for
	takes  func(tenantID string, owner Owner, members []Member) []taken            // what a removal removes
	assign func(*queries, context.Context, string, Owner, []Member, time.Time) (int64, error)
	remove func(*queries, context.Context, string, Owner, []Member) (int64, error)
}

// on gives the same repository on another session.
func (l *Links[Row, Owner, Member]) on(s *session) *Links[Row, Owner, Member] {
	return &Links[Row, Owner, Member]{s: s, e: l.e}
}

// List reads a page of the tenant's rows; filter by the column of what is to be listed for.
// Errors: [Invalid], for a column that can't be filtered or sorted by.
func (l *Links[Row, Owner, Member]) List(ctx context.Context, tenantID string, o ListOptions) (Page[Row], error) {
	page, err := list[Row](ctx, l.s, l.e.name, l.e.list, tenantID, o)
	return page, failed(err, "list", l.e.name+"s")
}

// Assign gives the owner members; those that it has already stay, and no hook hears of them. It returns how many were new.
// Errors: [ErrNotFound] for the owner, [Invalid] for a member that doesn't exist, hooks.Rejection, hooks.Fault,
// hooks.ErrOutsideTx.
func (l *Links[Row, Owner, Member]) Assign(ctx context.Context, tenantID string, owner Owner, members ...Member) (int, error) {
	a := action{operation: hooks.Assign, table: l.e.hooks.Table(), verb: "assign", entity: l.e.name + "s"}
	n, err := inWrite(ctx, l.s, a, func(ctx context.Context, w *write) (int64, error) {
		has, err := l.e.locked(ctx, w, tenantID, owner, members)
		if err != nil {
			return 0, err
		}
		var added []Member
		at := now()
		for _, m := range members {
			if slices.Contains(has, m) || slices.Contains(added, m) {
				continue
			}
			added = append(added, m)
			row := l.e.row(tenantID, owner, m, at)
			if err := l.e.hooks.RunBeforeCreate(ctx, w.tx, &row); err != nil {
				return 0, err
			}
		}
		if len(added) == 0 {
			return 0, nil
		}
		return l.e.assign(w.last(), ctx, tenantID, owner, added, at)
	})
	return int(n), err
}

// Remove takes members from the owner; those that it doesn't have are passed over. It returns how many went. Errors as Assign.
func (l *Links[Row, Owner, Member]) Remove(ctx context.Context, tenantID string, owner Owner, members ...Member) (int, error) {
	a := action{operation: hooks.Remove, table: l.e.hooks.Table(), verb: "remove", entity: l.e.name + "s"}
	n, err := inWrite(ctx, l.s, a, func(ctx context.Context, w *write) (int64, error) {
		if err := l.e.lock(w.step(), ctx, tenantID, owner); err != nil {
			return 0, err
		}
		if err := takeAlong(ctx, w.tx, l.e.takes(tenantID, owner, members)); err != nil {
			return 0, err
		}
		return l.e.remove(w.last(), ctx, tenantID, owner, members)
	})
	return int(n), err
}

// locked locks the owner, so that its members change by one call at a time, and tells which it has. That is only asked where
// hooks would hear of new ones.
func (e *linking[Row, Owner, Member]) locked(ctx context.Context, w *write, tenantID string, owner Owner, members []Member) ([]Member, error) {
	if err := e.lock(w.step(), ctx, tenantID, owner); err != nil || !e.hooks.HasBefore(hooks.Insert) {
		return nil, err
	}
	rows, err := e.has(w.step(), ctx, tenantID, owner, members)
	has := make([]Member, len(rows))
	for i, row := range rows {
		has[i] = e.member(row)
	}
	return has, err
}
