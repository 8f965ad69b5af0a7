package hooks

// Kind is one sort of a table's events, as the logins are among the auth events. It has hooks of its own.
type Kind struct {
	Name string            // stands before the names of its hooks
	Is   func(*Event) bool // must depend on the event alone, as after a restart it is asked again; of a delete New is nil, of an insert Old
}

// Only is the same table narrowed to one kind of its events: what is registered there runs for no other, and a [Filter]
// narrows it further. The kind belongs to a hook's identity, kind:name, so a name may stand once per operation of each kind;
// both together have 63 characters. [RenamedFrom] takes a former name within the kind.
func (a *AfterHooks[Row]) Only(k Kind) *AfterHooks[Row] {
	return &AfterHooks[Row]{registry: a.registry, table: a.table, kind: k, decode: a.decode}
}

// hook is the name by which a hook of the kind is known.
func (k Kind) hook(name string) string {
	if k.Name == "" || name == "" {
		return name
	}
	return k.Name + ":" + name
}
