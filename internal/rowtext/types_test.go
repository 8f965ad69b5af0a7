package rowtext_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/rowtext"
)

// one decodes the only column of a query.
func one[T any](t *testing.T, im *hooks.Image) (T, error) {
	t.Helper()
	row, err := rowtext.Strict[struct {
		V T `db:"v"`
	}]()(im)
	return row.V, err
}

// reads checks that a value, written as SQL, is read as want.
func reads[T any](want T) func(*testing.T, *hooks.Image) {
	return func(t *testing.T, im *hooks.Image) {
		t.Helper()
		if got, err := one[T](t, im); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %#v, %v; want %#v", got, err, want)
		}
	}
}

// refuses checks that a value is not read into a T, and what the error says.
func refuses[T any](says ...string) func(*testing.T, *hooks.Image) {
	return func(t *testing.T, im *hooks.Image) {
		t.Helper()
		got, err := one[T](t, im)
		for _, word := range append(says, "column v of auth.x", "field V") {
			if err == nil || !strings.Contains(err.Error(), word) {
				t.Errorf("got %#v, %v; want an error that says %q", got, err, word)
			}
		}
	}
}

func ptr[T any](v T) *T { return &v }

// uuid is what the well-known library's type is.
type uuid [16]byte

func (u *uuid) Scan(src any) error {
	switch src := src.(type) {
	case nil:
		return nil
	case string:
		text := strings.ReplaceAll(src, "-", "")
		_, err := hex.Decode(u[:], []byte(text))
		return err
	default:
		return fmt.Errorf("a %T", src)
	}
}

// shout is a string with a way of its own.
type shout string

func (s *shout) Scan(src any) error {
	if src == nil {
		*s = "NOTHING"
		return nil
	}
	*s = shout(strings.ToUpper(fmt.Sprint(src)))
	return nil
}

type (
	mood  string
	moods []mood
	point struct{ X, Y int }
	line  struct {
		From, To *point
		Label    string
		Raw      []byte
		At       time.Time
		Tags     []string
	}
	node struct {
		Name string
		Next *node
	}
)

