package main

import (
	"context"
	"encoding/json"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// registerAudit adds the hook that writes a line to the tenant's log for every change of a role or user, whoever made it.
func registerAudit(reg *db.Hooks) {
	reg.Roles.AfterCreate("audit", func(ctx context.Context, tx hooks.Tx, ev hooks.Event, row db.Role) error {
		return audit(ctx, tx, ev, "role created: "+row.Name)
	})
	reg.Roles.AfterUpdate("audit", func(ctx context.Context, tx hooks.Tx, ev hooks.Event, _, row db.Role) error {
		return audit(ctx, tx, ev, "role updated: "+row.Name)
	})
	reg.Roles.AfterDelete("audit", func(ctx context.Context, tx hooks.Tx, ev hooks.Event, row db.Role) error {
		return audit(ctx, tx, ev, "role deleted: "+row.Name)
	})
	reg.Users.AfterCreate("audit", func(ctx context.Context, tx hooks.Tx, ev hooks.Event, row db.User) error {
		return audit(ctx, tx, ev, "user created: "+row.UserID)
	})
	reg.Users.AfterUpdate("audit", func(ctx context.Context, tx hooks.Tx, ev hooks.Event, _, row db.User) error {
		return audit(ctx, tx, ev, "user updated: "+row.UserID)
	})
	reg.Users.AfterDelete("audit", func(ctx context.Context, tx hooks.Tx, ev hooks.Event, row db.User) error {
		return audit(ctx, tx, ev, "user deleted: "+row.UserID)
	})
}

// audit writes through the hook's transaction, so the line is there exactly once, whatever crashes.
func audit(ctx context.Context, tx hooks.Tx, ev hooks.Event, description string) error {
	stamp := ev.Stamp()
	details, err := json.Marshal(map[string]string{
		"table": ev.Table, "operation": ev.Operation.String(), "key": ev.Key, "lsn": ev.CommitLSN.String(),
		"origin": stamp.Origin, "actor": stamp.Actor, "role": stamp.Role, "application_name": stamp.ApplicationName,
	})
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `insert into auth.logs (tenant_id, type, date, description, ip, user_agent, client_id, details) values ($1, 'sapi', $2, $3, $4, $5, $6, $7)`,
		ev.TenantID, ev.CommittedAt, description, stamp.IP, stamp.UserAgent, stamp.ClientID, details)
	return err
}
