package recipes

import (
	"context"
	"encoding/json"
	"log/slog"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// LogRoles logs each step of a role's life: before, in the writer's transaction; after, once it is committed.
func LogRoles(reg *db.Hooks, log *slog.Logger) {
	reg.Roles.BeforeCreate("log", func(_ context.Context, _ hooks.Tx, row *db.Role) error {
		log.Info("creating role", "name", row.Name)
		return nil
	})
	reg.Roles.AfterCreate("log", func(_ context.Context, _ hooks.Tx, _ hooks.Event, row db.Role) error {
		log.Info("role created", "name", row.Name, "id", row.ID)
		return nil
	})
	reg.Roles.BeforeUpdate("log", func(_ context.Context, _ hooks.Tx, old db.Role, _ *db.Role) error {
		log.Info("updating role", "id", old.ID)
		return nil
	})
	reg.Roles.AfterUpdate("log", func(_ context.Context, _ hooks.Tx, ev hooks.Event, _, row db.Role) error {
		log.Info("role updated", "name", row.Name, "changed", ev.Changed())
		return nil
	})
	reg.Roles.BeforeDelete("log", func(_ context.Context, _ hooks.Tx, row db.Role) error {
		log.Info("deleting role", "id", row.ID)
		return nil
	})
	reg.Roles.AfterDelete("log", func(_ context.Context, _ hooks.Tx, _ hooks.Event, row db.Role) error {
		log.Info("role deleted", "id", row.ID)
		return nil
	})
	reg.RolePermissions.BeforeAssign("log", func(_ context.Context, _ hooks.Tx, role db.RoleRef, perms []db.PermissionRef) ([]db.PermissionRef, error) {
		log.Info("assigning permissions", "role", role.RoleID, "permissions", len(perms))
		return perms, nil
	})
	reg.RolePermissions.AfterRemove("log", func(_ context.Context, _ hooks.Tx, _ hooks.Event, role db.RoleRef, perms []db.PermissionRef) error {
		log.Info("permissions removed", "role", role.RoleID, "permissions", len(perms))
		return nil
	})
}

// AuditRoles keeps an audit trail in auth.logs: whoever changed a role, psql included, and exactly once, because a line
// commits together with the record that the hook ran.
func AuditRoles(reg *db.Hooks) {
	trail := func(ctx context.Context, tx hooks.Tx, ev hooks.Event, action string, role db.Role) error {
		by := ev.Stamp()
		details, err := json.Marshal(map[string]string{
			"resource_id": role.ID, "name": role.Name, "description": role.Description, "origin": by.Origin, "actor": by.Actor, "database_role": by.Role,
		})
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `insert into auth.logs (tenant_id, type, description, details) values ($1, 'sapi', $2, $3)`, role.TenantID, action, details)
		return err
	}
	reg.Roles.AfterCreate("audit", func(ctx context.Context, tx hooks.Tx, ev hooks.Event, row db.Role) error {
		return trail(ctx, tx, ev, "role.created", row)
	})
	reg.Roles.AfterUpdate("audit", func(ctx context.Context, tx hooks.Tx, ev hooks.Event, _, row db.Role) error {
		return trail(ctx, tx, ev, "role.updated", row)
	})
	reg.Roles.AfterDelete("audit", func(ctx context.Context, tx hooks.Tx, ev hooks.Event, row db.Role) error {
		return trail(ctx, tx, ev, "role.deleted", row)
	})
}