func TestTypes(t *testing.T) {
	t.Parallel()
	conn := connect(t)
	_, err := conn.Exec(t.Context(), `
		create type mood as enum ('good', 'so so', 'bad "1"');
		create domain small as int check (value < 10);
		create domain code as bytea;
		create type point2 as (x int, y int);
		create type line2 as (a point2, b point2, label text, raw bytea, at timestamptz, tags text[]);
		create type pair as (name text, next text);
		create type floats as range (subtype = float8)`)
	ok(t, err)
	id := uuid{0xa0, 0xee, 0xbc, 0x99, 0x9c, 0x0b, 0x4e, 0xf8, 0xbb, 0x6d, 0x6b, 0xb9, 0xbd, 0x38, 0x0a, 0x11}
	const idText = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
	noon := time.Date(2024, 2, 29, 12, 0, 0, 500_000_000, time.UTC)
	for sql, check := range map[string]func(*testing.T, *hooks.Image){
		`true`:                      reads(true),
		`(-128)::int2`:              reads(int8(-128)),
		`300::int2`:                 refuses[int8]("out of range"),
		`4000000000::int8`:          reads(uint32(4000000000)),
		`9223372036854775807::int8`: reads(int64(9223372036854775807)),
		`'-7'::int`:                 refuses[uint](),
		`1.5::float4`:               reads(float32(1.5)),
		`'-Infinity'::float8`:       reads(ptr(-1 / zero)),
		`12.50::numeric`:            reads("12.50"),
		`12.5::numeric`:             reads(12.5),
		`12::numeric(9, 0)`:         reads(int64(12)),
		`12.25::numeric`:            refuses[int](),
		`null::numeric`:             reads(pgtype.Numeric{}),
		`'a'::"char"`:               reads("a"),
		`'\xdeadbeef'::bytea`:       reads([]byte{0xde, 0xad, 0xbe, 0xef}),
		`null::bytea`:               reads([]byte(nil)),

		`'` + idText + `'::uuid`:                reads(id),
		`'` + idText + `'::uuid::text`:          reads(id),
		`array['` + idText + `'::uuid]`:         reads([]uuid{id}),
		`'` + idText + `'::uuid -- as bytes`:    reads(ptr([16]byte(id))),
		`'` + idText + `'::uuid -- as a string`: reads(idText),
		`null::uuid`:                            reads((*uuid)(nil)),
		`null::uuid -- by its own Scan`:         reads(uuid{}),

		`'2024-02-29 12:00:00.5+00'::timestamptz`:      reads(noon),
		`'2024-02-29 12:00:00.5'::timestamp`:           reads(noon),
		`'2024-02-29'::date`:                           reads(noon.Truncate(24 * time.Hour)),
		`'infinity'::date`:                             reads(pgtype.Date{InfinityModifier: pgtype.Infinity, Valid: true}),
		`'infinity'::timestamptz`:                      refuses[time.Time]("infinity"),
		`'12:30:01.5'::time`:                           reads(pgtype.Time{Microseconds: 45001500000, Valid: true}),
		`'1 year 2 mons -3 days 04:05:06.7'::interval`: reads(pgtype.Interval{Months: 14, Days: -3, Microseconds: 14706700000, Valid: true}),
		`'-1 day -00:00:01'::interval`:                 reads(pgtype.Interval{Days: -1, Microseconds: -1000000, Valid: true}),
		`'1 day 02:03:04'::interval`:                   reads("1 day 02:03:04"),
		`'02:03:04'::interval`:                         reads(2*time.Hour + 3*time.Minute + 4*time.Second),

		`'{"a": [1, null]}'::jsonb`:        reads(map[string][]*int{"a": {ptr(1), nil}}),
		`'[{"X": 1, "Y": 2}]'::json`:       reads([]point{{1, 2}}),
		`'{"X": 1, "Y": 2}'::jsonb`:        reads(point{1, 2}),
		`'{"a": 1}'::jsonb -- raw`:         reads(json.RawMessage(`{"a": 1}`)),
		`array['[1]'::jsonb]`:              reads([]json.RawMessage{json.RawMessage(`[1]`)}),
		`array['[1]', '[2, 3]']::jsonb[]`:  reads([][]int{{1}, {2, 3}}),
		`'10.0.0.1'::inet`:                 reads(netip.MustParsePrefix("10.0.0.1/32")),
		`'10.0.0.1'::inet -- without bits`: reads(netip.MustParseAddr("10.0.0.1")),
		`'good'::mood`:                     reads(mood("good")),
		`'so so'::mood`:                    reads(ptr("so so")),
		`'good'::mood -- a Scanner`:        reads(shout("GOOD")),
		`null::mood`:                       reads(shout("NOTHING")),
		`7::small`:                         reads(7),
		`'\x01'::code`:                     reads(`\x01`), // here the domain itself; the stream has its base type
		`'[1,5)'::int4range`:               reads(pgtype.Range[pgtype.Int4]{Lower: pgtype.Int4{Int32: 1, Valid: true}, Upper: pgtype.Int4{Int32: 5, Valid: true}, LowerType: pgtype.Inclusive, UpperType: pgtype.Exclusive, Valid: true}),
		`'empty'::int4range`:               reads(pgtype.Range[pgtype.Int4]{LowerType: pgtype.Empty, UpperType: pgtype.Empty, Valid: true}),
		`null::int4range`:                  reads(pgtype.Range[pgtype.Int4]{}),
		`'[1.5,2]'::floats`:                reads("[1.5,2]"),
		`'{[1,2),[3,4)}'::int4multirange`:  reads("{[1,2),[3,4)}"),
		`B'101'`:                           reads(pgtype.Bits{Bytes: []byte{0xa0}, Len: 3, Valid: true}),
		`null::text`:                       refuses[string]("NULL does not fit a string: make the field a pointer"),
		`null::text -- into a time`:        refuses[time.Time]("NULL"),
		`null::text -- a pgtype`:           reads(pgtype.Text{}),
		`'x'::text`:                        refuses[int]("x"),
		`'x'::text -- not a struct`:        refuses[point](),
		`'x'::text -- into anything`:       reads(any("x")),
		`'good'::mood -- into any`:         reads(any("good")),

		`array[1, null, 3]`:                             reads([]*int{ptr(1), nil, ptr(3)}),
		`array[1, null]`:                                refuses[[]int]("element 2", "NULL"),
		`'{}'::int[]`:                                   reads([]int{}),
		`null::int[]`:                                   reads([]int(nil)),
		`array[[1, 2], [3, 4]]`:                         reads([][]int{{1, 2}, {3, 4}}),
		`array[[1, 2], [3, 4]] -- one dimension`:        refuses[[]int]("dimensions"),
		`array[1] -- two dimensions`:                    refuses[[][]int]("dimensions"),
		`array[[['a"b', 'c,d'], ['{}', null]]]`:         reads([][][]*string{{{ptr(`a"b`), ptr(`c,d`)}, {ptr("{}"), nil}}}),
		`'[0:1]={a,b}'::text[]`:                         reads([]string{"a", "b"}),
		`array['null', 'NULL', '', ' x ', 'a\b']`:       reads([]string{"null", "NULL", "", " x ", `a\b`}),
		`array['\x01'::bytea]`:                          reads([][]byte{{1}}),
		`array['2024-02-29'::date]`:                     reads([]time.Time{noon.Truncate(24 * time.Hour)}),
		`array['good', 'bad "1"']::mood[]`:              reads(moods{"good", `bad "1"`}),
		`array['good', 'bad "1"']::mood[] -- by pgtype`: reads(pgtype.FlatArray[string]{"good", `bad "1"`}),
		`array[[1], [2]]::small[]`:                      reads([][]int{{1}, {2}}),
		`array['\x01', null]::code[]`:                   reads([][]byte{{1}, nil}),
		`array[box '(1,1),(0,0)', box '(2,2),(0,0)']`:   reads([]string{"(1,1),(0,0)", "(2,2),(0,0)"}),
		`array[row(1, 2)::point2, null]`:                reads([]*point{{1, 2}, nil}),
		`array[1, 2] -- by pgtype`:                      reads(pgtype.Array[int]{Elements: []int{1, 2}, Dims: []pgtype.ArrayDimension{{Length: 2, LowerBound: 1}}, Valid: true}),

		`row(1, -2)::point2`: reads(point{1, -2}),
		`null::point2`:       refuses[point]("NULL"),
		`row(row(1, 2)::point2, null, 'a "b" (c, \d)', '\x00ff', '2024-02-29 12:00:00.5+00', array['x', 'y,z'])::line2`: reads(
			line{&point{1, 2}, nil, `a "b" (c, \d)`, []byte{0, 0xff}, noon, []string{"x", "y,z"}}),
		`row('a', row('b', null)::pair)::pair`: reads(node{"a", &node{Name: "b"}}),
		`row(1, 2)::point2 -- fewer`:           refuses[struct{ X int }]("2 fields", "1: they go by order"),
		`row(null, 2)::point2`:                 refuses[point]("field X", "NULL"),
		`row('', null)::pair`:                  reads(node{}),
	} {
		expression, _, _ := strings.Cut(sql, " -- ")
		all := images(t, conn, `select `+expression+` as v`)
		t.Run(sql, func(t *testing.T) { check(t, all[0]) })
	}
}

