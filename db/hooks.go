package db

import (
	"errors"
	"reflect"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/rowtext"
)

// Hooks is the catalogue: where the hooks of each table are registered, before the store and the listener open.
type Hooks struct {
	Tenants                 *hooks.Entity[Tenant]
	Users                   *hooks.Entity[User]
	Roles                   *hooks.Entity[Role]
	RolePermissions         *hooks.Set[RoleRef, PermissionRef]
	Permissions             *hooks.Entity[Permission]
	UserRoles               *hooks.Entity[UserRole]
	UserPermissions         *hooks.Entity[UserPermission]
	Connections             *hooks.Entity[Connection]
	ResourceServers         *hooks.Entity[ResourceServer]
	Clients                 *hooks.Entity[Client]
	ClientGrants            *hooks.Entity[ClientGrant]
	Organizations           *hooks.Entity[Organization]
	OrganizationMembers     *hooks.Entity[OrganizationMember]
	OrganizationMemberRoles *hooks.Entity[OrganizationMemberRole]
	OrganizationConnections *hooks.Entity[OrganizationConnection]
	Forms                   *hooks.Entity[Form]
	AuthEvents              *hooks.Entity[AuthEvent]

	registry hooks.Registry
	sqlHooks []SQLHook
	own      map[string]reflect.Type // the row of each table that is not in the catalogue
}

// NewHooks makes an empty catalogue.
func NewHooks() *Hooks {
	h := &Hooks{}
	r := &h.registry
	r.ReportUnhooked(reportUnhooked)
	h.Tenants = entityHooks[Tenant](r, "auth.tenants")
	h.Users = entityHooks[User](r, "auth.users")
	h.Roles = entityHooks[Role](r, "auth.roles")
	h.RolePermissions = hooks.NewSet(r, "auth.role_permissions", rowtext.Decoder[RoleRef](), rowtext.Decoder[PermissionRef]())
	h.Permissions = entityHooks[Permission](r, "auth.permissions")
	h.UserRoles = entityHooks[UserRole](r, "auth.user_roles")
	h.Connections = entityHooks[Connection](r, "auth.connections")
	h.ResourceServers = entityHooks[ResourceServer](r, "auth.resource_servers")
	h.Clients = entityHooks[Client](r, "auth.clients")
	h.ClientGrants = entityHooks[ClientGrant](r, "auth.client_grants")
	h.UserPermissions = entityHooks[UserPermission](r, "auth.user_permissions")
	h.Organizations = entityHooks[Organization](r, "auth.organizations")
	h.OrganizationMembers = entityHooks[OrganizationMember](r, "auth.organization_members")
	h.OrganizationMemberRoles = entityHooks[OrganizationMemberRole](r, "auth.organization_member_roles")
	h.OrganizationConnections = entityHooks[OrganizationConnection](r, "auth.organization_connections")
	h.Forms = entityHooks[Form](r, "auth.forms")
	h.AuthEvents = entityHooks[AuthEvent](r, "auth.auth_events")
	return h
}

func entityHooks[Row any](r *hooks.Registry, table string) *hooks.Entity[Row] {
	return hooks.NewEntity(r, table, rowtext.Decoder[Row]())
}

// Tables lists the hooked tables, schema.table; the listener publishes them.
func (h *Hooks) Tables() []string { return h.registry.Tables() }

// OwnTables lists those of Tables that came by [Table]; the listener prepares them when it opens.
func (h *Hooks) OwnTables() []hooks.OwnTable { return h.registry.OwnTables() }

// Afters lists the after-hooks in the order of their registration, and then those that audit (see [hooks.Policy]).
func (h *Hooks) Afters() []*hooks.After { return append(h.registry.Afters(), h.registry.Audits()...) }

// Sets lists the tables whose rows are members of a set, with the columns that name its owner: their changes come
// together, one event per owner, operation and transaction.
func (h *Hooks) Sets() map[string][]string {
	return map[string][]string{h.RolePermissions.Table(): {"tenant_id", "role_id"}}
}

// Abouts lists the tables whose events keep their order among those of another table's row, with the column that has its key: what
// happens to a user is told in the order in which it happened, also where it is no change of the user.
func (h *Hooks) Abouts() map[string]string {
	return map[string]string{h.AuthEvents.Table(): "user_id"}
}

// Err is what was registered wrongly, all of it. Opening a store or a listener returns it.
func (h *Hooks) Err() error { return errors.Join(h.registry.Err(), h.sqlErr()) }

// Problem notes what was registered wrongly by a package that registers hooks here for others, for Err.
func (h *Hooks) Problem(err error) { h.registry.Problem(err) }

// Registry is what the entities share, for packages that keep hooks of another sort in this catalogue.
func (h *Hooks) Registry() *hooks.Registry { return &h.registry }

// ObserveBefore has fn called after each run of a before-hook, in the writer's goroutine, and after those that were set
// before it. Set it before the store opens.
func (h *Hooks) ObserveBefore(fn func(hooks.BeforeRun)) { h.registry.ObserveBefore(fn) }
