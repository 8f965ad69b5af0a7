package listener

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"
)

type decodeCase struct {
	name    string
	message wire
	want    string // "" for a message that nobody needs to hear of
}

// decodeCases has every message of protocol version 1.
func decodeCases() []decodeCase {
	at := time.Date(2024, 5, 6, 7, 8, 9, 123456000, time.UTC)
	return []decodeCase{
		{"begin", beginWire(0x1_00000002, at, 4294967295), "begin 1/2 at 2024-05-06T07:08:09.123456Z xid 4294967295"},
		{"begin before 2000", beginWire(1, time.Date(1999, 12, 31, 23, 59, 59, 0, time.UTC), 0), "begin 0/1 at 1999-12-31T23:59:59Z xid 0"},
		{"commit", commitWire(0xfffffff0, 0x1_00000010), "commit 0/FFFFFFF0 end 1/10"},
		{
			"relation", relationWire(16384, "auth", "roles", column{true, "tenant_id", 25}, column{true, "id", 25}, column{false, "naïve ☃", 1043}),
			"relation 16384 auth.roles f (tenant_id*:25 id*:25 naïve ☃:1043)",
		},
		{"relation of pg_catalog", relationWire(1, "", "pg_class", column{false, "oid", 26}), "relation 1 pg_catalog.pg_class f (oid:26)"},
		{"relation without columns", relationWire(1, "public", "empty"), "relation 1 public.empty f ()"},
		{"insert", insertWire(7, tuple{txt("a"), null, txt(""), txt("null")}), `insert 7 (a null "" "null")`},
		{"insert of bytes that look like fields", insertWire(7, tuple{txt("N\x00\x01t"), txt("n")}), `insert 7 ("N\x00\x01t" n)`},
		{"update with the old row", updateWire(7, 'O', tuple{txt("a"), null}, tuple{txt("b"), unchanged}), "update 7 (a null) -> (b unchanged)"},
		{"update without an old row", updateWire(7, 0, nil, tuple{txt("b"), unchanged}), "update 7 none -> (b unchanged)"},
		// The server sends NULL for what is no part of the key: it was not sent, and nobody may take it for NULL.
		{"update with the old key", updateWire(7, 'K', tuple{txt("a"), null}, tuple{txt("b"), null}), "update 7 (a unchanged) -> (b null)"},
		{"delete with the old row", deleteWire(7, 'O', tuple{txt("a"), null}), "delete 7 (a null)"},
		{"delete with the old key", deleteWire(7, 'K', tuple{txt("a"), null}), "delete 7 (a unchanged)"},
		{"truncate", truncateWire(7), "truncate [7]"},
		{"truncate of many", truncateWire(7, 8, 4294967295), "truncate [7 8 4294967295]"},
		{"truncate of none", truncateWire(), "truncate []"},
		{"message", messageWire(true, "latchkey", `{"actor":"a"}`), `message true latchkey {"actor":"a"}`},
		{"message outside transactions", messageWire(false, "", ""), "message false  "},
		{"type", wire("Y").u32(16400).text("public").text("mood"), "type 16400 public.mood"},
		{"origin", wire("O").lsn(0xabcdef).text("elsewhere"), ""},
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	for _, c := range decodeCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got calls
			var d decoder
			if err := d.decode(c.message, &got); err != nil {
				t.Fatal(err)
			}
			if s := strings.Join(got.list, "\n"); s != c.want {
				t.Errorf("got  %s\nwant %s", s, c.want)
			}
		})
	}
}

