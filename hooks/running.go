package hooks

import "context"

// Running is the hook that a context belongs to.
type Running struct {
	Hook  string
	Table string
	Tx    Tx     // nil for hooks that are given none and may write
	Cause *Cause // what its writes are caused by: after-hooks only
}

type runningKey struct{}

// Enter makes the context that a hook gets. Repositories, and whoever else writes, look it up with [Current].
func Enter(ctx context.Context, r *Running) context.Context {
	return context.WithValue(ctx, runningKey{}, r)
}

// Current is the hook that ctx belongs to, nil outside of hooks.
func Current(ctx context.Context) *Running {
	r, _ := ctx.Value(runningKey{}).(*Running)
	return r
}
