package hooks

import "reflect"

// Attached is the one T that belongs to a registry: made at the first call, and given again by each later one. So a package
// that keeps hooks of its own beside the tables' keeps them once for each catalogue. It isn't safe for concurrent use, as
// registration isn't.
func Attached[T any](r *Registry, make func() *T) *T {
	if r.attached == nil {
		r.attached = map[reflect.Type]any{}
	}
	key := reflect.TypeFor[T]()
	if r.attached[key] == nil {
		r.attached[key] = make()
	}
	return r.attached[key].(*T)
}
