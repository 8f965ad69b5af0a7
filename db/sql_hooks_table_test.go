package db_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// kinds is a table with values that would not all survive a trip through jsonb, and kindsRow a row of it.
const (
	kinds = `
		create type public.mood as enum ('sad', 'so so', 'happy');
		create domain public.percent as numeric(5,2) check (value between 0 and 100);
		create type public.pair as (a int, b text);
		create table public.kinds (
			id bigint primary key, gone text, n numeric, n2 numeric(30,10), f float8, r float4, big bigint, t timestamptz, l timestamp, d date, tm time, i interval,
			b bytea, a int[], aa text[][], e public.mood, ea public.mood[], p public.percent, c public.pair, j json, jb jsonb, jnull jsonb, snull jsonb,
			u uuid, ip inet, rg tstzrange, bits varbit, ch char(5), note text, twice bigint generated always as (id * 2) stored);
		alter table public.kinds drop column gone;`
	kindsRow = `(id, n, n2, f, r, big, t, l, d, tm, i, b, a, aa, e, ea, p, c, j, jb, jnull, snull, u, ip, rg, bits, ch) values (
			$1, 'NaN', 12345678901234567890.0123456789, '-Infinity', 0.1, 9223372036854775807, '2020-02-29 12:00:00.123456+05', 'infinity', '0044-03-15 BC', '24:00',
			'1 year 2 mons -3 days 04:05:06.789', '\x00ff5c27', '[0:1]={1,null}', '{{a,"b c"},{"NULL",null}}', 'so so', '{sad,happy}', 99.90, '(1,"x ""y""")',
			'{"b": 1, "a": 2, "a": 3}', '{"big": 1e400, "n": null}', 'null', null, '00000000-0000-0000-0000-000000000001', '10.0.0.0/8', '[2020-01-01,)', '101', 'ab')`
)

// A hook that touches one column leaves all others exactly as they were.
func TestSQLHookKeepsOtherColumns(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	e.exec(t, kinds)
	e.exec(t, `insert into public.kinds `+kindsRow, 1)
	e.hook(t, "public.kinds", "note", "insert, update", `begin return new || '{"note": "hooked"}'; end`, 0)
	e.exec(t, `insert into public.kinds `+kindsRow, 2)
	e.exec(t, `insert into public.kinds (id) values (3)`)
	e.exec(t, `update public.kinds set big = 1 where id = 3`)
	row := `select row(n, n2, f, r, big, t, l, d, tm, i, b, a, aa, e, ea, p, c, j, jb, jnull, snull, u, ip, rg, bits, ch) from public.kinds where id = `
	e.want(t, e.value(t, row+"1"), row+"2")
	e.want(t, "hooked 4", `select note || ' ' || twice from public.kinds where id = 2`)
	e.want(t, "null NULL", `select jnull::text || ' ' || coalesce(snull::text, 'NULL') from public.kinds where id = 2`)
	e.want(t, "(3,,,,,1,,,,,,,,,,,,,,,,,,,,,,hooked,6)", `select k from public.kinds k where id = 3`)
	e.exec(t, `update public.kinds set snull = jnull, id = 4 where id = 2`) // the writer may change the key
	e.want(t, "hooked 8 null", `select note || ' ' || twice || ' ' || snull from public.kinds where id = 4`)
}

