package rowtext_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"go.uber.org/goleak"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/pgtest"
	"github.com/latchkey-dev/latchkey/internal/rowtext"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Suite{M: m}) }

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// connect gives a session with the settings that the listener's has.
func connect(t *testing.T) *pgx.Conn {
	t.Helper()
	cfg, err := pgx.ParseConfig(pgtest.New(t).URL)
	ok(t, err)
	for name, value := range map[string]string{"datestyle": "ISO", "intervalstyle": "postgres", "timezone": "UTC", "bytea_output": "hex", "extra_float_digits": "3"} {
		cfg.RuntimeParams[name] = value
	}
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	ok(t, err)
	t.Cleanup(func() { _ = conn.PgConn().Conn().Close() })
	return conn
}

// images reads rows in text form, as the log has them.
func images(t *testing.T, conn *pgx.Conn, sql string) []*hooks.Image {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql, pgx.QueryExecModeExec, pgx.QueryResultFormats{pgx.TextFormatCode})
	ok(t, err)
	defer rows.Close()
	shape := &hooks.Shape{Schema: "auth", Table: "x"}
	for _, f := range rows.FieldDescriptions() {
		shape.Columns, shape.Types = append(shape.Columns, f.Name), append(shape.Types, f.DataTypeOID)
	}
	var all []*hooks.Image
	for rows.Next() {
		im := &hooks.Image{Shape: shape}
		for _, v := range rows.RawValues() {
			im.Values = append(im.Values, slices.Clone(v))
		}
		all = append(all, im)
	}
	ok(t, rows.Err())
	return all
}

// compare decodes a table's rows, and reads them once more by pgx's binary protocol.
func compare[Row any](t *testing.T, conn *pgx.Conn, table string) {
	t.Helper()
	columns := rowtext.Columns(reflect.TypeFor[Row]())
	sql := "select " + strings.Join(columns, ", ") + " from " + table + " order by 1, 2"
	rows, err := conn.Query(t.Context(), sql)
	ok(t, err)
	want, err := pgx.CollectRows(rows, pgx.RowToStructByName[Row])
	ok(t, err)
	decode := rowtext.Decoder[Row]()
	all := images(t, conn, "select * from "+table+" order by 1, 2")
	if len(all) != len(want) || len(want) < 2 {
		t.Fatalf("%s: %d rows, %d by pgx; want 2 or more", table, len(all), len(want))
	}
	if len(columns) != len(all[0].Shape.Columns) {
		t.Errorf("%s has %q, the struct %q", table, all[0].Shape.Columns, columns)
	}
	for i, im := range all {
		got, err := decode(im)
		ok(t, err)
		if g, w := flat(t, got), flat(t, want[i]); g != w {
			t.Errorf("%s: decoded\n%s\nwant\n%s", table, g, w)
		}
	}
}

// flat shows pointers' values, and times without their zone's pointer.
func flat(t *testing.T, row any) string {
	t.Helper()
	var b strings.Builder
	v := reflect.ValueOf(row)
	for i := range v.NumField() {
		f := v.Field(i)
		if f.Kind() == reflect.Pointer && !f.IsNil() {
			f = f.Elem()
		}
		value := f.Interface()
		if at, is := value.(time.Time); is {
			value = at.UTC().Format(time.RFC3339Nano)
		}
		fmt.Fprintf(&b, "%s: %#v\n", v.Type().Field(i).Name, value)
	}
	return b.String()
}

