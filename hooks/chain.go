package hooks

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// BeforeTimeout is the deadline of a before-hook unless [Timeout] says otherwise: its writer waits, holding locks.
const BeforeTimeout = 5 * time.Second

// link is one before-hook of a chain; F is its function type.
type link[F any] struct {
	name    string
	timeout time.Duration
	fn      F
}

type chain[F any] []link[F]

// run calls the links in order until one says no. Each call has a goroutine of its own, so that a hook that ignores its
// deadline can't hold the writer; call gets the link's function and the context that belongs to the hook.
func (c chain[F]) run(ctx context.Context, r *Registry, table string, op Operation, tx Tx, call func(context.Context, F) error) error {
	for _, l := range c {
		if err := l.observed(ctx, r, table, op, tx, call); err != nil {
			return err
		}
	}
	return nil
}

func newLink[F any](name string, fn F, opts []Option) link[F] {
	o := options{timeout: BeforeTimeout}
	for _, opt := range opts {
		opt(&o)
	}
	return link[F]{name: name, timeout: o.timeout, fn: fn}
}

// observed is run for those who watch.
func (l link[F]) observed(ctx context.Context, r *Registry, table string, op Operation, tx Tx, call func(context.Context, F) error) error {
	began := time.Now()
	within, span := beforeSpan(ctx, table, l.name, op)
	err := l.run(within, table, tx, call)
	r.observed(span, BeforeRun{Table: table, Hook: l.name, Operation: op, Took: time.Since(began), Err: err})
	return err
}

func (l link[F]) run(writer context.Context, table string, tx Tx, call func(context.Context, F) error) error {
	ctx, cancel := context.WithTimeout(writer, l.timeout)
	defer cancel()
	hookCtx := Enter(ctx, &Running{Hook: l.name, Table: table, Tx: tx, Outer: Current(ctx)})
	done := make(chan error, 1)
	go func() { done <- Guard(func() error { return call(hookCtx, l.fn) }) }()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		select {
		case err = <-done: // it returned just now: that is the better story
		default:
			err = ctx.Err()
		}
	}
	if err != nil && errors.Is(err, ctx.Err()) {
		if writer.Err() != nil { // the writer gave up: that is no fault of the hook
			return fmt.Errorf("while hook %s of %s ran: %w", l.name, table, writer.Err())
		}
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("%w (%v)", ErrDeadline, l.timeout)
		}
	}
	return blame(err, table, l.name)
}

// Guard runs fn and makes a panic an error.
func Guard(fn func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &Panic{Value: fmt.Sprint(v), Stack: debug.Stack()}
		}
	}()
	return fn()
}

// blame says whose error it is. A refusal or fault that a nested write brought along keeps its author.
func blame(err error, table, hook string) error {
	if err == nil {
		return nil
	}
	var fault *Fault
	if errors.As(err, &fault) {
		return err
	}
	var no *Rejection
	if errors.As(err, &no) {
		if no.Hook == "" {
			return &Rejection{Hook: hook, Code: no.Code, Reason: no.Reason}
		}
		return err
	}
	return &Fault{Table: table, Hook: hook, Err: err}
}
