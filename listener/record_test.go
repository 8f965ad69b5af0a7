package listener

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/latchkey-dev/latchkey/hooks"
)

var rolesShape = &hooks.Shape{
	ID: 42, Schema: "auth", Table: "roles", Columns: []string{"tenant_id", "id", "name"}, Types: []uint32{25, 25, 25}, Key: []string{"tenant_id", "id"},
}

// image3 is a row of rolesShape.
func image3(values ...[]byte) *hooks.Image { return &hooks.Image{Shape: rolesShape, Values: values} }

// baseEvent is an event with all that every event has.
func baseEvent(op hooks.Operation) *hooks.Event {
	return &hooks.Event{
		CommitLSN: 0xab_00000cde, Ordinal: 3, XID: 4294967295, CommittedAt: time.Date(2024, 5, 6, 7, 8, 9, 123456000, time.UTC),
		Table: "auth.roles", Shape: rolesShape, Operation: op, Key: "r1", TenantID: "t1", Attempt: 1,
	}
}

// inLog is the JSON array that a batch of the log is.
func inLog(events ...*hooks.Event) []byte {
	data := []byte{'['}
	for i, ev := range events {
		if i > 0 {
			data = append(data, ",\n"...)
		}
		data = appendEvent(data, ev)
	}
	return append(data, ']')
}

func knows(s *hooks.Shape) func(int64) (*hooks.Shape, error) {
	return func(id int64) (*hooks.Shape, error) {
		if id != s.ID {
			return nil, errors.New("no such relation")
		}
		return s, nil
	}
}

// requireRoundTrip writes an event to the log, reads it back and wants the same.
func requireRoundTrip(t *testing.T, ev *hooks.Event) {
	t.Helper()
	if invalidText(ev) {
		return
	}
	data := inLog(ev)
	back, err := parseEvents(data, 7, knows(ev.Shape))
	if err != nil {
		t.Fatalf("%v in %q", err, data)
	}
	want := *ev
	want.Seq = 7
	if len(back) != 1 || !reflect.DeepEqual(back[0], &want) {
		t.Fatalf("got  %s\nwant %s\nby way of %q", describeEvent(back[0]), describeEvent(&want), data)
	}
	if again := inLog(back[0]); !bytes.Equal(again, data) {
		t.Fatalf("written again it is %q, first it was %q", again, data)
	}
}

// invalidText reports whether an event holds what a UTF-8 database can't.
func invalidText(ev *hooks.Event) bool {
	for _, im := range append([]*hooks.Image{ev.Old, ev.New}, ev.Rows...) {
		if im != nil && !utf8.Valid(bytes.Join(im.Values, nil)) {
			return true
		}
		if im != nil && bytes.IndexByte(bytes.Join(im.Values, nil), 0) >= 0 {
			return true
		}
	}
	return false
}

func describeEvent(ev *hooks.Event) string {
	return fmt.Sprintf("%+v %s", *ev, showEvent(ev))
}

