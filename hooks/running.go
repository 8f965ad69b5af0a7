package hooks

import (
	"context"
	"log/slog"
)

// Running is the hook that a context belongs to.
type Running struct {
	Hook  string
	Table string
	Tx    Tx           // nil for hooks that are given none and may write
	Event *Event       // of an after-hook
	Log   *slog.Logger // the listener's, of an after-hook
	Outer *Running     // of a before-hook: the hook whose write it is asked about, if one made it
}

// Cause is what the hook's own writes are stamped with: the event that an after-hook runs for, however deep inside it
// the write is made. It is nil where no after-hook is behind the write.
func (r *Running) Cause() *Cause {
	for ; r != nil; r = r.Outer {
		if r.Event == nil {
			continue
		}
		c := &Cause{Seq: r.Event.Seq, Hook: r.Hook, Depth: 1}
		if before := r.Event.Stamp().Cause; before != nil {
			c.Depth = before.Depth + 1
		}
		return c
	}
	return nil
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
