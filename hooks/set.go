package hooks

import "context"

// Set is where the hooks of a membership are registered (the permissions of a role): many members of one owner change
// at once, and the hooks hear of them in one call per owner, operation and transaction.
type Set[Owner, Member any] struct {
	registry *Registry
	table    string
	owner    func(*Image) (Owner, error)
	member   func(*Image) (Member, error)

	beforeAssign, beforeRemove chain[func(context.Context, Tx, Owner, []Member) ([]Member, error)]
}

// NewSet adds a membership table to the registry. ownerColumns, a part of its primary key, tell the owner.
func NewSet[Owner, Member any](r *Registry, table string, owner func(*Image) (Owner, error), member func(*Image) (Member, error)) *Set[Owner, Member] {
	r.tables = append(r.tables, table)
	s := &Set[Owner, Member]{registry: r, table: table, owner: owner, member: member}
	s.audit()
	return s
}

// Table is schema.table.
func (s *Set[Owner, Member]) Table() string { return s.table }

// BeforeAssign runs fn before a repository assigns members, inside the transaction: what fn returns is what will be
// assigned. It doesn't run for other writers.
func (s *Set[Owner, Member]) BeforeAssign(name string, fn func(ctx context.Context, tx Tx, owner Owner, members []Member) ([]Member, error), opts ...Option) {
	addBefore(s.registry, &s.beforeAssign, s.table, name, Assign, fn == nil, fn, opts)
}

// BeforeRemove runs fn before a repository removes members, as BeforeAssign; also where deleting the owner takes them along,
// when what fn returns must be all of them.
func (s *Set[Owner, Member]) BeforeRemove(name string, fn func(ctx context.Context, tx Tx, owner Owner, members []Member) ([]Member, error), opts ...Option) {
	addBefore(s.registry, &s.beforeRemove, s.table, name, Remove, fn == nil, fn, opts)
}

// AfterAssign runs fn once per owner and committed transaction that gave it members, whoever wrote them; otherwise as
// [Entity.AfterCreate]. A member touched several times in one transaction counts by what was done to it last.
func (s *Set[Owner, Member]) AfterAssign(name string, fn func(ctx context.Context, tx Tx, ev Event, owner Owner, members []Member) error, opts ...Option) {
	s.after(name, Assign, fn, opts)
}

// AfterRemove runs fn once per owner and committed transaction that took members away, as AfterAssign.
func (s *Set[Owner, Member]) AfterRemove(name string, fn func(ctx context.Context, tx Tx, ev Event, owner Owner, members []Member) error, opts ...Option) {
	s.after(name, Remove, fn, opts)
}

// AfterTruncate runs fn once for every committed TRUNCATE of the table; the log doesn't say which rows went.
func (s *Set[Owner, Member]) AfterTruncate(name string, fn func(ctx context.Context, tx Tx, ev Event) error, opts ...Option) {
	afterTruncate(s.registry, s.table, Kind{}, name, fn, opts)
}

func (s *Set[Owner, Member]) after(name string, op Operation, fn func(context.Context, Tx, Event, Owner, []Member) error, opts []Option) {
	s.registry.after(s.table, Kind{}, name, op, fn == nil, func(ctx context.Context, tx Tx, ev *Event) error {
		owner, members, err := s.read(ev)
		if err != nil {
			return err
		}
		return fn(ctx, tx, *ev, owner, members)
	}, opts)
}

// read gives the owner and the members of an assign or remove.
func (s *Set[Owner, Member]) read(ev *Event) (owner Owner, members []Member, err error) {
	if owner, err = s.owner(ev.Rows[0]); err != nil {
		return owner, nil, err
	}
	members = make([]Member, len(ev.Rows))
	for i, row := range ev.Rows {
		if members[i], err = s.member(row); err != nil {
			return owner, nil, err
		}
	}
	return owner, members, nil
}

// HasBefore reports whether a before-hook of the operation is registered.
func (s *Set[Owner, Member]) HasBefore(op Operation) bool {
	return op == Assign && len(s.beforeAssign) > 0 || op == Remove && len(s.beforeRemove) > 0
}

// RunBefore runs the before-hooks of Assign or Remove in order and returns what they left of the members. Repositories call it.
func (s *Set[Owner, Member]) RunBefore(ctx context.Context, op Operation, tx Tx, owner Owner, members []Member) ([]Member, error) {
	c := s.beforeAssign
	if op == Remove {
		c = s.beforeRemove
	}
	err := c.run(ctx, s.registry, s.table, op, tx, func(ctx context.Context, fn func(context.Context, Tx, Owner, []Member) ([]Member, error)) error {
		left, err := fn(ctx, tx, owner, members)
		if err == nil {
			members = left
		}
		return err
	})
	if err != nil {
		return nil, err // a hook that missed its deadline may still be writing members
	}
	return members, nil
}
