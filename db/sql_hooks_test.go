package db_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// hook makes a function of a PL/pgSQL body and registers it for a table.
func (e *env) hook(t *testing.T, table, name, operations, body string, priority int) {
	t.Helper()
	e.exec(t, `select latchkey.add_sql_hook($1, $2, $3, 'public.' || quote_ident($2), $5, $4)`, table, name, operations, body, priority)
}

// wantPg fails the test unless err is Postgres', of this SQLSTATE, and says all the words in its message, detail or hint.
func wantPg(t *testing.T, err error, state string, words ...string) {
	t.Helper()
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != state {
		t.Fatalf("error %v; want %s", err, state)
	}
	for _, word := range words {
		if !strings.Contains(pg.Message+"\n"+pg.Detail+"\n"+pg.Hint, word) {
			t.Errorf("error %q, detail %q, hint %q; want %q in it", pg.Message, pg.Detail, pg.Hint, word)
		}
	}
}

func (e *env) try(t *testing.T, sql string, args ...any) error {
	t.Helper()
	_, err := e.sql.Exec(t.Context(), sql, args...)
	return err
}

func (e *env) value(t *testing.T, sql string, args ...any) (text string) {
	t.Helper()
	ok(t, e.sql.QueryRow(t.Context(), `select coalesce((`+sql+`)::text, 'NULL')`, args...).Scan(&text))
	return text
}

func (e *env) want(t *testing.T, want, sql string, args ...any) {
	t.Helper()
	if got := e.value(t, sql, args...); got != want {
		t.Errorf("%s is %s; want %s", sql, got, want)
	}
}

const triggers = `select count(*) from pg_trigger where tgname = 'latchkey_before' and tgrelid = `

// Hooks run for every writer, by priority and then by name, after those in Go, and each sees what the one before it made.
func TestSQLHooksOrder(t *testing.T) {
	t.Parallel()
	e := open(t, func(reg *db.Hooks) {
		reg.Roles.BeforeCreate("go", func(_ context.Context, _ hooks.Tx, r *db.Role) error { r.Name += "-go"; return nil })
	})
	for _, h := range []struct {
		name     string
		priority int
	}{{"b", 1}, {"a", 1}, {"Z", 1}, {"first", 2}, {"last", -5}} {
		e.hook(t, "auth.roles", h.name, "insert", `begin return jsonb_build_object('name', (new ->> 'name') || '-`+h.name+`'); end`, h.priority)
	}
	role, err := e.Roles.Create(t.Context(), "acme", db.CreateRole{Name: "x"})
	ok(t, err)
	if role.Name != "x-go-first-Z-a-b-last" {
		t.Errorf("name %q", role.Name)
	}
	e.exec(t, `insert into auth.roles (tenant_id, id, name) values ('acme', 'rol_1', 'y')`)
	e.want(t, "y-first-Z-a-b-last", `select name from auth.roles where id = 'rol_1'`)
	// Only the operations that are registered, and all rows of a COPY.
	e.exec(t, `update auth.roles set name = 'z' where id = 'rol_1'`)
	e.want(t, "z", `select name from auth.roles where id = 'rol_1'`)
	const rows = 5000
	copied, err := e.sql.CopyFrom(t.Context(), pgx.Identifier{"auth", "roles"}, []string{"tenant_id", "name"},
		pgx.CopyFromSlice(rows, func(i int) ([]any, error) { return []any{"globex", fmt.Sprint(i)}, nil }))
	if err != nil || copied != rows {
		t.Fatalf("copied %d, %v", copied, err)
	}
	e.wantCount(t, rows, `auth.roles where tenant_id = 'globex' and name like '%-first-Z-a-b-last'`)
}

func TestSQLHookSeesOldAndNew(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	e.exec(t, `create table public.seen (line text)`)
	e.hook(t, "auth.roles", "see", "insert, UPDATE,delete", `begin
		insert into public.seen values (op || ' ' || coalesce(old ->> 'name', '-') || ' ' || coalesce(new ->> 'name', '-'));
		return old;
	end`, 0)
	e.role(t, "a")
	e.exec(t, `delete from auth.roles`) // what it returns for a delete is ignored
	e.exec(t, `drop function public.see`)
	e.hook(t, "auth.roles", "see", "insert, update, delete", `begin
		insert into public.seen values (op || ' ' || coalesce(old ->> 'name', '-') || ' ' || coalesce(new ->> 'name', '-'));
		return null;
	end`, 0)
	role := e.role(t, "b")
	_, err := e.Roles.Update(t.Context(), "acme", role.ID, db.UpdateRole{Name: db.Set("c")})
	ok(t, err)
	ok(t, e.Roles.Delete(t.Context(), "acme", role.ID))
	e.want(t, "insert - a,delete a -,insert - b,update b c,delete c -", `select string_agg(line, ',') from public.seen`)
}

