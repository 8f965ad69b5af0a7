package listener_test

import (
	"context"
	"strings"
	"testing"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/listener"
)

// What can't be hooked is refused, with the table's name and what to do; with that done, the listener works.
func TestStopAtAnOwnTable(t *testing.T) {
	t.Parallel()
	const server = `create extension postgres_fdw; create server far foreign data wrapper postgres_fdw;`
	for name, test := range map[string]struct {
		prepare string
		words   []string
		repair  string
	}{
		"missing":       {``, []string{"table own.t is hooked and does not exist", "db.Table"}, `create table own.t (id int primary key)`},
		"a view":        {`create view own.t as select 1 as id`, []string{"own.t is hooked and is a view", "the tables that it reads"}, ``},
		"materialized":  {`create materialized view own.t as select 1 as id`, []string{"is a view"}, ``},
		"a sequence":    {`create sequence own.t`, []string{"is no table"}, ``},
		"foreign":       {server + `create foreign table own.t (id int) server far`, []string{"is a foreign table", "another server's log"}, ``},
		"unlogged":      {`create unlogged table own.t (id int primary key)`, []string{"is unlogged", "alter table own.t set logged"}, `alter table own.t set logged`},
		"without a key": {`create table own.t (id int)`, []string{"table own.t is hooked and has no primary key", "alter table own.t add primary key"}, `alter table own.t add primary key (id)`},
		"a key with NULL": {
			`create table own.t (id int unique)`,
			[]string{"has no primary key"},
			`alter table own.t alter id set not null`,
		},
		"a key of some rows": {
			`create table own.t (id int not null); create unique index on own.t (id) where id > 1`,
			[]string{"has no primary key"},
			`create unique index on own.t (id)`,
		},
		"a field too many": {
			`create table own.t (key int primary key, "Id" int)`,
			[]string{"table own.t has no column id, which field listener_test.idRow.ID stands for", "there are key, Id", "db:"},
			`alter table own.t add id int`,
		},
		"published in part": {
			`create table own.t (id int primary key); create publication latchkey_default for table own.t where (id > 1) with (publish_via_partition_root = true)`,
			[]string{"a column list or a WHERE", "alter publication latchkey_default drop table own.t"},
			`alter publication latchkey_default drop table own.t`,
		},
		"an unlogged partition": {
			`create table own.t (id int primary key) partition by range (id); create unlogged table own.low partition of own.t for values from (0) to (10)`,
			[]string{"table own.t is hooked and its partition own.low is unlogged", "alter table own.low set logged"},
			`alter table own.low set logged`,
		},
		"a partition of what is published": {
			`create table own.root (id int primary key) partition by range (id); create table own.t partition of own.root for values from (0) to (10);
				create publication latchkey_default for table own.root with (publish_via_partition_root = true)`,
			[]string{"table own.t is hooked and is a partition of own.root", "alter publication latchkey_default drop table own.root"},
			`alter publication latchkey_default drop table own.root`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newHookRig(t)
			h := own[idRow](r, "own.t")
			r.exec(`create schema own`)
			if test.prepare != "" {
				r.exec(test.prepare)
			}
			requireStop(t, r.refused(), test.words...)
			if test.repair == "" {
				return
			}
			r.exec(test.repair)
			n := r.start()
			if name == "a field too many" {
				r.exec(`insert into own.t (key, id) values (7, 7)`)
			} else {
				r.exec(`insert into own.t values (7)`)
			}
			n.catchUp()
			h.require("insert 7 {ID:7}")
		})
	}
}

type idRow struct{ ID int }

// All that is wrong is said at once.
func TestStopAtSeveralTables(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	own[idRow](r, "own.one")
	own[idRow](r, "own.two")
	own[idRow](r, "public.effect")
	requireStop(t, r.refused(), "own.one is hooked and does not exist", "own.two")
	db.Table[idRow](r.reg, "nothing")
	if err := r.refused(); !strings.Contains(err.Error(), "table nothing: it lacks its schema") {
		t.Errorf("it says %v", err)
	}
}