var zero float64

// Texts that no server writes are errors, not panics.
func TestMalformed(t *testing.T) {
	t.Parallel()
	shape := &hooks.Shape{Schema: "auth", Table: "x", Columns: []string{"v"}, Types: []uint32{pgtype.TextArrayOID}}
	for _, text := range []string{"", "{", "}", "{a", "{a,}", "{,a}", `{"a}`, `{"a"b}`, "{{a}", "{{a},b}", "[0:1]", "[", "{a}}", `{"\`, "{{a}b}"} {
		im := &hooks.Image{Shape: shape, Values: [][]byte{[]byte(text)}}
		if got, err := one[[]string](t, im); err == nil {
			t.Errorf("%s is read as %q", text, got)
		}
	}
	shape = &hooks.Shape{Schema: "auth", Table: "x", Columns: []string{"v"}, Types: []uint32{99999}}
	for _, text := range []string{"", "(", ")", "(1", "(1,2", `("1,2)`, `("1"x,2)`, "(1,2,3)", "(1)", "(a,2)"} {
		im := &hooks.Image{Shape: shape, Values: [][]byte{[]byte(text)}}
		if got, err := one[point](t, im); err == nil {
			t.Errorf("%s is read as %v", text, got)
		}
	}
}

// A user's struct must fit: a column that rows don't have is an error, unless it may be missing.
func TestStrict(t *testing.T) {
	t.Parallel()
	shape := &hooks.Shape{Schema: "own", Table: "x", Columns: []string{"id"}, Types: []uint32{pgtype.Int8OID}, Generated: []string{"made"}}
	im := &hooks.Image{Shape: shape, Values: [][]byte{[]byte("7")}}
	type fits struct {
		ID    int
		Newer *string `db:",optional"`
		Made  int
	}
	if got, err := rowtext.Strict[fits]()(im); err != nil || got != (fits{ID: 7}) {
		t.Errorf("%+v, %v", got, err)
	}
	_, err := rowtext.Strict[struct {
		ID    int
		Newer *string
	}]()(im)
	if err == nil || !strings.Contains(err.Error(), "own.x has no column newer, which field Newer stands for") || !strings.Contains(err.Error(), `db:"newer,optional"`) {
		t.Errorf("it says %v", err)
	}
	unknown := &hooks.Image{Shape: shape, Values: [][]byte{nil}, Unknown: []bool{true}}
	if got, err := rowtext.Strict[fits]()(unknown); err != nil || got.ID != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestSnakeCase(t *testing.T) {
	t.Parallel()
	type row struct {
		ID, UserID, PaidAt, HTTPPort, X, Line2, URL, VATRate, Ünder int
	}
	const want = "id user_id paid_at http_port x line2 url vat_rate ünder"
	if got := strings.Join(rowtext.Columns(reflect.TypeFor[row]()), " "); got != want {
		t.Errorf("got %s", got)
	}
}

// Whatever the text, reading it ends with a value or an error.
func FuzzValue(f *testing.F) {
	for _, text := range []string{`{a,"b \"c\"",NULL,{d,e}}`, `[0:1]={a,b}`, `("(1,2)",,"a ""b""",\\x00,,"{x,""y,z""}")`, `{"(1,2)",NULL}`, `1 day -00:00:01`, `[1,5)`, `\x0`} {
		f.Add(text, uint32(99999))
		f.Add(text, uint32(pgtype.TextArrayOID))
		f.Add(text, uint32(pgtype.IntervalOID))
	}
	f.Fuzz(func(t *testing.T, text string, oid uint32) {
		im := &hooks.Image{Shape: &hooks.Shape{Columns: []string{"v"}, Types: []uint32{oid}}, Values: [][]byte{[]byte(text)}}
		_, _ = one[[]string](t, im)
		_, _ = one[[][]*int](t, im)
		_, _ = one[[]point](t, im)
		_, _ = one[line](t, im)
		_, _ = one[node](t, im)
		_, _ = one[time.Time](t, im)
		_, _ = one[pgtype.Interval](t, im)
		_, _ = one[[]byte](t, im)
	})
}