// A refusal is a Rejection to a repository's caller, and an SQL error to all others; nothing is written.
func TestSQLHookRefuses(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	e.exec(t, `create table public.effects (name text)`)
	e.hook(t, "auth.roles", "guard", "insert,update,delete", `begin
		insert into public.effects values (new ->> 'name');
		if 'root' in (new ->> 'name', old ->> 'name') then
			return latchkey.reject('reserved', 'the name root is reserved');
		end if;
		return null;
	end`, 0)
	ctx := t.Context()
	_, err := e.Roles.Create(ctx, "acme", db.CreateRole{Name: "root"})
	wantRejection(t, err, "guard", "reserved")
	if err.Error() != "db: create role: rejected by hook guard: the name root is reserved (reserved)" {
		t.Errorf("it says %q", err)
	}
	e.wantCount(t, 0, `public.effects`)

	fine := e.role(t, "fine")
	_, err = e.Roles.Update(ctx, "acme", fine.ID, db.UpdateRole{Name: db.Set("root")})
	wantRejection(t, err, "guard", "reserved")
	wantPg(t, e.try(t, `insert into auth.roles (tenant_id, name) values ('acme', 'one'), ('acme', 'root'), ('acme', 'two')`), "LK010", "the name root is reserved", "reserved")
	_, err = e.sql.CopyFrom(ctx, pgx.Identifier{"auth", "roles"}, []string{"tenant_id", "name"}, pgx.CopyFromRows([][]any{{"acme", "one"}, {"acme", "root"}}))
	wantPg(t, err, "LK010")
	e.wantCount(t, 1, `auth.roles`)
	e.wantCount(t, 1, `public.effects`) // of the row that was written

	// In a transaction the write is a savepoint, so its caller goes on.
	ok(t, e.InTx(ctx, func(tx *db.Tx) error {
		_, err := tx.Roles.Create(ctx, "acme", db.CreateRole{Name: "root"})
		wantRejection(t, err, "guard", "reserved")
		return second(tx.Roles.Create(ctx, "acme", db.CreateRole{Name: "other"}))
	}))
	e.wantCount(t, 2, `auth.roles`)
	conn, err := e.sql.Acquire(ctx)
	ok(t, err)
	defer conn.Release()
	tx, err := conn.Begin(ctx)
	ok(t, err)
	_, err = tx.Exec(ctx, `insert into auth.roles (tenant_id, name) values ('acme', 'undone')`)
	ok(t, err)
	ok(t, tx.Rollback(ctx))
	e.wantCount(t, 2, `auth.roles`)
	e.wantCount(t, 2, `public.effects`)
}

// The trigger fires for a session in replica mode, which silences others.
func TestSQLHookInReplicaMode(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	e.hook(t, "auth.roles", "no", "insert", `begin return latchkey.reject('no', 'no'); end`, 0)
	conn, err := e.sql.Acquire(t.Context())
	ok(t, err)
	defer conn.Release()
	_, err = conn.Exec(t.Context(), `set session_replication_role = replica`)
	ok(t, err)
	defer func() { ok(t, second(conn.Exec(context.WithoutCancel(t.Context()), `reset session_replication_role`))) }()
	wantPg(t, second(conn.Exec(t.Context(), `insert into auth.roles (tenant_id, name) values ('acme', 'x')`)), "LK010")
}