func TestRecordRoundTrip(t *testing.T) {
	t.Parallel()
	row := image3([]byte("t1"), []byte("r1"), []byte("name"))
	other := image3([]byte("t1"), []byte("r0"), nil)
	for name, change := range map[string]func() *hooks.Event{
		"insert": func() *hooks.Event { ev := baseEvent(hooks.Insert); ev.New = row; return ev },
		"update": func() *hooks.Event {
			ev := baseEvent(hooks.Update)
			ev.Old, ev.New = other, row
			return ev
		},
		"update without an old row": func() *hooks.Event { ev := baseEvent(hooks.Update); ev.New = row; return ev },
		"update of the key": func() *hooks.Event {
			ev := baseEvent(hooks.Update)
			ev.Old, ev.New, ev.OldTenantID, ev.OldKey = other, row, "t0", "r0"
			return ev
		},
		"update of the key of a table without tenants": func() *hooks.Event {
			ev := baseEvent(hooks.Update)
			ev.Old, ev.New, ev.TenantID, ev.OldKey = other, row, "", "r0"
			return ev
		},
		"update from an empty key": func() *hooks.Event {
			ev := baseEvent(hooks.Update)
			ev.Old, ev.New, ev.OldTenantID, ev.OldKey = other, row, "t0", ""
			return ev
		},
		"update with unknown columns": func() *hooks.Event {
			ev := baseEvent(hooks.Update)
			ev.Old = &hooks.Image{Shape: rolesShape, Values: [][]byte{[]byte("t1"), nil, nil}, Unknown: []bool{false, true, true}}
			ev.New = &hooks.Image{Shape: rolesShape, Values: [][]byte{[]byte("t1"), []byte("r1"), nil}, Unknown: []bool{false, false, true}}
			return ev
		},
		"delete":   func() *hooks.Event { ev := baseEvent(hooks.Delete); ev.Old = row; return ev },
		"truncate": func() *hooks.Event { ev := baseEvent(hooks.Truncate); ev.Key, ev.TenantID = "", ""; return ev },
		"assign":   func() *hooks.Event { ev := baseEvent(hooks.Assign); ev.Rows = []*hooks.Image{row, other}; return ev },
		"remove":   func() *hooks.Event { ev := baseEvent(hooks.Remove); ev.Rows = []*hooks.Image{row}; return ev },
		"assign with unknown columns": func() *hooks.Event {
			ev := baseEvent(hooks.Assign)
			ev.Rows = []*hooks.Image{row, {Shape: rolesShape, Values: [][]byte{[]byte("t1"), []byte("r1"), nil}, Unknown: []bool{false, false, true}}}
			return ev
		},
		"stamped": func() *hooks.Event {
			ev := baseEvent(hooks.Insert)
			ev.New, ev.RawStamp = row, []byte("{\"actor\": \"anna\",\n \"cause\": {\"seq\": 9007199254740993}}")
			return ev
		},
		"all zero": func() *hooks.Event {
			return &hooks.Event{CommittedAt: time.Unix(0, 0).UTC(), Table: "auth.roles", Shape: rolesShape, Operation: hooks.Truncate, Attempt: 1}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireRoundTrip(t, change())
		})
	}
}

// oddTexts are what makes careless encoders fail.
func oddTexts() []string {
	controls := make([]byte, 0, 0x21)
	for c := byte(1); c <= 0x20; c++ { // a text can't hold NUL
		controls = append(controls, c)
	}
	return []string{
		"", " ", "null", `"`, `\`, `\\"`, `\u0041`, "tab\tline\nreturn\r", string(controls), "\x7f", "\u2028\u2029", "\u0085", "\ufeff", "\ufffd",
		"☃", "😀", "👩‍👩‍👧", "\U0010ffff", "<script>&amp;</script>", `{"a":[1]}`, `[null]`, "'quoted'", "a/b", "%s%d", strings.Repeat("long \"\\\n☃ ", 5_000),
	}
}

func TestRecordOddText(t *testing.T) {
	t.Parallel()
	for _, text := range oddTexts() {
		ev := baseEvent(hooks.Update)
		ev.Key, ev.TenantID, ev.OldTenantID, ev.OldKey = "k"+text, text, text, "o"+text
		ev.Old = image3([]byte(text), nil, []byte("beside"+text))
		ev.New = image3(nil, []byte(text), []byte{})
		requireRoundTrip(t, ev)
		ev = baseEvent(hooks.Assign)
		ev.Rows = []*hooks.Image{image3([]byte(text), nil, []byte(text))}
		requireRoundTrip(t, ev)
	}
}

// NULL, the empty text and the text "null" are three things.
func TestRecordTellsNullFromEmpty(t *testing.T) {
	t.Parallel()
	ev := baseEvent(hooks.Insert)
	ev.New = image3(nil, []byte{}, []byte("null"))
	back, err := parseEvents(inLog(ev), 1, knows(rolesShape))
	if err != nil {
		t.Fatal(err)
	}
	v := back[0].New.Values
	if v[0] != nil || v[1] == nil || len(v[1]) != 0 || string(v[2]) != "null" {
		t.Errorf("they came back as %q", v)
	}
}

