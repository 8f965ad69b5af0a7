package db_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// record is one thing in the log: a stamp, or a change of a table.
type record struct {
	stamp  *hooks.Stamp
	change string // "roles INSERT"
}

func (r record) String() string {
	if r.stamp == nil {
		return r.change
	}
	return r.stamp.Origin + " " + r.stamp.Actor
}

// watch makes a slot and returns what reads all that was committed since the last call.
func (e *env) watch(t *testing.T) func() []record {
	t.Helper()
	const slot = `stamps_' || current_database() || '`
	e.exec(t, `select pg_create_logical_replication_slot('`+slot+`', 'test_decoding')`)
	t.Cleanup(func() {
		_, err := e.sql.Exec(context.WithoutCancel(t.Context()), `select pg_drop_replication_slot('`+slot+`')`)
		ok(t, err)
	})
	return func() []record {
		t.Helper()
		rows, _ := e.sql.Query(t.Context(), `select data from pg_logical_slot_get_changes('`+slot+`', null, null)`)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		ok(t, err)
		var records []record
		for _, line := range lines {
			if r, relevant := read(t, line); relevant {
				records = append(records, r)
			}
		}
		return records
	}
}

func read(t *testing.T, line string) (record, bool) {
	t.Helper()
	m := regexp.MustCompile(`(?s)^(?:table auth\."?(\w+)"?: (\w+)|message: transactional: 1 prefix: latchkey, sz: \d+ content:(.*))`).
		FindStringSubmatch(line)
	switch {
	case m == nil:
		return record{}, false
	case m[3] != "":
		s := &hooks.Stamp{}
		ok(t, json.Unmarshal([]byte(m[3]), s))
		return record{stamp: s}, true
	default:
		return record{change: m[1] + " " + strings.ToUpper(m[2])}, true
	}
}

func wantRecords(t *testing.T, got []record, want ...string) {
	t.Helper()
	if g, w := fmt.Sprint(got), "["+strings.Join(want, " ")+"]"; g != w {
		t.Errorf("the log has\n%s\nwant\n%s", g, w)
	}
}

func by(ctx context.Context, actor string) context.Context {
	return db.WithStamp(ctx, hooks.Stamp{Actor: actor, RequestID: "req", IP: "10.0.0.1", GeoIP: &hooks.GeoIP{CountryCode: "DE"}})
}

func TestStampPrecedesTheRow(t *testing.T) {
	t.Parallel()
	touch := func(ctx context.Context, tx hooks.Tx, _ *db.Role) error {
		_, err := tx.Exec(ctx, `insert into auth.connections (tenant_id, name, strategy) values ('acme', gen_random_uuid(), 'x')`)
		return err
	}
	for name, test := range map[string]struct {
		hook  func(context.Context, hooks.Tx, *db.Role) error
		write func(context.Context, *env) error
		want  []string
	}{
		"create": {nil, func(ctx context.Context, e *env) error { return create(by(ctx, "ann"), e.Roles, "a") }, []string{"app ann", "roles INSERT"}},
		"update": {nil, func(ctx context.Context, e *env) error {
			return second(e.Roles.Update(by(ctx, "ann"), "acme", "rol_0", db.UpdateRole{}))
		}, []string{"app ann", "roles UPDATE"}},
		"delete": {nil, func(ctx context.Context, e *env) error { return e.Roles.Delete(by(ctx, "ann"), "acme", "rol_0") }, []string{"app ann", "roles DELETE"}},
		"nobody": {nil, func(ctx context.Context, e *env) error { return create(ctx, e.Roles, "a") }, []string{"app ", "roles INSERT"}},
		// A hook's own SQL counts as the app's; one stamp does for both.
		"a hook's SQL": {touch, func(ctx context.Context, e *env) error { return create(by(ctx, "ann"), e.Roles, "a") }, []string{"app ann", "connections INSERT", "roles INSERT"}},
		"in InTx": {nil, func(ctx context.Context, e *env) error {
			return e.InTx(by(ctx, "ann"), func(tx *db.Tx) error {
				_, err := tx.Exec(ctx, `update auth.roles set name = 'x'`)
				return errors.Join(err, create(by(ctx, "ann"), tx.Roles, "a"), create(by(ctx, "bob"), tx.Roles, "b"), create(by(ctx, "ann"), tx.Roles, "c"))
			})
		}, []string{"app ann", "roles UPDATE", "roles INSERT", "app bob", "roles INSERT", "app ann", "roles INSERT"}},
		// A savepoint that is rolled back takes its stamp along, so the next write emits it again.
		"a rolled-back savepoint": {nil, func(ctx context.Context, e *env) error {
			return e.InTx(ctx, func(tx *db.Tx) error {
				ctx := by(ctx, "ann")
				_ = tx.InTx(ctx, func(tx *db.Tx) error { return errors.Join(create(ctx, tx.Roles, "a"), errors.New("no")) })
				_ = create(ctx, tx.Roles, "zero") // a conflict
				return create(ctx, tx.Roles, "b")
			})
		}, []string{"app ann", "roles INSERT"}},
		"refused": {nil, func(ctx context.Context, e *env) error {
			_ = create(ctx, e.Roles, "zero")
			return nil
		}, nil},
		"in someone else's transaction": {nil, func(ctx context.Context, e *env) error {
			return pgx.BeginFunc(ctx, e.sql, func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, `update auth.roles set name = 'x'`)
				return errors.Join(err, create(by(ctx, "ann"), e.With(tx).Roles, "a"))
			})
		}, []string{"external ", "roles UPDATE", "app ann", "roles INSERT"}},
		"not published": {nil, func(ctx context.Context, e *env) error {
			return second(e.Logs.Create(by(ctx, "ann"), "acme", db.CreateLog{Type: "x"}))
		}, []string{"logs INSERT"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := open(t, func(reg *db.Hooks) {
				if test.hook != nil {
					reg.Roles.BeforeCreate("hook", test.hook)
				}
			})
			e.exec(t, `insert into auth.roles (tenant_id, id, name) values ('acme', 'rol_0', 'zero')`)
			log := e.watch(t)
			ok(t, test.write(t.Context(), e))
			got := log()
			wantRecords(t, got, test.want...)
			for _, r := range got {
				if s := r.stamp; s != nil && s.Actor == "ann" && (s.RequestID != "req" || s.IP != "10.0.0.1" || s.GeoIP.CountryCode != "DE" || s.Cause != nil) {
					t.Errorf("stamp %+v", s)
				}
			}
		})
	}
}

