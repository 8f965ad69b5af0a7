package listener_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// Every event says who wrote, by whatever way the write came.
func TestStamps(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	said := map[string]hooks.Stamp{}
	r.reg.Roles.AfterCreate("said", func(_ context.Context, _ hooks.Tx, ev hooks.Event, row db.Role) error {
		said[row.Name] = ev.Stamp()
		return nil
	})
	n := r.start(oneLane())
	store, err := db.Open(t.Context(), db.Config{DatabaseURL: r.url, Hooks: r.reg})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)

	who := hooks.Stamp{Actor: "auth0|1", RequestID: "req", ClientID: "cli", IP: "192.0.2.1", UserAgent: `a "b"`, GeoIP: &hooks.GeoIP{CountryCode: "DE"}}
	ctx := db.WithStamp(t.Context(), who)
	if _, err := store.Roles.Create(ctx, "t", db.CreateRole{Name: "repository"}); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Roles.Create(t.Context(), "t", db.CreateRole{Name: "unstamped"}); err != nil {
		t.Fatal(err)
	}
	insert := func(name string) string {
		return `insert into auth.roles (tenant_id, name) values ('t', '` + name + `')`
	}
	if err := store.InTx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, insert("raw"))
		return err
	}); err != nil {
		t.Fatal(err)
	}

	config, err := pgx.ParseConfig(r.url)
	if err != nil {
		t.Fatal(err)
	}
	config.RuntimeParams["application_name"] = "a service"
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(r.ctx()) })
	r.run(conn, insert("external"))
	r.run(conn, `begin`, `savepoint s`, insert("gone"), `rollback to s`, insert("after a savepoint"), `commit`)
	if _, err := conn.CopyFrom(t.Context(), pgx.Identifier{"auth", "roles"}, []string{"tenant_id", "name"}, pgx.CopyFromRows([][]any{{"t", "copied"}})); err != nil {
		t.Fatal(err)
	}
	r.run(conn, `set session_replication_role = replica`, insert("replica"), `reset session_replication_role`)
	r.run(conn, `begin`, insert("first of two"), `update auth.roles set description = 'x' where name = 'first of two'`, insert("second of two"), `commit`)
	r.run(conn, `alter table auth.roles disable trigger latchkey_stamp`, insert("untold"), `alter table auth.roles enable always trigger latchkey_stamp`)
	r.run(conn, `begin`, `select pg_logical_emit_message(true, 'latchkey', 'no json')`, insert("spoilt"), `commit`)
	n.catchUp()

	app := who
	app.Origin = hooks.OriginApp
	external := hooks.Stamp{Origin: hooks.OriginExternal, Role: config.User, ApplicationName: "a service", ClientAddr: said["external"].ClientAddr}
	if !strings.HasPrefix(external.ClientAddr, "127.") {
		t.Errorf("the client's address is %q", external.ClientAddr)
	}
	for name, want := range map[string]hooks.Stamp{
		"repository": app, "raw": app, "unstamped": {Origin: hooks.OriginApp},
		"external": external, "after a savepoint": external, "copied": external, "replica": external, "first of two": external, "second of two": external,
		"untold": {Origin: hooks.OriginUnknown}, "spoilt": external,
	} {
		got, there := said[name]
		if !there {
			t.Errorf("no event of %q", name)
			continue
		}
		if got.GeoIP != nil && want.GeoIP != nil && *got.GeoIP == *want.GeoIP {
			got.GeoIP = want.GeoIP
		}
		if got != want {
			t.Errorf("%q is stamped %+v, want %+v", name, got, want)
		}
	}
	if len(said) != 11 {
		t.Errorf("%d roles are told of: %v", len(said), said)
	}
	for _, e := range r.events() {
		if e.Op == "update" && e.Origin != "external" {
			t.Errorf("%v has origin %s", e, e.Origin)
		}
	}
}
