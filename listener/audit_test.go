package listener_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/listener"
)

// unhooked tells of the lines in auth.logs, one each: operation, key, outcome and what goes with it.
func (r *hookRig) unhooked() string {
	r.t.Helper()
	return value[string](r.rig, `select coalesce(string_agg(concat_ws(' ', details ->> 'operation', details ->> 'key', details ->> 'outcome', details ->> 'hook', details ->> 'code',
			details ->> 'reason', details ->> 'changed'), E'\n' order by (details ->> 'seq')::bigint), '') from auth.logs where type = 'unhooked_write'`)
}

func (r *hookRig) requireUnhooked(want ...string) {
	r.t.Helper()
	if got := r.unhooked(); got != strings.Join(want, "\n") {
		r.t.Fatalf("the log has\n%s\nwant\n%s\nwhat ran:\n%s", got, strings.Join(want, "\n"), r.seen)
	}
}

// beforeRoles registers before-hooks that write, refuse names with no, change those with big, fail at those with bad.
func (r *hookRig) beforeRoles() {
	judge := func(ctx context.Context, tx hooks.Tx, name string) error {
		if _, err := tx.Exec(ctx, `insert into effect (hook, seq, key) values ('before', 0, $1)`, name); err != nil {
			return err
		}
		switch {
		case strings.Contains(name, "no"):
			return hooks.Reject("no", "no means no")
		case strings.Contains(name, "bad"):
			return errors.New("bad\x00luck")
		case strings.Contains(name, "sql"):
			_, err := tx.Exec(ctx, `select 1/0`)
			return err
		}
		return nil
	}
	change := func(row *db.Role) {
		if strings.Contains(row.Name, "big") {
			row.ID, row.Name, row.Metadata[0] = "other", "small", '['
		}
	}
	r.reg.Roles.BeforeCreate("judge", func(ctx context.Context, tx hooks.Tx, row *db.Role) error {
		change(row)
		return judge(ctx, tx, row.Name)
	})
	r.reg.Roles.BeforeUpdate("judge", func(ctx context.Context, tx hooks.Tx, old db.Role, row *db.Role) error {
		change(row)
		return judge(ctx, tx, old.Name+">"+row.Name)
	})
	r.reg.Roles.BeforeDelete("judge", func(ctx context.Context, tx hooks.Tx, row db.Role) error { return judge(ctx, tx, row.Name) })
}

// A write that skipped the repositories is judged by their hooks, of whose doings nothing stays.
func TestAuditSaysWhatHooksWouldHave(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	r.beforeRoles()
	r.exec(`select latchkey.set_write_policy('auth.roles', 'audit')`)
	n := r.start()
	r.roles("fine", "no", "big", "bad", "sql")
	r.exec(`update auth.roles set name = 'no more' where id = 'fine'`)
	r.exec(`delete from auth.roles where id = 'fine'`)
	r.exec(`delete from auth.roles where id = 'big'`)
	r.exec(`truncate auth.roles cascade`)
	store, err := db.Open(r.ctx(), db.Config{DatabaseURL: r.url, Hooks: r.reg})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if _, err := store.Roles.Create(r.ctx(), "t", db.CreateRole{Name: "through the store"}); err != nil {
		t.Fatal(err)
	}
	r.exec(`insert into auth.connections (tenant_id, name, strategy) values ('t', 'not audited', 'x')`)
	n.catchUp()
	r.requireUnhooked(
		"insert fine passed", "insert no refused judge no no means no", `insert big changed ["name", "metadata"]`, "insert bad failed judge badluck",
		"insert sql failed judge ERROR: division by zero (SQLSTATE 22012)",
		"update fine refused judge no no means no", "delete fine refused judge no no means no", "delete big passed", "truncate passed",
	)
	r.requireEffects("before", "through the store")
	if got := value[string](r.rig, `select tenant_id || ' ' || description || ' by ' || (details ->> 'role')
			from auth.logs where details ->> 'outcome' = 'changed'`); !strings.HasPrefix(got, "t insert of auth.roles skipped the before-hooks: changed by ") {
		t.Errorf("the line is %s", got)
	}
	if said := n.log.String(); !strings.Contains(said, "a write skipped the before-hooks of an audited table") || !strings.Contains(said, "outcome=refused hook=judge code=no") {
		t.Errorf("the listener's log is\n%s", said)
	}
	r.seen.require(hooks.AuditHook, 9, 0)
	n.stop()
}