// What an after-hook writes is stamped with its cause; what a before-hook writes, with what caused the write.
func TestStampCause(t *testing.T) {
	t.Parallel()
	var e *env
	e = open(t, func(reg *db.Hooks) {
		reg.Roles.BeforeCreate("nested", func(ctx context.Context, tx hooks.Tx, r *db.Role) error {
			if r.Name != "outer" {
				return nil
			}
			return create(ctx, e.With(tx).Roles, "inner")
		})
	})
	log := e.watch(t)
	ctx := hooks.Enter(by(t.Context(), "ann"), &hooks.Running{
		Hook: "after", Table: "auth.users", Event: &hooks.Event{Seq: 7, RawStamp: []byte(`{"cause": {"seq": 3, "depth": 1}}`)},
	})
	ok(t, create(ctx, e.Roles, "outer"))
	got := log()
	wantRecords(t, got, "app ann", "roles INSERT", "roles INSERT")
	if c := got[0].stamp.Cause; c == nil || *c != (hooks.Cause{Seq: 7, Hook: "after", Depth: 2}) {
		t.Errorf("cause %+v", c)
	}
}

func TestStampOfOthers(t *testing.T) {
	t.Parallel()
	const row = `insert into auth.roles (tenant_id, name) values ('acme', gen_random_uuid());`
	for name, test := range map[string]struct {
		sql  string
		want []string
	}{
		"insert":                    {row, []string{"external ", "roles INSERT"}},
		"update":                    {`update auth.roles set name = 'x'`, []string{"external ", "roles UPDATE"}},
		"delete":                    {`delete from auth.roles`, []string{"external ", "roles DELETE"}},
		"no row":                    {`delete from auth.roles where id = 'none'`, []string{"external "}},
		"truncate":                  {`truncate auth.user_roles`, []string{"external ", "user_roles TRUNCATE"}},
		"once a transaction":        {`begin;` + row + row + `update auth.tenants set friendly_name = 'x' where id = 'acme'; commit`, []string{"external ", "roles INSERT", "roles INSERT", "tenants UPDATE"}},
		"once for each transaction": {`begin;` + row + `commit; begin;` + row + `commit`, []string{"external ", "roles INSERT", "external ", "roles INSERT"}},
		"a rolled-back savepoint":   {`begin; savepoint a;` + row + `rollback to a;` + row + `commit`, []string{"external ", "roles INSERT"}},
		"a replica":                 {`begin; set local session_replication_role = replica;` + row + `commit`, []string{"external ", "roles INSERT"}},
		"a cascade":                 {`delete from auth.tenants where id = 'acme'`, []string{"external ", "tenants DELETE", "roles DELETE"}},
		"another schema's tables":   {`create table public.t (n int); insert into public.t values (1)`, nil},
		"a function's search_path":  {`begin; set local search_path = ''; ` + row + `commit`, []string{"external ", "roles INSERT"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := open(t, nil)
			e.exec(t, `insert into auth.roles (tenant_id, id, name) values ('acme', 'rol_0', 'zero')`)
			log := e.watch(t)
			psql(t, e, func(conn *pgx.Conn) error { return second(conn.Exec(t.Context(), test.sql)) })
			wantRecords(t, log(), test.want...)
		})
	}
	t.Run("copy", func(t *testing.T) {
		t.Parallel()
		e := open(t, nil)
		log := e.watch(t)
		psql(t, e, func(conn *pgx.Conn) error {
			return second(conn.CopyFrom(t.Context(), pgx.Identifier{"auth", "roles"}, []string{"tenant_id", "name"}, pgx.CopyFromRows([][]any{{"acme", "a"}, {"acme", "b"}})))
		})
		got := log()
		wantRecords(t, got, "external ", "roles INSERT", "roles INSERT")
		if s := got[0].stamp; s.Role == "" || s.ApplicationName != "psql" || s.Actor != "" {
			t.Errorf("stamp %+v", s)
		}
	})
}

// psql connects as it would.
func psql(t *testing.T, e *env, run func(*pgx.Conn) error) {
	t.Helper()
	cfg, err := pgx.ParseConfig(e.url)
	ok(t, err)
	cfg.RuntimeParams["application_name"] = "psql"
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	ok(t, err)
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	ok(t, run(conn))
}
