package listener

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// A rolling deploy that adds or removes hooks: the program with the newest set of hooks is to own the group, also while
// an older one is alive. A set is new once, when it is first registered, so a restart of the older program takes nothing
// back. The newer program says that it waits; the owner sees it when it renews its lease, ends its term as for a clean
// stop, and stands by; nobody older takes the group meanwhile.

// errYielded ends a term that made room for newer hooks.
var errYielded = errors.New("a process with newer hooks takes the group over")

// registerSet numbers this process' set of hooks.
func (l *Listener) registerSet(ctx context.Context) error {
	set := []string{}
	for _, a := range l.cfg.Hooks.Afters() {
		for _, op := range a.Operations() {
			set = append(set, a.Table+" "+a.Name+" "+op.String())
		}
	}
	slices.Sort(set)
	if err := l.pool.QueryRow(ctx, `insert into latchkey.hook_sets (group_name, hooks) values ($1, $2)
		on conflict (group_name, hooks) do update set seen_at = now() returning number`, l.cfg.Group, set).Scan(&l.hookSet); err != nil {
		return fmt.Errorf("register the set of hooks: %w", err)
	}
	return nil
}

// want tells the owner, and everybody who waits, that newer hooks are here. It is said anew at each look, and forgotten
// when that ends.
func (l *Listener) want(ctx context.Context) error {
	if _, err := l.pool.Exec(ctx, `update latchkey.lease set wanted_set = $2, wanted_until = clock_timestamp() + $3 where group_name = $1`,
		l.cfg.Group, l.hookSet, l.timing.lease); err != nil {
		return fmt.Errorf("ask for the group: %w", err)
	}
	return nil
}
