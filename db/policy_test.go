package db_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// reject refuses whoever skips the repositories, with what to do instead, and nobody else.
func TestPolicyReject(t *testing.T) {
	t.Parallel()
	e := open(t, func(reg *db.Hooks) {
		reg.Roles.Policy(hooks.PolicyReject)
		reg.RolePermissions.Policy(hooks.PolicyReject)
	})
	ctx := t.Context()
	role := e.role(t, "a")
	for _, sql := range []string{
		`insert into auth.roles (tenant_id, name) values ('acme', 'x')`, `update auth.roles set name = 'x'`, `delete from auth.roles`,
		`delete from auth.roles where false`, `truncate auth.roles cascade`, `delete from auth.tenants where id = 'acme'`, // a cascade is its cause's write
		`set local session_replication_role = replica; delete from auth.roles`,
	} {
		wantPg(t, pgx.BeginFunc(ctx, e.sql, func(tx pgx.Tx) error { return second(tx.Exec(ctx, sql)) }), "LK011",
			"auth.roles refuses writes that skip its hooks (write policy reject): write through Latchkey's repositories", `select latchkey.set_write_policy('auth.roles', 'allow')`)
	}
	_, err := e.sql.CopyFrom(ctx, pgx.Identifier{"auth", "roles"}, []string{"tenant_id", "name"}, pgx.CopyFromRows([][]any{{"acme", "x"}}))
	wantPg(t, err, "LK011")

	_, err = e.Roles.Update(ctx, "acme", role.ID, db.UpdateRole{Name: db.Set("b")})
	ok(t, err)
	permissions := e.permissions(t, "https://api", "read")
	_, err = e.RolePermissions.Assign(ctx, "acme", role.ID, permissions...)
	ok(t, err)
	ok(t, e.Roles.Delete(ctx, "acme", role.ID)) // takes the permissions along
	raw := func(name string) (string, string) {
		return `insert into auth.roles (tenant_id, name) values ('acme', $1)`, name
	}
	ok(t, e.InTx(ctx, func(tx *db.Tx) error { // SQL of the app's own
		sql, name := raw("in a transaction")
		return second(tx.Exec(ctx, sql, name))
	}))
	ok(t, pgx.BeginFunc(ctx, e.sql, func(tx pgx.Tx) error { // one that the repositories join
		sql, name := raw("before")
		wantPg(t, pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error { return second(tx.Exec(ctx, sql, name)) }), "LK011")
		_, err := e.With(tx).Roles.Create(ctx, "acme", db.CreateRole{Name: "joined"})
		ok(t, err)
		return nil
	}))
	ok(t, pgx.BeginFunc(ctx, e.sql, func(tx pgx.Tx) error { // who means it says so
		_, err := tx.Exec(ctx, `set local latchkey.context = '{"origin":"app","actor":"migration"}'`)
		ok(t, err)
		sql, name := raw("meant")
		return second(tx.Exec(ctx, sql, name))
	}))
	wantPg(t, e.try(t, `insert into auth.roles (tenant_id, name) values ('acme', 'next')`), "LK011") // on connections that the app used
	e.want(t, "in a transaction,joined,meant", `select string_agg(name, ',' order by name) from auth.roles`)
}

func TestPolicyBySQL(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	const trigger = `select coalesce(string_agg(tgrelid::regclass::text, ','), 'none') from pg_trigger where tgname = 'latchkey_unhooked' and tgenabled = 'A'`
	e.want(t, "none", trigger)
	set := `select latchkey.set_write_policy($1, $2)`
	e.exec(t, set, "auth.roles", "allow")
	e.want(t, "none", trigger)
	for _, policy := range []string{"audit", "reject", "reject"} {
		e.exec(t, set, "auth.roles", policy)
		e.want(t, "auth.roles", trigger)
		e.want(t, "auth.roles "+policy, `select table_id || ' ' || policy from latchkey.write_policies`)
	}
	oid := e.value(t, `select oid from pg_trigger where tgname = 'latchkey_unhooked'`)
	e.exec(t, set, "auth.roles", "reject")
	e.want(t, oid, `select oid from pg_trigger where tgname = 'latchkey_unhooked'`)
	e.exec(t, `alter table auth.roles disable trigger latchkey_unhooked`)
	e.exec(t, set, "auth.roles", "reject") // mends it
	wantPg(t, e.try(t, `insert into auth.roles (tenant_id, name) values ('acme', 'x')`), "LK011")
	e.exec(t, set, "auth.roles", "allow")
	e.want(t, "none", trigger)
	e.exec(t, `insert into auth.roles (tenant_id, name) values ('acme', 'x')`)
	e.wantCount(t, 0, `latchkey.write_policies`)
	wantPg(t, e.try(t, set, "auth.roles", "forbid"), "22023", "allow, audit and reject")
	wantPg(t, e.try(t, set, "auth.rolez", "reject"), "42P01", "auth.rolez")

	// A statement that names a leaf is told from it.
	e.exec(t, `create table public.parts (id int primary key) partition by range (id);
		create table public.parts_1 partition of public.parts for values from (0) to (10)`)
	e.exec(t, set, "public.parts", "reject")
	for _, table := range []string{"public.parts", "public.parts_1"} {
		wantPg(t, e.try(t, `insert into `+table+` values (1)`), "LK011", "public.parts refuses")
	}
	e.exec(t, `create table public.parts_2 partition of public.parts for values from (10) to (20)`)
	e.exec(t, set, "public.parts", "reject")
	wantPg(t, e.try(t, `insert into public.parts_2 values (11)`), "LK011")
	e.exec(t, set, "public.parts", "allow")
	e.want(t, "none", trigger)
}

