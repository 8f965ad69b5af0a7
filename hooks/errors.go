package hooks

import (
	"errors"
	"fmt"
)

// Rejection is a hook's no: the write must not happen, for a reason that the caller may be told. Everything else that a
// hook returns is a fault of the hook. An after-hook that rejects has merely failed: its change is committed.
type Rejection struct {
	Hook   string // set by the chain
	Code   string // for programs: stable, snake_case
	Reason string // for people
}

func (r *Rejection) Error() string {
	if r.Hook == "" {
		return fmt.Sprintf("rejected: %s (%s)", r.Reason, r.Code)
	}
	return fmt.Sprintf("rejected by hook %s: %s (%s)", r.Hook, r.Reason, r.Code)
}

// Reject refuses the write that a before-hook was asked about.
func Reject(code, reason string) error { return &Rejection{Code: code, Reason: reason} }

// Fault is a hook that failed rather than refused: an error of its own, a panic, a missed deadline.
type Fault struct {
	Table string
	Hook  string
	Err   error
}

func (f *Fault) Error() string { return fmt.Sprintf("hook %s of %s: %v", f.Hook, f.Table, f.Err) }
func (f *Fault) Unwrap() error { return f.Err }

// Panic is what a hook panicked with.
type Panic struct {
	Value string
	Stack []byte
}

func (p *Panic) Error() string { return "panic: " + p.Value }

// ErrDeadline is the fault of a hook that did not return in time. Its transaction is closed; if it goes on, it can't write.
var ErrDeadline = errors.New("the hook did not return before its deadline")

// ErrOutsideTx is what a store write answers that a hook makes beside its own transaction: it would stay when the hook's
// transaction is rolled back, and happen again when the hook is tried again.
var ErrOutsideTx = errors.New("hooks: a write inside a hook must go through the hook's transaction: call store.With(tx) with the tx that the hook was given")
