package hookstest_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/hooks/hookstest"
	"github.com/latchkey-dev/latchkey/internal/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Suite{M: m}) }

// A hook fires once for a change, whoever made it.
func TestOnceForAnyWriter(t *testing.T) {
	t.Parallel()
	reg := db.NewHooks()
	reg.Roles.BeforeCreate("lowercase", func(_ context.Context, _ hooks.Tx, row *db.Role) error {
		row.Name = strings.ToLower(row.Name)
		return nil
	})
	reg.Roles.AfterCreate("audit", func(ctx context.Context, tx hooks.Tx, _ hooks.Event, row db.Role) error {
		_, err := tx.Exec(ctx, `insert into auth.logs (tenant_id, type, description) values ($1, 'sapi', $2)`, row.TenantID, row.Name)
		return err
	})
	reg.Users.AfterCreate("never", func(context.Context, hooks.Tx, hooks.Event, db.User) error { return nil })
	env := hookstest.New(t, reg)

	if _, err := env.Store.Roles.Create(t.Context(), hookstest.Tenant, db.CreateRole{Name: "Editor"}); err != nil {
		t.Fatal(err)
	}
	env.SQL(`insert into auth.roles (tenant_id, name) values ($1, 'viewer')`, hookstest.Tenant)
	env.CatchUp()

	env.RequireRuns("lowercase", 1)
	env.RequireRuns("audit", 2)
	env.RequireNoOther()
	if got := logged(t, env); got != "editor,viewer" {
		t.Fatalf("the hook logged %q", got)
	}
}

// What a hook wrote before a crash is not there twice.
func TestCrash(t *testing.T) {
	t.Parallel()
	reg := db.NewHooks()
	inside := make(chan struct{}, 1)
	reg.Roles.AfterCreate("audit", func(ctx context.Context, tx hooks.Tx, _ hooks.Event, row db.Role) error {
		if _, err := tx.Exec(ctx, `insert into auth.logs (tenant_id, type, description) values ($1, 'sapi', $2)`, row.TenantID, row.Name); err != nil {
			return err
		}
		select {
		case inside <- struct{}{}:
			<-ctx.Done() // the first run never ends by itself
			return ctx.Err()
		default:
			return nil
		}
	})
	env := hookstest.New(t, reg)
	env.SQL(`insert into auth.roles (tenant_id, name) values ($1, 'editor')`, hookstest.Tenant)
	<-inside
	inside <- struct{}{} // later runs go through
	env.Crash()
	env.CatchUp()
	env.Crash()
	env.Restart()
	env.CatchUp()
	env.RequireRuns("audit", 1)
	if got := logged(t, env); got != "editor" {
		t.Fatalf("the hook logged %q", got)
	}
}

// A failing hook is tried again by itself, and what it wrote while failing is gone.
func TestRetry(t *testing.T) {
	t.Parallel()
	reg := db.NewHooks()
	tries := 0
	reg.Roles.AfterCreate("audit", func(ctx context.Context, tx hooks.Tx, _ hooks.Event, row db.Role) error {
		if _, err := tx.Exec(ctx, `insert into auth.logs (tenant_id, type, description) values ($1, 'sapi', $2)`, row.TenantID, row.Name); err != nil {
			return err
		}
		if tries++; tries < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	env := hookstest.New(t, reg)
	env.SQL(`insert into auth.roles (tenant_id, name) values ($1, 'editor')`, hookstest.Tenant)
	env.AwaitRuns("audit", 1)
	env.RequireFailures("audit", 2)
	if got := logged(t, env); got != "editor" {
		t.Fatalf("the hook logged %q", got)
	}
}

func logged(t *testing.T, env *hookstest.Env) string {
	t.Helper()
	var names string
	if err := env.Pool().QueryRow(t.Context(), `select coalesce(string_agg(description, ',' order by description), '') from auth.logs`).Scan(&names); err != nil {
		t.Fatal(err)
	}
	return names
}

// A service's own tables are there before the listener opens, and what was written meanwhile is no event.
func TestOwnTable(t *testing.T) {
	t.Parallel()
	type thing struct{ ID int }
	reg := db.NewHooks()
	db.Table[thing](reg, "own.things").AfterCreate("seen", func(context.Context, hooks.Tx, hooks.Event, thing) error { return nil })
	env := hookstest.New(t, reg, hookstest.Schema(`create schema own; create table own.things (id int primary key)`),
		hookstest.Prepare(func(ctx context.Context, pool *pgxpool.Pool) error {
			_, err := pool.Exec(ctx, `insert into own.things values ($1)`, 1)
			return err
		}))
	env.SQL(`insert into own.things values (2)`)
	env.CatchUp()
	env.RequireRuns("seen", 1)
}