// A before-hook that misses its deadline is told of as one that failed, also where it was in a statement: that costs the
// connection, so another attempt tells of it.
func TestAuditOfAHookThatIsLate(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	at := newGate(t)
	asked := 0
	r.reg.Roles.BeforeCreate("late", func(ctx context.Context, tx hooks.Tx, row *db.Role) error {
		if row.Name == "outside" {
			return at.passOr(ctx)
		}
		asked++
		_, err := tx.Exec(ctx, `select pg_sleep(60)`)
		return err
	}, hooks.Timeout(50*time.Millisecond))
	r.exec(`select latchkey.set_write_policy('auth.roles', 'audit')`)
	n := r.start(with(func(c *listener.Config) { c.Retry.Base = time.Millisecond }))
	r.roles("outside", "in a statement")
	r.seen.awaitDone(hooks.AuditHook, 2)
	n.catchUp()
	r.requireUnhooked("insert outside failed late the hook did not return before its deadline (50ms)",
		"insert in a statement failed late the hook did not return before its deadline (50ms)")
	if asked != 1 {
		t.Errorf("the hook was asked %d times", asked)
	}
	n.stop()
}

// It follows the policy at the time of the write, not of the listener.
func TestAuditFollowsThePolicy(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	r.beforeRoles()
	n := r.start()
	r.roles("no1")
	r.exec(`select latchkey.set_write_policy('auth.roles', 'audit')`)
	r.roles("no2")
	r.exec(`select latchkey.set_write_policy('auth.roles', 'allow')`)
	r.roles("no3")
	n.catchUp()
	r.requireUnhooked("insert no2 refused judge no no means no")
	n.stop()
}

// Told once, whatever crashes: the line commits together with the record that the hook ran.
func TestAuditOnceOverCrashes(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	at := newGate(t)
	r.beforeRoles()
	r.reg.Roles.BeforeCreate("gate", func(ctx context.Context, _ hooks.Tx, row *db.Role) error {
		if row.Name == "wait" {
			return at.passOr(ctx)
		}
		return nil
	})
	r.exec(`select latchkey.set_write_policy('auth.roles', 'audit')`)
	n := r.start()
	r.roles("no1", "wait")
	at.awaitArrival()
	n.kill()
	at.release()
	n = r.start()
	n.catchUp()
	n.kill()
	n = r.start()
	r.roles("no2")
	n.catchUp()
	n.stop()
	n = r.start()
	n.catchUp()
	r.eventually("what ran while the listener was killed is tried again", `select not exists (select from latchkey.deliveries where status in ('running', 'retry'))`)
	r.requireUnhooked("insert no1 refused judge no no means no", "insert wait passed", "insert no2 refused judge no no means no")
	r.requireEffects("before")
	n.stop()
}

// Permissions are judged as one call for each role and transaction.
func TestAuditOfASet(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	r.reg.RolePermissions.BeforeAssign("judge", func(_ context.Context, _ hooks.Tx, role db.RoleRef, perms []db.PermissionRef) ([]db.PermissionRef, error) {
		switch role.RoleID {
		case "no":
			return nil, hooks.Reject("no", "no means no")
		case "less":
			return perms[1:], nil
		}
		return perms, nil
	})
	r.exec(`select latchkey.set_write_policy('auth.role_permissions', 'audit')`)
	r.exec(`insert into auth.resource_servers (tenant_id, identifier) values ('t', 'api')`)
	r.exec(`insert into auth.permissions (tenant_id, resource_server_identifier, permission_name) values ('t', 'api', 'a'), ('t', 'api', 'b')`)
	r.roles("no", "less", "fine")
	n := r.start()
	for _, role := range []string{"no", "less", "fine"} {
		r.exec(`insert into auth.role_permissions (tenant_id, role_id, resource_server_identifier, permission_name) values ('t', $1, 'api', 'a'), ('t', $1, 'api', 'b')`, role)
	}
	r.exec(`delete from auth.role_permissions where role_id = 'no'`)
	n.catchUp()
	r.requireUnhooked("assign no refused judge no no means no", "assign less changed", "assign fine passed", "remove no passed")
	n.stop()
}
