package db

import (
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/rowtext"
)

// Hooks is the catalogue: where the hooks of each table are registered, before the store and the listener open.
type Hooks struct {
	Roles           *hooks.Entity[Role]
	RolePermissions *hooks.Set[RoleRef, PermissionRef]

	registry hooks.Registry
}

// NewHooks makes an empty catalogue.
func NewHooks() *Hooks {
	h := &Hooks{}
	r := &h.registry
	h.Roles = entityHooks[Role](r, "auth.roles")
	h.RolePermissions = hooks.NewSet(r, "auth.role_permissions", rowtext.Decoder[RoleRef](), rowtext.Decoder[PermissionRef]())
	return h
}

func entityHooks[Row any](r *hooks.Registry, table string) *hooks.Entity[Row] {
	return hooks.NewEntity(r, table, rowtext.Decoder[Row]())
}

// Tables lists the hooked tables, schema.table; the listener publishes them.
func (h *Hooks) Tables() []string { return h.registry.Tables() }

// Afters lists the after-hooks in the order of their registration.
func (h *Hooks) Afters() []*hooks.After { return h.registry.Afters() }

// Sets lists the tables whose rows are members of a set, with the columns that name its owner: their changes come
// together, one event per owner, operation and transaction.
func (h *Hooks) Sets() map[string][]string {
	return map[string][]string{h.RolePermissions.Table(): {"tenant_id", "role_id"}}
}

// Err is what was registered wrongly, all of it. Opening a store or a listener returns it.
func (h *Hooks) Err() error { return h.registry.Err() }