// The store installs what is declared, and leaves alone what is not.
func TestDeclaredPolicy(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	e.exec(t, `select latchkey.set_write_policy('auth.roles', 'reject'), latchkey.set_write_policy('auth.users', 'reject')`)
	reg := db.NewHooks()
	reg.Roles.Policy(hooks.PolicyAllow)
	reg.Tenants.Policy(hooks.PolicyAudit)
	ok(t, db.Install(t.Context(), e.url, reg))
	e.want(t, "auth.tenants audit,auth.users reject", `select string_agg(table_id || ' ' || policy, ',' order by table_id::text) from latchkey.write_policies`)
	reg.Tenants.Policy("forbid")
	wantPg(t, db.Install(t.Context(), e.url, reg), "22023", "forbid")
}

// Undone, the migration leaves no trigger behind.
func TestMigrateBeforeDown(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	e.hook(t, "auth.roles", "no", "insert", `begin return latchkey.reject('no', 'no'); end`, 0)
	e.exec(t, `select latchkey.set_write_policy('auth.roles', 'reject')`)
	_, err := db.MigrateDown(t.Context(), e.url, 2)
	ok(t, err)
	e.exec(t, `insert into auth.roles (tenant_id, name) values ('acme', 'x')`)
	_, err = db.Migrate(t.Context(), e.url)
	ok(t, err)
	e.exec(t, `insert into auth.roles (tenant_id, name) values ('acme', 'y')`)
}

// The audit's mark follows the stamp, and is taken back with a savepoint.
func TestAuditMark(t *testing.T) {
	t.Parallel()
	e := open(t, func(reg *db.Hooks) { reg.Roles.Policy(hooks.PolicyAudit) })
	marks := e.marks(t)
	ctx := t.Context()
	e.exec(t, `insert into auth.roles (tenant_id, name) values ('acme', 'x')`)
	e.role(t, "app")
	ok(t, pgx.BeginFunc(ctx, e.sql, func(tx pgx.Tx) error {
		for _, sql := range []string{
			`insert into auth.connections (tenant_id, name, strategy) values ('acme', 'a', 'x')`, `savepoint s`, `update auth.roles set name = 'y' where name = 'x'`,
			`rollback to s`, `update auth.roles set name = 'z' where name = 'x'`, `update auth.roles set name = 'zz' where name = 'z'`,
		} {
			ok(t, second(tx.Exec(ctx, sql)))
		}
		return nil
	}))
	wantRecords(t, marks(), "external|", "external|[\"auth.roles\"]", "roles", "app|", "roles", "external|", "connections", "external|[\"auth.roles\"]", "roles", "roles")
}

// marks is watch with what stamps say of audits.
func (e *env) marks(t *testing.T) func() []record {
	t.Helper()
	const slot = `marks_' || current_database() || '`
	e.exec(t, `select pg_create_logical_replication_slot('`+slot+`', 'test_decoding')`)
	t.Cleanup(func() {
		ok(t, second(e.sql.Exec(context.WithoutCancel(t.Context()), `select pg_drop_replication_slot('`+slot+`')`)))
	})
	return func() []record {
		t.Helper()
		rows, _ := e.sql.Query(t.Context(), `select coalesce((m[1]::json ->> 'origin') || '|' || coalesce(m[1]::json ->> 'audit', ''), m[2])
			from pg_logical_slot_get_changes('`+slot+`', null, null), regexp_match(data, '^(?:message: .*content:(.*)|table auth\.(\w+):.*)$') m where m is not null`)
		said, err := pgx.CollectRows(rows, pgx.RowTo[string])
		ok(t, err)
		records := make([]record, len(said))
		for i, s := range said {
			records[i].change = s
		}
		return records
	}
}