// Every column of our tables, full and NULL where it may be, comes out as pgx reads it.
func TestOurTables(t *testing.T) {
	t.Parallel()
	conn := connect(t)
	_, err := conn.Exec(t.Context(), `
		insert into auth.tenants (id, friendly_name, flags, created_at) values
			('acme', E'a\tb\\c "d" \n é 漢 🙂', '{"a": [1, 2.50, null], "b": "\"x\""}', '1999-12-31 23:59:59.999999+05:45'), ('globex', '', '{}', '2024-02-29');
		insert into auth.connections (tenant_id, name, strategy, enabled_clients, realms, show_as_button) values
			('acme', 'a', 's', array['x', 'y,z', '"', '\', '', 'NULL', '{}'], '{}', false), ('acme', 'b', 's', '{}', '{a}', true);
		insert into auth.users (tenant_id, user_id, email, email_verified, address, multifactor, linked_to, user_metadata, picture) values
			('acme', 'auth0|1', 'a@b.c', true, '{"x": null}', '{otp}', null, '{"deep": {"er": [true]}}', ''), ('acme', 'auth0|2', null, false, null, '{}', 'auth0|1', '{}', null);
		insert into auth.resource_servers (tenant_id, identifier, scopes, token_lifetime) values ('acme', 'a', '[{"value": "x"}]', 2147483647), ('acme', 'b', '[]', 1);
		insert into auth.permissions (tenant_id, resource_server_identifier, permission_name, description) values ('acme', 'a', 'p', 'd'), ('acme', 'b', 'p', '');
		insert into auth.roles (tenant_id, id, name) values ('acme', 'r', 'r'), ('acme', 's', 's');
		insert into auth.user_roles (tenant_id, user_id, role_id) values ('acme', 'auth0|1', 'r'), ('acme', 'auth0|2', 'r');
		insert into auth.auth_events (tenant_id, type, user_id, sealed) values ('acme', 'a', 'x', '\x00ff5c27'), ('acme', 'b', null, ''), ('acme', 'c', null, null);
		insert into auth.logs (tenant_id, type, user_id, ip) values ('acme', 'a', 'x', '::1'), ('acme', 'b', null, null);
		insert into auth.user_stats (tenant_id, user_id, login_count, last_login) values ('acme', 'auth0|1', 9223372036854775807, now()), ('acme', 'auth0|2', 0, null)`,
	)
	ok(t, err)
	_, err = conn.Exec(t.Context(), `
		insert into auth.clients (tenant_id, client_id, name, callbacks, refresh_token, organization_usage) values
			('acme', 'c', 'c', '{https://c/cb}', '{"leeway": 0}', 'allow'), ('acme', 'd', 'd', '{}', '{}', null);
		insert into auth.client_grants (tenant_id, client_id, audience, scope) values ('acme', 'c', 'a', '{read,write}'), ('acme', 'd', 'a', '{}');
		insert into auth.user_permissions (tenant_id, user_id, resource_server_identifier, permission_name) values ('acme', 'auth0|1', 'a', 'p'), ('acme', 'auth0|2', 'b', 'p');
		insert into auth.organizations (tenant_id, id, name, branding) values ('acme', 'o', 'o', '{"colors": {"primary": "#000"}}'), ('acme', 'o2', 'o2', '{}');
		insert into auth.organization_members (tenant_id, organization_id, user_id) values ('acme', 'o', 'auth0|1'), ('acme', 'o', 'auth0|2');
		insert into auth.organization_member_roles (tenant_id, organization_id, user_id, role_id) values ('acme', 'o', 'auth0|1', 'r'), ('acme', 'o', 'auth0|2', 's');
		insert into auth.organization_connections (tenant_id, organization_id, connection_id)
			select tenant_id, 'o', id from auth.connections;
		insert into auth.forms (tenant_id, id, name, nodes, start) values ('acme', 'f', 'f', '[{"id": "a"}]', '{"next_node": "a"}'), ('acme', 'g', 'g', '[]', '{}')`)
	ok(t, err)
	compare[db.Tenant](t, conn, "auth.tenants")
	compare[db.Connection](t, conn, "auth.connections")
	compare[db.User](t, conn, "auth.users")
	compare[db.ResourceServer](t, conn, "auth.resource_servers")
	compare[db.Permission](t, conn, "auth.permissions")
	compare[db.Role](t, conn, "auth.roles")
	compare[db.UserRole](t, conn, "auth.user_roles")
	compare[db.AuthEvent](t, conn, "auth.auth_events")
	compare[db.Client](t, conn, "auth.clients")
	compare[db.ClientGrant](t, conn, "auth.client_grants")
	compare[db.UserPermission](t, conn, "auth.user_permissions")
	compare[db.Organization](t, conn, "auth.organizations")
	compare[db.OrganizationMember](t, conn, "auth.organization_members")
	compare[db.OrganizationMemberRole](t, conn, "auth.organization_member_roles")
	compare[db.OrganizationConnection](t, conn, "auth.organization_connections")
	compare[db.Form](t, conn, "auth.forms")
	compare[db.Log](t, conn, "auth.logs")
	compare[db.UserStats](t, conn, "auth.user_stats")
}

