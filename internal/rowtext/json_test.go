package rowtext_test

import (
	"encoding/json"
	"testing"

	"github.com/latchkey-dev/latchkey/internal/rowtext"
)

func all(string) (bool, func(json.RawMessage) json.RawMessage) { return true, nil }

// Values come as Postgres writes them.
func TestJSON(t *testing.T) {
	t.Parallel()
	conn := connect(t)
	for sql, want := range map[string]string{
		`null::text`:                            `null`,
		`true`:                                  `true`,
		`false`:                                 `false`,
		`(-32768)::int2`:                        `-32768`,
		`9223372036854775807`:                   `9223372036854775807`,
		`0.1::float8`:                           `0.1`,
		`1e300::float8`:                         `1e+300`,
		`'NaN'::float8`:                         `"NaN"`,
		`'-Infinity'::float8`:                   `"-Infinity"`,
		`12.50::numeric(10,2)`:                  `12.50`,
		`'NaN'::numeric`:                        `"NaN"`,
		`123456789012345678901234567890.1`:      `123456789012345678901234567890.1`,
		`'{"b": 1.0, "a": [null, "<"]}'::jsonb`: `{"a":[null,"<"],"b":1.0}`,
		`'{"b": 1,  "a": 2}'::json`:             `{"b":1,"a":2}`,
		`'null'::jsonb`:                         `null`,
		`'2026-03-01 13:00:00.123456+01'::timestamptz`: `"2026-03-01T12:00:00.123456Z"`,
		`'infinity'::timestamptz`:                      `"infinity"`,
		`'0044-03-15 12:00:00 BC'::timestamptz`:        `"0044-03-15 12:00:00+00 BC"`,
		`'20260-01-01'::timestamptz`:                   `"20260-01-01 00:00:00+00"`,
		`'2026-03-01 13:00:00'::timestamp`:             `"2026-03-01 13:00:00"`,
		`'2026-03-01'::date`:                           `"2026-03-01"`,
		`'a"b\c' || chr(10) || '<é>'`:                  `"a\"b\\c\n<é>"`,
		`'\x00ff'::bytea`:                              `"\\x00ff"`,
		`'6f3c1c5a-0000-0000-0000-000000000001'::uuid`: `"6f3c1c5a-0000-0000-0000-000000000001"`,
		`interval '1 day'`:                             `"1 day"`,
		`array['a', 'b "c"', null, 'NULL', '']`:        `["a","b \"c\"",null,"NULL",""]`,
		`'{}'::text[]`:                                 `[]`,
		`array[[1, 2], [3, null]]`:                     `[[1,2],[3,null]]`,
		`array['NaN', '1.5']::float8[]`:                `["NaN",1.5]`,
		`array[true, false]`:                           `[true,false]`,
		`'[0:1]={1,2}'::int[]`:                         `[1,2]`,
		`array['{"a": 1}', '[]']::jsonb[]`:             `[{"a":1},[]]`,
		`array['2026-03-01 12:00:00+00'::timestamptz]`: `["2026-03-01T12:00:00Z"]`,
		`array['10.0.0.1'::inet]`:                      `["10.0.0.1"]`,
		`array[box '((1,1),(0,0))']`:                   `"{(1,1),(0,0)}"`,
		`row(1, 'a')`:                                  `"(1,a)"`,
		`int4range(1, 5)`:                              `"[1,5)"`,
	} {
		got, err := rowtext.AppendJSON(nil, images(t, conn, "select "+sql+` as "v<"`)[0], all)
		if want := `{"v<":` + want + `}`; err != nil || string(got) != want || !json.Valid(got) {
			t.Errorf("%s: %s, %v; want %s", sql, got, err, want)
		}
	}
}

func TestJSONLeavesColumnsOut(t *testing.T) {
	t.Parallel()
	im := images(t, connect(t), "select 1 as a, 2 as b, 3 as c, 4 as d")[0]
	im.Unknown = []bool{true, false, false, false}
	got, err := rowtext.AppendJSON(nil, im, func(column string) (bool, func(json.RawMessage) json.RawMessage) {
		if column == "d" {
			return true, func(json.RawMessage) json.RawMessage { return json.RawMessage(`"four"`) }
		}
		return column != "b", nil
	})
	if err != nil || string(got) != `{"c":3,"d":"four"}` {
		t.Errorf("%s, %v", got, err)
	}
	im.Values = im.Values[1:]
	if _, err := rowtext.AppendJSON(nil, im, all); err == nil {
		t.Error("a row that lacks a value passed")
	}
}