// What a hook sets reaches the column, whatever its type.
func TestSQLHookSetsTypes(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	e.exec(t, kinds)
	e.exec(t, `insert into public.kinds `+kindsRow, 1)
	// From another row: what to_jsonb makes of a value goes back into one.
	e.exec(t, `create function public.other(op text, old jsonb, new jsonb) returns jsonb language plpgsql as $$
		begin return (select to_jsonb(k) - '{id, twice}'::text[] from public.kinds k where id = 1); end $$`)
	e.exec(t, `select latchkey.add_sql_hook('public.kinds', 'other', 'insert', 'public.other')`)
	e.exec(t, `insert into public.kinds (id, snull) values (2, '{}')`)
	row := `select row(n, n2, f, r, big, t, l, d, tm, i, b, aa, e, ea, p, c, jb, snull, u, ip, rg, bits, ch) from public.kinds where id = `
	e.want(t, e.value(t, row+"1"), row+"2")
	e.want(t, "{1,NULL}", `select a from public.kinds where id = 2`) // jsonb has no lower bounds
	e.want(t, `{"a": 3, "b": 1}`, `select j::jsonb from public.kinds where id = 2`)
	e.want(t, "NULL", `select jnull from public.kinds where id = 2`) // a hook's null is NULL
	e.exec(t, `select latchkey.drop_sql_hook('public.kinds', 'other')`)

	for body, state := range map[string]string{
		`begin return '{"p": 101}'; end`:       "23514",
		`begin return '{"e": "angry"}'; end`:   "22P02",
		`begin return '{"twice": 1}'; end`:     "LK012",
		`begin return '{"gone": "x"}'; end`:    "LK012",
		`begin return '{"a": [[1],2]}'; end`:   "22P02",
		`begin return '{"big": 1e30}'; end`:    "22003",
		`begin return '{"id": null}'; end`:     "LK012",
		`begin return '{"note": null}'; end`:   "",
		`begin return '{"ea": null}'; end`:     "",
		`begin return new - 'note'; end`:       "", // what is missing stays
		`begin return '{}'; end`:               "",
		`begin return 'null'; end`:             "LK012",
		`declare x jsonb; begin return x; end`: "",
	} {
		e.hook(t, "public.kinds", "set", "insert", body, 0)
		err := e.try(t, `insert into public.kinds `+kindsRow, 9)
		if state == "" {
			ok(t, err)
		} else {
			wantPg(t, err, state)
		}
		e.exec(t, `delete from public.kinds where id = 9`)
	}
}

// Row triggers stand on every leaf, those attached later included, and fire there in replica mode too.
func TestSQLHookOnPartitions(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	e.exec(t, `create table public.parts (id int primary key, note text) partition by range (id);
		create table public.parts_1 partition of public.parts for values from (0) to (10);
		create table public.parts_2 partition of public.parts for values from (10) to (20) partition by range (id);
		create table public.parts_2a (note text, id int not null);
		alter table public.parts_2 attach partition public.parts_2a for values from (10) to (15);`)
	e.hook(t, "public.parts", "note", "insert, update", `begin
		if new ->> 'note' = 'no' then return latchkey.reject('no', 'no'); end if;
		return jsonb_build_object('note', (new ->> 'note') || ' hooked');
	end`, 0)
	e.exec(t, `create table public.parts_3 partition of public.parts for values from (20) to (30)`)
	e.exec(t, `insert into public.parts values (1, 'a'), (11, 'b'), (21, 'c')`)
	e.exec(t, `insert into public.parts_2a values ('d', 12)`)
	e.want(t, "a hooked,b hooked,c hooked,d hooked", `select string_agg(note, ',' order by note) from public.parts`)
	e.exec(t, `update public.parts set id = 22 where id = 1`) // moves to another leaf
	e.want(t, "a hooked hooked hooked", `select note from public.parts_3 where id = 22`)
	e.wantCount(t, 5, `pg_trigger where tgname = 'latchkey_before' and tgenabled = 'A'`)
	wantPg(t, e.try(t, `insert into public.parts_3 values (23, 'no')`), "LK010")
	e.hook(t, "public.parts", "note", "update", `begin raise exception 'boom'; end`, 0) // replaced, on the leaves too
	e.exec(t, `insert into public.parts_1 values (2, 'plain')`)
	err := e.try(t, `update public.parts_1 set note = 'x'`)
	wantPg(t, err, "P0001")
	e.wantCount(t, 5, `pg_trigger where tgname = 'latchkey_before' and tgenabled = 'A'`)
	e.exec(t, `select latchkey.drop_sql_hook('public.parts', 'note')`)
	e.wantCount(t, 0, `pg_trigger where tgname = 'latchkey_before'`)
	wantPg(t, e.try(t, `select latchkey.add_sql_hook('public.parts_1', 'x', 'insert', 'public.note')`), "42809", "public.parts")
}

