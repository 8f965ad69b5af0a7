package listener_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/listener"
)

// killStored makes a listener that dies when it has stored something after which the query says true.
func killStored(r *rig, query string) *node {
	r.t.Helper()
	var n *node
	ready := make(chan struct{})
	n = r.start(onStep(func(step string) {
		if step != listener.StepIngested {
			return
		}
		<-ready
		if value[bool](r, query) {
			n.l.Kill()
		}
	}))
	close(ready)
	return n
}

// A big transaction is stored in chunks. A restart inside it goes on there, and what it has is in order and once.
func TestRestartInsideATransaction(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const rows = 50_000
	r.start().stop()
	r.exec(`with wide as (select i from generate_series(1, $1::int) i) insert into auth.users (tenant_id, user_id) select 't', i from wide`, rows)
	for _, after := range []int{1, 15_000, 30_000} {
		n := killStored(r, fmt.Sprintf(`select partial_ordinal >= %d from latchkey.position`, after))
		n.await()
		if !value[bool](r, `select partial_commit_lsn <> '0/0' from latchkey.position`) {
			t.Fatal("the restart was not inside the transaction")
		}
	}
	n := r.start()
	n.catchUp()
	inOrder := value[int](r, `select count(*) from latchkey.events where seq = ordinal and key = ordinal::text and commit_lsn = (select commit_lsn from latchkey.events limit 1)`)
	if all := value[int](r, `select count(*) from latchkey.events`); all != rows || inOrder != rows {
		t.Fatalf("the log has %d events, %d of them in their place; want %d", all, inOrder, rows)
	}
	r.requireSound()
	if value[bool](r, `select partial_commit_lsn <> '0/0' from latchkey.position`) {
		t.Error("the position says that a transaction is open")
	}
}

// One event tells of all permissions that a role got in a transaction, also where its rows fill several chunks, with
// others between them, and the listener dies on the way.
func TestRolePermissionsSpanChunks(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]int{"killed while they come": 1, "killed after they came": 6001} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.exec(`insert into auth.resource_servers (tenant_id, identifier) values ('t', 'api')`)
			r.exec(`insert into auth.permissions (tenant_id, resource_server_identifier, permission_name) select 't', 'api', 'p' || i from generate_series(1, 3000) i`)
			r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'one', 'one'), ('t', 'two', 'two')`)
			r.exec(`insert into auth.role_permissions (tenant_id, role_id, resource_server_identifier, permission_name) values ('t', 'two', 'api', 'p1'), ('t', 'two', 'api', 'p2')`)
			r.start().stop()
			r.exec(`do $$ begin
				delete from auth.role_permissions where role_id = 'two' and permission_name = 'p1';
				for i in 1..3000 loop
					insert into auth.role_permissions (tenant_id, role_id, resource_server_identifier, permission_name) values ('t', 'one', 'api', 'p' || i);
					insert into auth.users (tenant_id, user_id) values ('t', i);
				end loop;
				delete from auth.role_permissions where role_id = 'one' and permission_name = 'p7'; -- came and went
				insert into auth.users (tenant_id, user_id) select 't', i from generate_series(3001, 20000) i;
				delete from auth.role_permissions where role_id = 'two' and permission_name = 'p2';
				insert into auth.role_permissions (tenant_id, role_id, resource_server_identifier, permission_name) values ('t', 'two', 'api', 'p3');
			end $$`)
			n := killStored(r, fmt.Sprintf(`select partial_ordinal > %d from latchkey.position`, after))
			n.await()
			if !value[bool](r, `select partial_commit_lsn <> '0/0' and exists (select from latchkey.spool) from latchkey.position`) {
				t.Fatal("the restart is not inside the transaction")
			}
			n = r.start()
			r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'last', 'last')`)
			n.catchUp()
			requireMembers(t, r)
			if users := value[int](r, `select count(*) from latchkey.events where table_name = 'auth.users'`); users != 20_000 {
				t.Errorf("%d users came", users)
			}
			if left := value[int](r, `select count(*) from latchkey.spool`); left > 0 {
				t.Errorf("%d rows are left in the spool", left)
			}
			r.requireSound()
		})
	}
}

func requireMembers(t *testing.T, r *rig) {
	t.Helper()
	rows, err := r.pool.Query(t.Context(), `select operation || ' ' || key, array(select m ->> 'permission_name' from jsonb_array_elements(rows) as m)
		from latchkey.events where table_name = 'auth.role_permissions'`)
	if err != nil {
		t.Fatal(err)
	}
	members := map[string][]string{}
	var what string
	var permissions []string
	if _, err := pgx.ForEachRow(rows, []any{&what, &permissions}, func() error {
		if members[what] != nil {
			t.Errorf("%s is told of twice", what)
		}
		members[what] = slices.Clone(permissions)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	given := slices.DeleteFunc(names("p", 1, 3000), func(p string) bool { return p == "p7" })
	for what, want := range map[string][]string{"assign one": given, "remove one": {"p7"}, "remove two": {"p1", "p2"}, "assign two": {"p3"}} {
		got := members[what]
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s told of %d permissions, want %d", what, len(got), len(want))
		}
		delete(members, what)
	}
	if len(members) > 0 {
		t.Errorf("these came too: %v", members)
	}
}