// Whatever else goes wrong in a hook is a Fault of it, and no story about the row.
func TestSQLHookFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		body, state string
		words       []string
	}{
		"plain error":     {`begin raise exception 'boom'; end`, "P0001", []string{"boom"}},
		"data exception":  {`begin perform 1 / 0; return null; end`, "22012", nil}, // a class that is an Invalid of the row otherwise
		"a conflict":      {`begin insert into auth.tenants (id) values ('acme'); return null; end`, "23505", nil},
		"no object":       {`begin return '[1]'; end`, "LK012", []string{"hook bad of auth.roles returned a jsonb array", "Have public.bad return null"}},
		"no column":       {`begin return new || '{"nick": "x", "b ad": 1}'; end`, "LK012", []string{`set "b ad", nick, which is no column`}},
		"the key":         {`begin return '{"id": "rol_x"}'; end`, "LK012", []string{"changed the key (id)"}},
		"another tenant":  {`begin return new || '{"tenant_id": "globex"}'; end`, "LK012", []string{"changed the key (tenant_id)"}},
		"no such type":    {`begin return '{"created_at": "yesterday-ish"}'; end`, "22007", nil},
		"another's error": {`begin insert into auth.connections (tenant_id, name, strategy) values ('acme', 'x', 'x'); return null; end`, "P0001", []string{"inner"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := open(t, nil)
			e.hook(t, "auth.roles", "bad", "insert, update", test.body, 0)
			e.hook(t, "auth.connections", "inner", "insert", `begin raise exception 'inner'; end`, 0)
			_, err := e.Roles.Create(t.Context(), "acme", db.CreateRole{Name: "x"})
			author, table := "bad", "auth.roles"
			if name == "another's error" {
				author, table = "inner", "auth.connections"
			}
			if fault := wantFault(t, err, author); fault.Table != table {
				t.Errorf("a fault of %s", fault.Table)
			}
			wantPg(t, err, test.state, test.words...)
			wantPg(t, e.try(t, `insert into auth.roles (tenant_id, name) values ('acme', 'x')`), test.state, test.words...)
			e.wantCount(t, 0, `auth.roles`)
			e.wantCount(t, 0, `auth.connections`)
		})
	}
}

// A hook whose function is gone stops writes, and says how to go on.
func TestSQLHookWithoutItsFunction(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	e.hook(t, "auth.roles", "gone", "insert", `begin return null; end`, 0)
	e.exec(t, `drop function public.gone`)
	_, err := e.Roles.Create(t.Context(), "acme", db.CreateRole{Name: "x"})
	_ = wantFault(t, err, "gone")
	wantPg(t, err, "LK012", "hook gone of auth.roles: its function public.gone(text, jsonb, jsonb) is gone", "select latchkey.drop_sql_hook('auth.roles', 'gone')")
	e.exec(t, `select latchkey.drop_sql_hook('auth.roles', 'gone')`)
	e.role(t, "x")
}

// A hook has the rights of whoever writes, who needs none on the engine's tables, and can't change what is registered.
func TestSQLHookRunsAsItsWriter(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	role := "writer_" + e.value(t, `select current_database()`)
	e.exec(t, `create role `+role)
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		ok(t, second(e.sql.Exec(ctx, `drop owned by `+role)))
		ok(t, second(e.sql.Exec(ctx, `drop role `+role)))
	})
	e.exec(t, `grant usage on schema auth to `+role)
	e.exec(t, `grant select, insert on auth.roles, auth.tenants to `+role)
	e.hook(t, "auth.roles", "who", "insert", `begin
		if new ->> 'name' = 'no' then perform latchkey.reject('no', 'no'); end if;
		return jsonb_build_object('description', current_user || ' ' || current_setting('search_path'));
	end`, 0)
	as := func(sql string) error {
		return pgx.BeginFunc(t.Context(), e.sql, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), `set local role `+role); err != nil {
				return err
			}
			return second(tx.Exec(t.Context(), sql))
		})
	}
	ok(t, as(`insert into auth.roles (tenant_id, name) values ('acme', 'a')`))
	e.want(t, role+" pg_catalog, pg_temp", `select description from auth.roles where name = 'a'`)
	wantPg(t, as(`insert into auth.roles (tenant_id, name) values ('acme', 'no')`), "LK010")
	for _, sql := range []string{
		`select latchkey.add_sql_hook('auth.roles', 'mine', 'insert', 'public.who')`,
		`select latchkey.drop_sql_hook('auth.roles', 'who')`,
		`select latchkey.set_write_policy('auth.roles', 'reject')`,
		`insert into latchkey.sql_hooks values ('auth.roles', 'mine', '{insert}', 0, 'public.who')`,
		`select * from latchkey.owner`,
	} {
		wantPg(t, as(sql), "42501")
	}
}