func TestSQLHookRegistration(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	e.exec(t, `create function public.fine(op text, old jsonb, new jsonb) returns jsonb language sql as 'select null::jsonb';
		create function public.fine(op text) returns jsonb language sql as 'select null::jsonb';
		create function public.many(op text, old jsonb, new jsonb) returns setof jsonb language sql as 'select null::jsonb';
		create function public.boolean(op text, old jsonb, new jsonb) returns boolean language sql as 'select true';
		create view public.view as select 1`)
	for _, test := range []struct {
		table, name, operations, function string
		state, says                       string
	}{
		{"auth.rolez", "x", "insert", "public.fine", "42P01", "there is no table auth.rolez"},
		{"roles", "x", "insert", "public.fine", "42P01", "schema.table"},
		{"public.view", "x", "insert", "public.fine", "42809", "is no table"},
		{"auth.roles", "1x", "insert", "public.fine", "22023", "a letter"},
		{"auth.roles", "x'; drop table auth.roles; --", "insert", "public.fine", "22023", "a letter"},
		{"auth.roles", "x", "insert, truncate", "public.fine", "22023", "insert, update, delete"},
		{"auth.roles", "x", "", "public.fine", "22023", "insert, update, delete"},
		{"auth.roles", "x", "insert", "fine", "22023", "schema.function"},
		{"auth.roles", "x", "insert", "public.gone", "42883", "create function public.gone(op text, old jsonb, new jsonb) returns jsonb"},
		{"auth.roles", "x", "insert", "public.many", "42883", "that returns jsonb"},
		{"auth.roles", "x", "insert", "public.boolean", "42883", "that returns jsonb"},
		{"auth.roles", "x", "insert", `public."fine'(); drop table auth.roles; --"`, "42883", "there is no function"},
	} {
		wantPg(t, e.try(t, `select latchkey.add_sql_hook($1, $2, $3, $4)`, test.table, test.name, test.operations, test.function), test.state, test.says)
	}
	e.wantCount(t, 0, `latchkey.sql_hooks`)
	e.want(t, "0", triggers+`'auth.roles'::regclass`)

	// Names that need quotes are quoted.
	e.exec(t, `create schema "sp'ace; --"; create table "sp'ace; --"."t""ab" (id int primary key, v text);
		create function "sp'ace; --"."f'n"(op text, old jsonb, new jsonb) returns jsonb language sql as $$ select '{"v": "hooked"}'::jsonb $$`)
	const odd = `"sp'ace; --"."t""ab"`
	e.exec(t, `select latchkey.add_sql_hook($1, 'x', 'insert', $2)`, odd, `"sp'ace; --"."f'n"`)
	e.exec(t, `insert into `+odd+` values (1)`)
	e.want(t, "hooked", `select v from `+odd)

	// The trigger comes with the first hook and goes with the last.
	add := `select latchkey.add_sql_hook('auth.roles', $1, 'insert', 'public.fine')`
	e.exec(t, add, "one")
	e.exec(t, add, "two")
	e.exec(t, add, "two")
	e.want(t, "1", triggers+`'auth.roles'::regclass and tgenabled = 'A'`)
	e.want(t, "0", triggers+`'auth.users'::regclass`)
	drop := `select latchkey.drop_sql_hook('auth.roles', $1)`
	e.want(t, "true", drop, "one")
	e.want(t, "false", drop, "one")
	e.want(t, "1", triggers+`'auth.roles'::regclass`)
	e.want(t, "true", drop, "two")
	e.want(t, "0", triggers+`'auth.roles'::regclass`)

	// A hook is its table's, under whatever name, and goes with it.
	e.exec(t, `alter table `+odd+` rename to renamed`)
	e.want(t, `"sp'ace; --".renamed`, `select table_id::regclass from latchkey.sql_hooks`)
	e.exec(t, `drop table "sp'ace; --".renamed`)
	e.exec(t, add, "one")
	e.want(t, "1", `select count(*) from latchkey.sql_hooks`)
}

