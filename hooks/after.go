package hooks

import (
	"context"
	"time"
)

type handler func(ctx context.Context, tx Tx, ev *Event) error

// After is one after-hook as the listener sees it: typed functions behind one untyped call.
type After struct {
	Table, Name string

	handlers [Remove + 1]handler
	options  options
}

// Wants reports whether the event is this hook's: its operation and filter. The table is the caller's to compare.
func (a *After) Wants(ev *Event) bool {
	return a.handlers[ev.Operation] != nil && (a.options.filter == nil || a.options.filter(ev))
}

// Run calls the hook. ctx must be the hook's own (see [Enter]); a panic comes back as an error.
func (a *After) Run(ctx context.Context, tx Tx, ev *Event) error {
	return Guard(func() error { return a.handlers[ev.Operation](ctx, tx, ev) })
}

// RenamedFrom is the hook's former name, if it had one.
func (a *After) RenamedFrom() string { return a.options.renamedFrom }

// Timeout is the hook's deadline.
func (a *After) Timeout() time.Duration { return a.options.timeout }

// PassDead reports whether later events pass a dead one.
func (a *After) PassDead() bool { return a.options.passDead }