// A message that ends too early, or goes on, is an error, and nothing was done on its account.
func TestDecodeWrongLength(t *testing.T) {
	t.Parallel()
	messages := decodeCases()
	for _, c := range capture(t) {
		messages = append(messages, decodeCase{name: c.name, message: c.data})
	}
	for _, c := range messages {
		var got calls
		var d decoder
		for n := range c.message {
			if err := d.decode(c.message[:n:n], &got); !errors.Is(err, errShort) {
				t.Errorf("%s: the first %d of %d bytes: error %v, want %v", c.name, n, len(c.message), err, errShort)
			}
		}
		for _, more := range []string{"\x00", "N", "more"} {
			if err := d.decode(append(bytes.Clone(c.message), more...), &got); err == nil {
				t.Errorf("%s: %d bytes more are no error", c.name, len(more))
			}
		}
		if len(got.list) > 0 {
			t.Errorf("%s: broken messages were handed on: %q", c.name, got.list)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	row := tuple{txt("a")}
	binaryValue := wire{}.u16(1).u8('b').sized([]byte{0, 0, 0, 1})
	for name, c := range map[string]struct {
		message wire
		want    string
	}{
		"binary value":          {append(wire("I").u32(7).u8('N'), binaryValue...), `value kind 'b' is unexpected`},
		"binary old value":      {append(wire("D").u32(7).u8('O'), binaryValue...), `value kind 'b' is unexpected`},
		"unknown value":         {wire("I").u32(7).u8('N').u16(1).u8('x'), `value kind 'x' is unexpected`},
		"insert with old row":   {wire("I").u32(7).marked('O', row), `tuple marker 'O' is unexpected`},
		"insert with old key":   {wire("I").u32(7).marked('K', row), `tuple marker 'K' is unexpected`},
		"delete with new row":   {deleteWire(7, 'N', row), `tuple marker 'N' is unexpected`},
		"update with two old":   {wire("U").u32(7).marked('O', row).marked('O', row), `tuple marker 'O' is unexpected`},
		"update, marker x":      {wire("U").u32(7).marked('x', row), `tuple marker 'x' is unexpected`},
		"begin of protocol 2":   {wire("S").u32(1).u8(1), `message 'S': its kind is unknown`},
		"begin prepare":         {wire("b").lsn(1).lsn(2).time(y2k).u32(1).text("gid"), `message 'b': its kind is unknown`},
		"the empty message":     {wire{}, errShort.Error()},
		"text without its zero": {wire("O").lsn(1).u8('a').u8('b'), errShort.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got calls
			var d decoder
			err := d.decode(c.message, &got)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if len(got.list) > 0 {
				t.Errorf("it was handed on: %q", got.list)
			}
		})
	}
}

func TestDecodeUnknownKinds(t *testing.T) {
	t.Parallel()
	for kind := range 256 {
		if strings.IndexByte("BCRIUDTMYO", byte(kind)) >= 0 {
			continue
		}
		var d decoder
		if err := d.decode(wire{byte(kind)}.u64(0).u64(0), &calls{}); err == nil || !strings.Contains(err.Error(), "its kind is unknown") {
			t.Errorf("kind %d: error %v", kind, err)
		}
	}
}

// Counts and lengths are the sender's word: they may not cost memory that the message does not have. (Not parallel: it
// measures what the process allocates.)
func TestDecodeHostileCounts(t *testing.T) { //nolint:paralleltest // see above
	for name, message := range map[string]wire{
		"truncated relations": wire("T").u32(0xffffffff).u8(0).u32(1),
		"columns":             wire("R").u32(1).text("s").text("t").u8('f').u16(0xffff),
		"values":              wire("I").u32(1).u8('N').u16(0xffff).u8('n'),
		"text":                wire("I").u32(1).u8('N').u16(1).u8('t').u32(0xffffffff),
		"content":             wire("M").u8(1).lsn(1).text("latchkey").u32(0xffffffff),
	} {
		var before, after runtime.MemStats
		var d decoder
		runtime.ReadMemStats(&before)
		err := d.decode(message, &calls{})
		runtime.ReadMemStats(&after)
		if !errors.Is(err, errShort) {
			t.Errorf("%s: error %v, want %v", name, err, errShort)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Errorf("%s: %d bytes were allocated for a message of %d", name, n, len(message))
		}
	}
}

// A decoder uses its tuples again; nothing of one message may show in the next.
func TestDecodeReuse(t *testing.T) {
	t.Parallel()
	var got calls
	var d decoder
	for _, m := range []wire{
		updateWire(7, 'O', tuple{txt("a"), txt("b"), txt("c")}, tuple{txt("d"), txt("e"), txt("f")}),
		insertWire(7, tuple{null, unchanged}),
		updateWire(7, 0, nil, tuple{txt("")}),
		deleteWire(7, 'K', tuple{txt("k"), null}),
	} {
		if err := d.decode(m, &got); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"update 7 (a b c) -> (d e f)", "insert 7 (null unchanged)", `update 7 none -> ("")`, "delete 7 (k unchanged)"}
	if strings.Join(got.list, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q\nwant %q", got.list, want)
	}
}

func TestDecodeEmptyIsNotNull(t *testing.T) {
	t.Parallel()
	var got calls
	var d decoder
	message := insertWire(7, tuple{null, txt("")}) // the empty text is the last thing in the message
	if err := d.decode(message[:len(message):len(message)], &got); err != nil {
		t.Fatal(err)
	}
	if v := got.row[0]; v.kind != kindNull || v.text != nil {
		t.Errorf("NULL arrives as %+v", v)
	}
	if v := got.row[1]; v.kind != kindText || v.text == nil || len(v.text) != 0 {
		t.Errorf("the empty text arrives as %+v", v)
	}
}

func TestDecodePassesErrorsOn(t *testing.T) {
	t.Parallel()
	for _, c := range decodeCases() {
		if c.want == "" {
			continue
		}
		refuses := calls{err: errors.New("no")}
		var d decoder
		if err := d.decode(c.message, &refuses); !errors.Is(err, refuses.err) {
			t.Errorf("%s: error %v, want the sink's", c.name, err)
		}
	}
}