// A service's own tables have what ours have not.
func TestOtherTypes(t *testing.T) {
	t.Parallel()
	type mood string
	type row struct {
		Small   int16            `db:"small"`
		Int     *int             `db:"int"`
		Float   float64          `db:"float"`
		Numeric pgtype.Numeric   `db:"numeric"`
		UUID    string           `db:"uuid"`
		Date    time.Time        `db:"date"`
		Ints    []int32          `db:"ints"`
		JSON    map[string]int   `db:"json"`
		Raw     *json.RawMessage `db:"raw"`
		Bytes   []byte           `db:"bytes"`
		Mood    mood             `db:"mood"`
		At      *time.Time       `db:"at"`
		Ptr     *[]byte          `db:"ptr"`
	}
	conn := connect(t)
	_, err := conn.Exec(t.Context(), `
		create type mood as enum ('good', 'bad');
		create table t (small int2, int int, float float8, numeric numeric, uuid uuid, date date, ints int[], json jsonb, raw json, bytes bytea, mood mood, at timestamptz, ptr bytea);
		insert into t values (-32768, null, 0.1::float8 + 0.2, 12345678901234567890.5, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '2024-02-29', '{1,-2}', '{"a": 1}', '[1 ,2]', '\xdead', 'bad', '2024-02-29 12:00:00.5+02', '\x01'),
		                     (0, 7, 'NaN', 0, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '0001-01-01', '{}', '{}', '[]', '', 'good', null, null)`)
	ok(t, err)
	compare[row](t, conn, "t")
}

func TestNull(t *testing.T) {
	t.Parallel()
	conn := connect(t)
	im := images(t, conn, `select null::text as name, null::jsonb as doc, null::text as ptr, null::text[] as list`)[0]
	got, err := rowtext.Decoder[struct {
		Doc  json.RawMessage `db:"doc"`
		Ptr  *string         `db:"ptr"`
		List []string        `db:"list"`
	}]()(im)
	ok(t, err)
	if got.Doc != nil || got.Ptr != nil || got.List != nil {
		t.Errorf("decoded %+v", got)
	}
	_, err = rowtext.Decoder[struct {
		Name string `db:"name"`
	}]()(im)
	if err == nil || !strings.Contains(err.Error(), "column name of auth.x") {
		t.Errorf("NULL in a string: %v", err)
	}
}

type ref struct {
	ID string `db:"id"`
}

func TestColumnsThatDiffer(t *testing.T) {
	t.Parallel()
	shape := &hooks.Shape{Schema: "auth", Table: "x", Columns: []string{"extra", "id", "n"}, Types: []uint32{25, 25, 23}}
	im := &hooks.Image{Shape: shape, Values: [][]byte{[]byte("x"), []byte("a"), []byte("7")}}
	type row struct {
		ref
		_      string `db:"extra"`
		N      int    `db:"n"`
		Newer  string `db:"newer"`
		UserID string
		Minus  string `db:"-"`
	}
	decode := rowtext.Decoder[row]()
	got, err := decode(im)
	ok(t, err)
	if want := (row{ref: ref{ID: "a"}, N: 7}); got != want {
		t.Errorf("decoded %+v; want %+v", got, want)
	}
	if columns := rowtext.Columns(reflect.TypeFor[row]()); !slices.Equal(columns, []string{"id", "n", "newer", "user_id"}) {
		t.Errorf("columns %q", columns)
	}
	// The same decoder, after a column was dropped, and with a value that the log doesn't have.
	later := &hooks.Shape{Schema: "auth", Table: "x", Columns: []string{"n", "id"}, Types: []uint32{23, 25}}
	got, err = decode(&hooks.Image{Shape: later, Values: [][]byte{nil, []byte("b")}, Unknown: []bool{true, false}})
	ok(t, err)
	if want := (row{ref: ref{ID: "b"}}); got != want {
		t.Errorf("decoded %+v; want %+v", got, want)
	}
	for _, bad := range []string{"", "x", "99999999999999999999"} {
		if _, err := decode(&hooks.Image{Shape: later, Values: [][]byte{[]byte(bad), []byte("b")}}); err == nil {
			t.Errorf("%q passes for a number", bad)
		}
	}
	if _, err := decode(nil); err == nil {
		t.Error("no image passes for a row")
	}
}

func TestImagesAreShared(t *testing.T) {
	t.Parallel()
	shape := &hooks.Shape{Columns: []string{"doc", "bytes", "list"}, Types: []uint32{pgtype.JSONBOID, pgtype.ByteaOID, pgtype.TextArrayOID}}
	im := &hooks.Image{Shape: shape, Values: [][]byte{[]byte(`{"a":1}`), []byte(`\x0102`), []byte(`{a,b}`)}}
	type row struct {
		Doc   json.RawMessage `db:"doc"`
		Bytes []byte          `db:"bytes"`
		List  []string        `db:"list"`
	}
	decode := rowtext.Decoder[row]()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				got, err := decode(im)
				if err != nil || string(got.Doc) != `{"a":1}` || string(got.Bytes) != "\x01\x02" || !slices.Equal(got.List, []string{"a", "b"}) {
					t.Errorf("decoded %+v, %v", got, err)
					return
				}
				got.Doc[0], got.Bytes[0], got.List[0] = 'x', 'x', "x" // a hook may do as it likes with its row
			}
		})
	}
	all.Wait()
}