// A role that owns the table prepares it by itself; one that doesn't is told what its owner has to run.
func TestOwnTableOfAnotherRole(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	h := own[idRow](r, `own."T"`)
	role := "role_of_" + r.name
	r.exec(`create role ` + role + ` login password 'secret' replication`)
	t.Cleanup(func() { r.exec(`drop owned by ` + role); r.exec(`drop role ` + role) })
	r.exec(`grant usage on schema latchkey, auth to ` + role)
	r.exec(`grant all on all tables in schema latchkey to ` + role)
	r.exec(`grant execute on function latchkey.make_partition, latchkey.drop_partition to ` + role)
	r.exec(`grant select on public.latchkey_migrations to ` + role)
	r.exec(`create publication latchkey_default for table auth.tenants, auth.users, auth.roles, auth.role_permissions, auth.permissions,
		auth.user_roles, auth.connections, auth.resource_servers, auth.auth_events,
		auth.clients, auth.client_grants, auth.user_permissions, auth.organizations, auth.organization_members,
		auth.organization_member_roles, auth.organization_connections, auth.forms with (publish_via_partition_root = true)`)
	r.exec(`create schema own; create table own."T" (id int primary key)`)
	as := with(func(c *listener.Config) { c.DatabaseURL = asRole(t, r.url, role, "secret") })

	for _, step := range []struct {
		words []string
		sql   string
	}{
		{[]string{"grant usage on the schemas"}, `grant usage on schema own to ` + role},
		{[]string{`may not make table own."T" ready`, `select latchkey.watch('own."T"')`}, `select latchkey.watch('own."T"')`},
		{[]string{`may not publish own."T"`, `alter publication latchkey_default add table own."T"`}, `alter publication latchkey_default add table own."T"`},
	} {
		requireStop(t, r.refused(as), step.words...)
		r.exec(step.sql)
	}
	n := r.start(as)
	r.exec(`insert into own."T" values (1)`)
	n.catchUp()
	h.require("insert 1 {ID:1}")
	n.stop()

	own := own[idRow](r, "own.mine")
	r.exec(`grant create on schema own to ` + role)
	r.exec(`set role ` + role + `; create table own.mine (id int primary key); reset role; alter publication latchkey_default owner to ` + role)
	r.exec(`grant create on database ` + r.name + ` to ` + role)
	n = r.start(as)
	r.exec(`insert into own.mine values (1)`)
	n.catchUp()
	own.require("insert 1 {ID:1}")
	n.stop()
}

// Making a table ready needs a lock that nobody else has: it is asked for again and again, and holds others up for no
// longer than a moment each time.
func TestOwnTableInUse(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	h := own[idRow](r, "own.t")
	r.exec(`create schema own; create table own.t (id int primary key)`)
	r.start().stop()
	r.exec(`drop trigger latchkey_stamp on own.t; alter table own.t replica identity default; alter publication latchkey_default drop table own.t`)
	reader, writer := r.session(), r.session()
	r.run(reader, `begin`, `select from own.t`)
	opened := make(chan *node, 1)
	go func() {
		n, err := r.open(r.seen.keep())
		if err != nil {
			t.Error(err)
		}
		opened <- n
	}()
	r.await(`select exists (select from pg_locks where relation = 'own.t'::regclass and mode = 'AccessExclusiveLock' and not granted)`)
	r.run(writer, `set statement_timeout = '5s'`, `begin`, `insert into own.t values (1)`)
	r.run(reader, `commit`)
	// The writer has written, and is waited for.
	r.await(`select exists (select from pg_locks where relation = 'own.t'::regclass and mode = 'AccessExclusiveLock' and not granted)`)
	r.run(writer, `insert into own.t values (2)`, `commit`)
	n := <-opened
	if n == nil {
		return
	}
	n.awaitOwning()
	r.exec(`insert into own.t values (3)`)
	n.catchUp()
	h.require("insert 3 {ID:3}")
	r.requireSound()
}

// One table may have hooks in several places of the code, and two groups may watch it.
func TestOwnTableTwice(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	h := own[idRow](r, "own.t")
	r.exec(`create schema own; create table own.t (id int primary key)`)
	n := r.start()
	reg := db.NewHooks()
	done := make(chan int, 10)
	db.Table[struct {
		ID  int
		Own string `db:",optional"`
	}](reg, "own.t").AfterCreate("h", func(_ context.Context, _ hooks.Tx, _ hooks.Event, row struct {
		ID  int
		Own string `db:",optional"`
	},
	) error {
		done <- row.ID
		return nil
	})
	other := r.rig.start(with(func(c *listener.Config) { c.Group, c.Hooks = "other", reg }))
	r.exec(`insert into own.t values (7)`)
	n.catchUp()
	other.catchUp()
	h.require("insert 7 {ID:7}")
	if got := <-done; got != 7 {
		t.Errorf("the other group was told of %d", got)
	}
}
