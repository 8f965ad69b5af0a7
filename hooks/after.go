package hooks

import (
	"context"
	"time"
)

type handler func(ctx context.Context, tx Tx, ev *Event) error

// After is one after-hook as the listener sees it: typed functions behind one untyped call.
type After struct {
	Table, Name string

	kind     Kind
	handlers [Remove + 1]handler
	options  options
}

// Wants reports whether the event is this hook's: its operation, kind and filter. The table is the caller's to compare. Of an
// event at which the filter panics it says yes: Run then fails.
func (a *After) Wants(ev *Event) bool {
	if a.handlers[ev.Operation] == nil {
		return false
	}
	wants, err := a.matches(ev)
	return wants || err != nil
}

func (a *After) matches(ev *Event) (is bool, err error) {
	if a.kind.Is == nil && a.options.filter == nil {
		return true, nil
	}
	err = Guard(func() error {
		is = (a.kind.Is == nil || a.kind.Is(ev)) && (a.options.filter == nil || a.options.filter(ev))
		return nil
	})
	return is, err
}

// Run calls the hook for an event that it wants. ctx must be the hook's own (see [Enter]); a panic comes back as an error.
func (a *After) Run(ctx context.Context, tx Tx, ev *Event) error {
	if _, err := a.matches(ev); err != nil {
		return err
	}
	return Guard(func() error { return a.handlers[ev.Operation](ctx, tx, ev) })
}

// Operations are those that the hook is registered for.
func (a *After) Operations() []Operation {
	var ops []Operation
	for op, h := range a.handlers {
		if h != nil {
			ops = append(ops, Operation(op))
		}
	}
	return ops
}

// RenamedFrom is the hook's former name, if it had one.
func (a *After) RenamedFrom() string { return a.kind.hook(a.options.renamedFrom) }

// Start is where the hook begins if it is new.
func (a *After) Start() Start { return a.options.start }

// Timeout is the hook's deadline.
func (a *After) Timeout() time.Duration { return a.options.timeout }

// PassDead reports whether later events pass a dead one.
func (a *After) PassDead() bool { return a.options.passDead }
