package listener_test

import (
	"testing"
)

// Tables of any name and key work in schemas that Latchkey has never seen, without being prepared by hand.
func TestOwnTables(t *testing.T) {
	t.Parallel()
	type named struct {
		ID   string `db:"id"`
		Name *string
	}
	type composite struct {
		A int
		B string
		N int
	}
	for name, test := range map[string]struct {
		prepare string
		hook    func(*hookRig) interface{ require(...string) }
		write   []string
		want    []string
	}{
		"a plain one": {
			`create table billing.invoices (id bigint primary key, name text)`,
			func(r *hookRig) interface{ require(...string) } {
				return own[struct {
					ID   int64
					Name string
				}](r, "billing.invoices")
			},
			[]string{
				`insert into billing.invoices values (1, 'a'), (2, 'b')`, `update billing.invoices set name = 'c' where id = 1`, `delete from billing.invoices where id = 2`,
				`truncate billing.invoices`,
			},
			[]string{"insert 1 {ID:1,Name:a}", "insert 2 {ID:2,Name:b}", "update 1 {ID:1,Name:a} {ID:1,Name:c}", "delete 2 {ID:2,Name:b}", "truncate"},
		},
		"a composite key": {
			`create table billing.lines (n int, b text, a int, primary key (a, b) include (n))`,
			func(r *hookRig) interface{ require(...string) } { return own[composite](r, "billing.lines") },
			[]string{`insert into billing.lines (a, b, n) values (1, 'x","y', 3)`, `update billing.lines set n = 4`, `update billing.lines set b = '/'`},
			[]string{`insert ["1","x\",\"y"] {A:1,B:x\,\y,N:3}`, `update ["1","x\",\"y"] {A:1,B:x\,\y,N:3} {A:1,B:x\,\y,N:4}`, `update /["1","/"] {A:1,B:x\,\y,N:4} {A:1,B:/,N:4}`},
		},
		"tenants": {
			`create table billing.invoices (id text, tenant_id text, name text, primary key (tenant_id, id))`,
			func(r *hookRig) interface{ require(...string) } { return own[named](r, "billing.invoices") },
			[]string{`insert into billing.invoices values ('c', 'a/b'), ('b/c', 'a')`},
			[]string{"insert a%2Fb/c {ID:c,Name:null}", "insert a/b/c {ID:b/c,Name:null}"},
		},
		"a uuid": {
			`create table billing.invoices (id uuid primary key, name text)`,
			func(r *hookRig) interface{ require(...string) } { return own[named](r, "billing.invoices") },
			[]string{`insert into billing.invoices values ('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11')`},
			[]string{"insert a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11 {ID:a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11,Name:null}"},
		},
		"an enum, a domain and a range": {
			`create type billing.mood as enum ('good', 'bad'); create domain billing.code as int check (value > 0); create domain billing.raw as bytea;
				create table billing.invoices (id billing.mood, code billing.code, span int4range, raw billing.raw, primary key (id, code, span))`,
			func(r *hookRig) interface{ require(...string) } {
				return own[struct {
					ID   string
					Code int
					Span string
					Raw  []byte
				}](r, "billing.invoices")
			},
			[]string{`insert into billing.invoices values ('bad', 7, '[1,3]', '\x0aff')`},
			[]string{`insert ["bad","7","[1,4)"] {ID:bad,Code:7,Span:[1,4),Raw:Cv8=}`},
		},
		"an array": {
			`create table billing.invoices (id text[] primary key, name text)`,
			func(r *hookRig) interface{ require(...string) } {
				return own[struct{ ID [][]string }](r, "billing.invoices")
			},
			[]string{`insert into billing.invoices values (array[['a', 'b c']])`},
			[]string{`insert {{a,"b c"}} {ID:[[a,b c]]}`},
		},
		"a unique index": {
			`create table billing.invoices (a int, id text not null, name text); create unique index on billing.invoices (a);
				create unique index on billing.invoices (id) where a > 1; create unique index on billing.invoices (lower(id)); create unique index on billing.invoices (id) include (a)`,
			func(r *hookRig) interface{ require(...string) } { return own[named](r, "billing.invoices") },
			[]string{`insert into billing.invoices values (null, 'x'), (1, 'y')`, `delete from billing.invoices where id = 'x'`},
			[]string{"insert x {ID:x,Name:null}", "insert y {ID:y,Name:null}", "delete x {ID:x,Name:null}"},
		},
		"odd names": {
			`create schema "Weird Name"; create table "Weird Name"."Tab-le" ("Ident ""i""" int primary key, "select" text, "a.b" int)`,
			func(r *hookRig) interface{ require(...string) } {
				return own[struct {
					ID     int `db:"Ident \"i\""`
					Select string
					AB     int `db:"a.b"`
				}](r, `"Weird Name"."Tab-le"`)
			},
			[]string{`insert into "Weird Name"."Tab-le" values (1, 'x', 2)`, `truncate "Weird Name"."Tab-le"`},
			[]string{"insert 1 {ID:1,Select:x,AB:2}", "truncate"},
		},
		"dots": {
			`create schema "a.b"; create table "a.b".c (id text primary key, name text); create schema a; create table a."b.c" (id text primary key)`,
			func(r *hookRig) interface{ require(...string) } { return own[named](r, `"a.b".c`) },
			[]string{`insert into "a.b".c values ('x')`, `insert into a."b.c" values ('y')`},
			[]string{"insert x {ID:x,Name:null}"},
		},
		"reserved words": {
			`create schema "user"; create table "user"."order" (id text primary key, name text)`,
			func(r *hookRig) interface{ require(...string) } { return own[named](r, "user.order") },
			[]string{`insert into "user"."order" values ('x')`},
			[]string{"insert x {ID:x,Name:null}"},
		},
		"a table that others inherit from": {
			`create table billing.docs (id text primary key, name text); create table billing.bills (amount int, primary key (id)) inherits (billing.docs)`,
			func(r *hookRig) interface{ require(...string) } { return own[named](r, "billing.docs") },
			[]string{`insert into billing.docs values ('x')`, `insert into billing.bills values ('y')`, `update billing.docs set name = 'n'`},
			[]string{"insert x {ID:x,Name:null}", "update x {ID:x,Name:null} {ID:x,Name:n}"},
		},
		"a table that inherits": {
			`create table billing.docs (id text primary key, name text); create table billing.bills (amount int, primary key (id)) inherits (billing.docs)`,
			func(r *hookRig) interface{ require(...string) } {
				return own[struct {
					ID     string
					Amount int
				}](r, "billing.bills")
			},
			[]string{`insert into billing.docs values ('x')`, `insert into billing.bills values ('y', null, 7)`},
			[]string{"insert y {ID:y,Amount:7}"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newHookRig(t)
			r.exec(`create schema billing`)
			r.exec(test.prepare)
			h := test.hook(r)
			n := r.start(oneLane())
			for _, sql := range test.write {
				r.exec(sql)
			}
			n.catchUp()
			h.require(test.want...)
			for _, e := range r.events() {
				if e.Origin != "external" {
					t.Errorf("%v has origin %s", e, e.Origin)
				}
			}
			r.requireSound()
		})
	}
}

// Types of extensions have no oid that anyone could know: they come as the text that Postgres has for them.
func TestOwnTableWithTypesOfExtensions(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	if missing := value[string](r.rig, `select coalesce(string_agg(e, ', '), '') from unnest(array['citext', 'hstore', 'ltree']) e where e not in (select name from pg_available_extensions)`); missing != "" {
		t.Skipf("the server has no extensions %s (they are in its contrib package)", missing)
	}
	told := own[struct {
		ID, Name    string
		Extra, Path *string
	}](r, "billing.invoices")
	r.exec(`create extension citext; create extension hstore; create extension ltree; create schema billing;
		create table billing.invoices (id citext primary key, name citext, extra hstore, path ltree)`)
	n := r.start()
	r.exec(`insert into billing.invoices values ('Ab', 'X', 'k=>v', 'top.sub')`)
	r.exec(`update billing.invoices set id = 'AB', path = null where id = 'ab'`)
	n.catchUp()
	const was = `{ID:Ab,Name:X,Extra:\k\=\u003e\v\,Path:top.sub}`
	told.require("insert Ab "+was, "update AB "+was+` {ID:AB,Name:X,Extra:\k\=\u003e\v\,Path:null}`)
}
