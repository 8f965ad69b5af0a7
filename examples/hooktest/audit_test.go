// Package hooktest_test is the README's example of a test: of a hook, on a real Postgres, with a crash in between.
package hooktest_test

import (
	"context"
	"testing"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/hooks/hookstest"
)

func TestAudit(t *testing.T) {
	reg := db.NewHooks()
	reg.Roles.AfterCreate("audit", func(ctx context.Context, tx hooks.Tx, _ hooks.Event, row db.Role) error {
		_, err := tx.Exec(ctx, `insert into auth.logs (tenant_id, type, description) values ($1, 'sapi', $2)`, row.TenantID, row.Name)
		return err
	})
	env := hookstest.New(t, reg)

	env.SQL(`insert into auth.roles (tenant_id, name) values ($1, 'editor')`, hookstest.Tenant) // not through the store
	env.CatchUp()
	env.Crash() // as kill -9 would
	env.CatchUp()

	env.RequireRuns("audit", 1)
	env.RequireNoOther()
}
