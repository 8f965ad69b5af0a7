package hooks

import (
	"context"
	"fmt"
	"slices"
)

// Flow is a chain of hooks that are asked in the course of a flow, such as a login: about no row, and with no transaction open.
// Package auth has the flows.
type Flow[F any] struct {
	registry *Registry
	name     string
	chain    chain[F]
}

// NewFlow makes a chain without hooks. The name stands where a row's before-hook has its table, in faults, traces and metrics.
func NewFlow[F any](r *Registry, name string) *Flow[F] { return &Flow[F]{registry: r, name: name} }

// Add registers a hook behind the others; missing says that fn is nil. A bad name, or one that is taken, is noted for
// [Registry.Err]. Of the options [Timeout] counts.
func (f *Flow[F]) Add(name string, missing bool, fn F, opts ...Option) {
	var problem error
	switch err := (Kind{}).Check(name); {
	case err != nil:
		problem = err
	case missing:
		problem = errMissing
	case f.Has(name):
		problem = errTaken
	default:
		f.chain = append(f.chain, newLink(name, fn, opts))
		return
	}
	f.registry.Problem(fmt.Errorf("hooks: %s hook %q: %w", f.name, name, problem))
}

// Names lists the hooks in the order of their registration.
func (f *Flow[F]) Names() []string {
	names := make([]string, len(f.chain))
	for i, l := range f.chain {
		names[i] = l.name
	}
	return names
}

// Has reports whether a hook of that name is registered.
func (f *Flow[F]) Has(name string) bool {
	return slices.ContainsFunc(f.chain, func(l link[F]) bool { return l.name == name })
}

// Run runs the hook of that name, if there is one, as before-hooks are run: with its deadline, a panic is an error, and whoever
// observes is told. call gets the hook's function, and the context that belongs to it. What it returns but nil comes back as
// a [Rejection], or a [Fault] that names the hook.
func (f *Flow[F]) Run(ctx context.Context, name string, call func(context.Context, F) error) error {
	for _, l := range f.chain {
		if l.name == name {
			return l.observed(ctx, f.registry, f.name, 0, nil, call)
		}
	}
	return nil
}