// The log is read in SQL too (latchkey.events), so it has to be JSON in Postgres' eyes.
func TestRecordIsJSON(t *testing.T) {
	t.Parallel()
	ev := baseEvent(hooks.Update)
	ev.Old, ev.New = image3(nil, []byte("r1"), []byte("\x01\"\\")), image3([]byte("t1"), []byte("r1"), []byte("x"))
	ev.Old.Unknown = []bool{true, false, false}
	ev.RawStamp = []byte(`{"actor":"a"}`)
	const want = `{"lsn":"ab/cde","ord":3,"xid":4294967295,"at":"2024-05-06T07:08:09.123456Z","rel":42,"op":"update","key":"r1","tenant":"t1",` +
		`"stamp":{"actor":"a"},"old":[null,"r1","\u0001\"\\"],"old_unknown":[0],"new":["t1","r1","x"]}`
	if got := string(appendEvent(nil, ev)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestParseEventsNumbers(t *testing.T) {
	t.Parallel()
	data := inLog(baseEvent(hooks.Truncate), baseEvent(hooks.Truncate), baseEvent(hooks.Truncate))
	events, err := parseEvents(data, 100, knows(rolesShape))
	if err != nil || len(events) != 3 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	for i, ev := range events {
		if ev.Seq != 100+int64(i) {
			t.Errorf("event %d of batch 100 has seq %d", i, ev.Seq)
		}
	}
}

func TestParseEventsRefuses(t *testing.T) {
	t.Parallel()
	whole := string(inLog(baseEvent(hooks.Truncate)))
	with := func(old, now string) string {
		if !strings.Contains(whole, old) {
			t.Fatalf("%q is not in %q", old, whole)
		}
		return strings.Replace(whole, old, now, 1)
	}
	for name, c := range map[string]struct{ data, want string }{
		"nothing":           {"", "stored batch 5"},
		"no array":          {`{"lsn":"0/1"}`, "stored batch 5"},
		"cut off":           {whole[:len(whole)-3], "stored batch 5"},
		"more":              {whole + "]", "stored batch 5"},
		"LSN":               {with(`"ab/cde"`, `"here"`), "stored event 5"},
		"no LSN":            {with(`"lsn":"ab/cde",`, ``), "stored event 5"},
		"operation":         {with(`"truncate"`, `"merge"`), `unknown operation "merge"`},
		"no operation":      {with(`"op":"truncate",`, ``), `unknown operation ""`},
		"relation":          {with(`"rel":42`, `"rel":43`), "stored event 5: no such relation"},
		"time":              {with(`"2024-05-06T07:08:09.123456Z"`, `"yesterday"`), "stored batch 5"},
		"values no texts":   {with(`"key":"r1"`, `"key":"r1","new":[1,2,3]`), "stored batch 5"},
		"too few values":    {with(`"key":"r1"`, `"key":"r1","new":["t1","r1"]`), "stored event 5"},
		"too many values":   {with(`"key":"r1"`, `"key":"r1","old":["t1","r1","a","b"]`), "stored event 5"},
		"too few in a set":  {with(`"key":"r1"`, `"key":"r1","rows":[["t1","r1","a"],["t1"]]`), "stored event 5"},
		"an unknown column": {with(`"key":"r1"`, `"key":"r1","new":["t1","r1",null],"unknown":[3]`), "stored event 5"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events, err := parseEvents([]byte(c.data), 5, knows(rolesShape))
			if err == nil {
				t.Fatalf("it is read as %s", describeEvent(events[0]))
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %q, want %q in it", err, c.want)
			}
		})
	}
}

func TestValidStamp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stamp string
		want  bool
	}{
		"empty object":       {`{}`, true},
		"object":             {`{"actor":"anna","geoip":{"latitude":1.5e1}}`, true},
		"space around":       {" \n{}\t", true},
		"emoji":              {`{"a":"😀"}`, true},
		"escaped emoji":      {`{"a":"\ud83d\ude00"}`, true},
		"escaped backslash":  {`{"a":"\\ud83d"}`, true},
		"largest":            {`{"a":"` + strings.Repeat("x", 64<<10-8) + `"}`, true},
		"nothing":            {``, false},
		"array":              {`[{}]`, false},
		"text":               {`"{}"`, false},
		"null":               {`null`, false},
		"cut off":            {`{"a":`, false},
		"two":                {`{}{}`, false},
		"too large":          {`{"a":"` + strings.Repeat("x", 64<<10-7) + `"}`, false},
		"no UTF-8":           {"{\"a\":\"\xff\"}", false},
		"NUL":                {`{"a":"\u0000"}`, false},
		"raw control":        {"{\"a\":\"\x01\"}", false},
		"half an emoji":      {`{"a":"\ud83d"}`, false},
		"half, then text":    {`{"a":"\uD83Dx"}`, false},
		"half, then escape":  {`{"a":"\ud83d\u0041"}`, false},
		"the other half":     {`{"a":"\ude00"}`, false},
		"half of a name":     {`{"\ud83d":1}`, false},
		"too large a number": {`{"a":1e999999}`, false},
		"too fine a number":  {`{"a":1e-999999}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Postgres takes none of the refused ones as json, and as jsonb: one in the log, and the view fails for all.
			if got := validStamp([]byte(c.stamp)); got != c.want {
				t.Errorf("validStamp is %t, want %t", got, c.want)
			}
		})
	}
}

// FuzzRecord: whatever a row says, what comes back from the log is what went in.
func FuzzRecord(f *testing.F) {
	for i, text := range oddTexts() {
		if len(text) < 1000 {
			f.Add(byte(i%6+1), uint16(i*37), text, oddTexts()[(i+5)%20], "r1", []byte(`{"actor":"a"}`))
		}
	}
	f.Add(byte(hooks.Update), uint16(0xffff), "", "", "", []byte(`{"a":"\ud800"}`))
	f.Fuzz(func(t *testing.T, op byte, bits uint16, one, two, three string, stamp []byte) {
		for _, s := range []string{one, two, three} {
			if !utf8.ValidString(s) || strings.Contains(s, "\x00") {
				return // no text of a UTF-8 database
			}
		}
		bit := func(n int) bool { return bits>>n&1 == 1 }
		row := func(from int, values ...string) *hooks.Image {
			im := image3(nil, nil, nil)
			for i, v := range values {
				if bit(from + i) {
					im.Values[i] = []byte(v)
				} else if bit(15) {
					if im.Unknown == nil {
						im.Unknown = make([]bool, 3)
					}
					im.Unknown[i] = true
				}
			}
			return im
		}
		ev := baseEvent(hooks.Operation(op%6 + 1))
		ev.Key, ev.TenantID, ev.Ordinal, ev.XID = one, two, int64(bits), uint32(bits)*65537
		switch ev.Operation {
		case hooks.Insert:
			ev.New = row(0, one, two, three)
		case hooks.Update:
			ev.New = row(0, one, two, three)
			if bit(12) {
				ev.Old = row(3, two, three, one)
				ev.OldKey, ev.OldTenantID = three, one
			}
		case hooks.Delete:
			ev.Old = row(0, one, two, three)
		case hooks.Assign, hooks.Remove:
			ev.Rows = []*hooks.Image{row(0, one, two, three), row(3, three, two, one)}
		}
		if trimmed := bytes.TrimSpace(stamp); validStamp(trimmed) {
			ev.RawStamp = trimmed
		}
		requireRoundTrip(t, ev)
		if data := appendEvent(nil, ev); !json.Valid(data) || bytes.ContainsAny(data, "\x00") {
			t.Fatalf("not JSON: %q", data)
		}
	})
}
