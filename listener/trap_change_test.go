package listener_test

import (
	"strings"
	"testing"

	"github.com/latchkey-dev/latchkey/internal/pgtest"
)

// text is a column's value, for comparing.
func text(row map[string]*string, column string) string {
	v, there := row[column]
	switch {
	case !there:
		return "<no such column>"
	case v == nil:
		return "<null>"
	}
	return *v
}

// A value that is stored out of line is whole in the old and the new row, also where the update did not touch it.
func TestUnchangedWideValue(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	n := r.start()
	r.exec(`alter table auth.roles alter description set storage external`)
	wide := strings.Repeat("0123456789abcdef", 5000)
	r.exec(`insert into auth.roles (tenant_id, id, name, description) values ('t', 'a', 'a', $1)`, wide)
	r.exec(`update auth.roles set name = 'b' where id = 'a'`)
	r.exec(`update auth.roles set id = 'c' where id = 'a'`)
	r.exec(`delete from auth.roles where id = 'c'`)
	n.catchUp()
	events := r.events()
	if len(events) != 4 {
		t.Fatalf("the log has %v", events)
	}
	for i, e := range events {
		if i > 0 && text(e.Old, "description") != wide || i < 3 && text(e.New, "description") != wide || len(e.Unknown) > 0 {
			t.Errorf("event %v lacks the wide value (unknown: %v)", e, e.Unknown)
		}
	}
}

// Old rows are whole, null where they were null; an update of the key is one event, with both rows.
func TestOldRowsAreWhole(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	n := r.start()
	r.exec(`insert into auth.users (tenant_id, user_id, email, name, user_metadata) values ('t', 'u', 'a@b.c', '', '{"a": "\u00e9\n\"\\"}')`)
	r.exec(`update auth.users set email = null, name = 'n' where user_id = 'u'`)
	r.exec(`update auth.users set user_id = 'v' where user_id = 'u'`)
	r.exec(`delete from auth.users where user_id = 'v'`)
	n.catchUp()
	r.requireEvents("users insert u", "users update u", "users update v", "users delete v")
	events := r.events()
	metadata := value[string](r, `select '{"a": "\u00e9\n\"\\"}'::jsonb::text`)
	for i, want := range []struct{ old, now [3]string }{
		{now: [3]string{"u", "a@b.c", ""}},
		{[3]string{"u", "a@b.c", ""}, [3]string{"u", "<null>", "n"}},
		{[3]string{"u", "<null>", "n"}, [3]string{"v", "<null>", "n"}},
		{old: [3]string{"v", "<null>", "n"}},
	} {
		for _, side := range []struct {
			row  map[string]*string
			want [3]string
		}{{events[i].Old, want.old}, {events[i].New, want.now}} {
			if side.want[0] == "" {
				if side.row != nil {
					t.Errorf("event %d has a row too many: %v", i+1, side.row)
				}
				continue
			}
			got := [3]string{text(side.row, "user_id"), text(side.row, "email"), text(side.row, "name")}
			if got != side.want || text(side.row, "user_metadata") != metadata || text(side.row, "username") != "<null>" {
				t.Errorf("event %d has %q with metadata %s, want %q", i+1, got, text(side.row, "user_metadata"), side.want)
			}
		}
	}
}

// What a transaction took back is no change; the order of the rest is that of the writes.
func TestOneTransaction(t *testing.T) {
	t.Parallel()
	insert := func(id string) string {
		return `insert into auth.roles (tenant_id, id, name) values ('t', '` + id + `', '` + id + `')`
	}
	for name, test := range map[string]struct {
		statements []string
		want       []string
	}{
		"savepoints": {
			[]string{
				`begin`, insert("a"), `savepoint one`, insert("b"), `savepoint two`, insert("c"), `release two`, `rollback to one`,
				insert("d"), `savepoint three`, insert("e"), `release three`, `commit`,
			},
			[]string{"roles insert a", "roles insert d", "roles insert e"},
		},
		"first statement rolled back": {
			[]string{`begin`, `savepoint one`, insert("a"), `rollback to one`, insert("b"), `commit`},
			[]string{"roles insert b"},
		},
		"rollback":        {[]string{`begin`, insert("a"), `rollback`}, nil},
		"nothing of ours": {[]string{`insert into auth.logs (tenant_id, type) values ('t', 'x')`}, nil},
		"one row many times": {
			[]string{`begin`, insert("a"), `update auth.roles set name = 'b'`, `delete from auth.roles`, insert("a"), `commit`},
			[]string{"roles insert a", "roles update a", "roles delete a", "roles insert a"},
		},
		"upsert": {
			[]string{insert("a"), insert("a") + ` on conflict (tenant_id, id) do update set name = 'b'`, insert("a") + ` on conflict do nothing`},
			[]string{"roles insert a", "roles update a"},
		},
		"a cascade": {
			[]string{
				insert("a"), `insert into auth.users (tenant_id, user_id) values ('t', 'u')`, `insert into auth.user_roles (tenant_id, user_id, role_id) values ('t', 'u', 'a')`,
				`delete from auth.roles`,
			},
			[]string{"roles insert a", "users insert u", `user_roles insert ["u","a"]`, "roles delete a", `user_roles delete ["u","a"]`},
		},
		"truncate of several tables": {
			[]string{insert("a"), `truncate auth.roles, auth.user_roles, auth.role_permissions, auth.organization_member_roles`},
			[]string{"roles insert a", "roles truncate ", "user_roles truncate ", "role_permissions truncate ", "organization_member_roles truncate "},
		},
		"columns change between rows": {
			[]string{
				`begin`, insert("a"), `alter table auth.roles add extra text default 'x'`, insert("b"), `alter table auth.roles drop description`,
				insert("c"), `alter table auth.roles rename extra to other`, `update auth.roles set other = 'y' where id = 'a'`, `commit`,
			},
			[]string{"roles insert a", "roles insert b", "roles insert c", "roles update a"},
		},
		"table rewritten": {
			[]string{`begin`, insert("a"), `alter table auth.roles add n bigserial`, insert("b"), `commit`, `vacuum full auth.roles`, `delete from auth.roles where id = 'a'`},
			[]string{"roles insert a", "roles insert b", "roles delete a"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			n := r.start()
			r.run(r.session(), test.statements...)
			n.catchUp()
			r.requireEvents(test.want...)
			r.requireSound()
			n.kill()
			n = r.start()
			n.catchUp()
			r.requireEvents(test.want...)
		})
	}
}