// A store installs what its catalogue declares, and changes what differs.
func TestDeclaredSQLHooks(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	declare := func(body string, o ...hooks.Operation) error {
		reg := db.NewHooks()
		reg.SQLHook(db.SQLHook{Table: "auth.roles", Name: "lower-case", Operations: o, Body: body})
		store, err := db.Open(t.Context(), db.Config{DatabaseURL: e.url, Hooks: reg})
		if err == nil {
			store.Close()
		}
		return err
	}
	lower := `begin return jsonb_build_object('name', lower(new ->> 'name')); end`
	ok(t, declare(lower))
	e.want(t, `auth.roles lower-case {insert,update,delete} 0 auth."roles_lower-case"`, `select concat_ws(' ', table_id, name, operations, priority, function) from latchkey.sql_hooks`)
	ids := `select string_agg(t.oid::text || ' ' || p.xmin, ',') from pg_trigger t, pg_proc p where t.tgname = 'latchkey_before' and p.proname = 'roles_lower-case'`
	was := e.value(t, ids)
	ok(t, declare(lower, hooks.Delete, hooks.Update, hooks.Insert))
	e.want(t, was, ids) // untouched
	ok(t, declare(lower+" -- again", hooks.Insert))
	e.want(t, "{insert}", `select operations from latchkey.sql_hooks`)
	e.exec(t, `alter table auth.roles disable trigger latchkey_before`)
	ok(t, declare(lower, hooks.Insert))
	e.exec(t, `insert into auth.roles (tenant_id, name) values ('acme', 'UP')`)
	e.want(t, "up", `select name from auth.roles`)

	// It stays when it leaves the code.
	store, err := db.Open(t.Context(), db.Config{DatabaseURL: e.url})
	ok(t, err)
	store.Close()
	e.wantCount(t, 1, `latchkey.sql_hooks`)

	reg := db.NewHooks()
	reg.SQLHook(db.SQLHook{Table: "auth.roles", Name: "x"})
	reg.SQLHook(db.SQLHook{Table: "auth.roles", Name: "x", Function: "public.x"})
	if err := reg.Err(); err == nil || !strings.Contains(err.Error(), "neither a Function nor a Body") || !strings.Contains(err.Error(), "the name is taken") {
		t.Errorf("mistakes: %v", err)
	}
	reg = db.NewHooks()
	reg.SQLHook(db.SQLHook{Table: "auth.roles", Name: "x", Function: "public.gone"})
	err = db.Install(t.Context(), e.url, reg)
	wantPg(t, err, "42883")
	if !strings.Contains(err.Error(), "db: install: SQL hook x of auth.roles: ") || !strings.Contains(err.Error(), "Create it first") {
		t.Errorf("it says %v", err)
	}
}

// Programs that start at once install a hook once, and a role that may not is told who may.
func TestInstallTogether(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	reg := db.NewHooks()
	reg.Roles.Policy(hooks.PolicyReject)
	reg.SQLHook(db.SQLHook{Table: "auth.roles", Name: "none", Body: `begin return null; end`})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if err := db.Install(t.Context(), e.url, reg); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	e.wantCount(t, 1, `latchkey.sql_hooks`)

	role := "app_" + e.value(t, `select current_database()`)
	e.exec(t, `create role `+role+` login password 'secret'`)
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		ok(t, second(e.sql.Exec(ctx, `drop owned by `+role)))
		ok(t, second(e.sql.Exec(ctx, `drop role `+role)))
	})
	e.exec(t, `grant usage on schema auth to `+role+`; grant select on public.latchkey_migrations to `+role)
	config, err := pgx.ParseConfig(e.url)
	ok(t, err)
	url := strings.Replace(e.url, config.User+":"+config.Password+"@", role+":secret@", 1)
	store, err := db.Open(t.Context(), db.Config{DatabaseURL: url, Hooks: reg}) // all is there: it needs no right to change it
	ok(t, err)
	store.Close()
	reg.SQLHook(db.SQLHook{Table: "auth.roles", Name: "more", Body: `begin return null; end`})
	_, err = db.Open(t.Context(), db.Config{DatabaseURL: url, Hooks: reg})
	wantPg(t, err, "42501")
	if !strings.Contains(err.Error(), "call db.Install") {
		t.Errorf("it says %v", err)
	}
}

// A function that is made for a table of an odd name stands in that table's schema.
func TestSQLHookOfAnOddTable(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	e.exec(t, `create schema "Odd.one"; create table "Odd.one"."Tab-le" (id int primary key, note text)`)
	reg := db.NewHooks()
	reg.SQLHook(db.SQLHook{Table: `"Odd.one"."Tab-le"`, Name: "note", Body: `begin return '{"note": "hooked"}'; end`})
	ok(t, db.Install(t.Context(), e.url, reg))
	e.exec(t, `insert into "Odd.one"."Tab-le" values (1, 'mine')`)
	e.want(t, "hooked", `select note from "Odd.one"."Tab-le"`)
	e.want(t, "Odd.one.Tab-le_note", `select n.nspname || '.' || p.proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace where p.proname like '%\_note'`)
}