// A prepared transaction is told of when it is committed, not before.
func TestPreparedTransaction(t *testing.T) {
	t.Parallel()
	r := rigOn(t, pgtest.NewServer(t, map[string]string{"max_prepared_transactions": "2"}).New(t))
	n := r.start()
	conn := r.session()
	r.run(conn, `begin`, `insert into auth.roles (tenant_id, id, name) values ('t', 'a', 'a')`, `prepare transaction 'one'`)
	r.run(conn, `begin`, `insert into auth.roles (tenant_id, id, name) values ('t', 'b', 'b')`, `prepare transaction 'two'`)
	r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'c', 'c')`)
	n.catchUp()
	r.requireEvents("roles insert c")
	n.stop()
	n = r.start()
	r.exec(`commit prepared 'one'`)
	r.exec(`rollback prepared 'two'`)
	n.catchUp()
	r.requireEvents("roles insert c", "roles insert a")
	r.requireSound()
}

// Columns may change at any time, also while nobody listens: each event has the row as it was then.
func TestColumnsChange(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	n := r.start()
	id := 0
	for i, ddl := range []string{
		`select`,
		`alter table auth.roles add a int not null default 7, add b text`,
		`alter table auth.roles drop description`,
		`alter table auth.roles rename a to c`,
		`alter table auth.roles alter c type text using 'was ' || c`,
		`alter table auth.roles drop b, add b bytea default '\x00ff'`,
		`alter table auth.roles rename id to role_id`,
	} {
		if i%2 == 1 { // half of the changes while nobody listens
			n.stop()
		}
		r.exec(ddl)
		id++
		r.exec(`insert into auth.roles values ('t', 'r` + string(rune('0'+id)) + `', 'n` + string(rune('0'+id)) + `')`)
		r.exec(`update auth.roles set name = name || '!' where name = 'n1' or name like 'n1!%'`)
		if i%2 == 1 {
			n = r.start()
		}
		n.catchUp()
	}
	events := r.events()
	if len(events) != 14 {
		t.Fatalf("the log has %v", events)
	}
	for i, want := range []map[string]string{
		{"id": "r1", "description": "", "a": "<no such column>"},
		{"id": "r2", "description": "", "a": "7", "b": "<null>"},
		{"id": "r3", "description": "<no such column>", "a": "7"},
		{"id": "r4", "a": "<no such column>", "c": "7"},
		{"id": "r5", "c": "7"},
		{"id": "r6", "c": "7", "b": `\x00ff`},
		{"id": "<no such column>", "role_id": "r7", "b": `\x00ff`},
	} {
		e := events[2*i]
		if e.Key != "r"+string(rune('1'+i)) {
			t.Errorf("event %d has key %q", 2*i+1, e.Key)
		}
		for column, v := range want {
			if got := text(e.New, column); got != v {
				t.Errorf("event %d has %s = %q, want %q", 2*i+1, column, got, v)
			}
		}
		was, is := text(events[2*i+1].Old, "name"), text(events[2*i+1].New, "name")
		if was != "n1"+strings.Repeat("!", i) || is != was+"!" {
			t.Errorf("event %d changed the name from %q to %q", 2*i+2, was, is)
		}
	}
	if was := text(events[9].Old, "c"); was != "was 7" {
		t.Errorf("a value that was retyped is %q", was)
	}
	r.requireSound()
}
