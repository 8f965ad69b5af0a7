package listener

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pglogrepl"

	"github.com/latchkey-dev/latchkey/hooks"
)

// wire is a message as the server sends it; its methods append fields.
type wire []byte

func (w wire) u8(v byte) wire              { return append(w, v) }
func (w wire) u16(v uint16) wire           { return binary.BigEndian.AppendUint16(w, v) }
func (w wire) u32(v uint32) wire           { return binary.BigEndian.AppendUint32(w, v) }
func (w wire) u64(v uint64) wire           { return binary.BigEndian.AppendUint64(w, v) }
func (w wire) lsn(v pglogrepl.LSN) wire    { return w.u64(uint64(v)) }
func (w wire) text(s string) wire          { return append(append(w, s...), 0) }
func (w wire) time(at time.Time) wire      { return w.u64(uint64(at.Sub(y2k).Microseconds())) }
func (w wire) sized(content []byte) wire   { return append(w.u32(uint32(len(content))), content...) }
func (w wire) marked(m byte, t tuple) wire { return w.u8(m).tuple(t) }

func (w wire) tuple(t tuple) wire {
	w = w.u16(uint16(len(t)))
	for _, v := range t {
		if w = w.u8(v.kind); v.kind == kindText {
			w = w.sized(v.text)
		}
	}
	return w
}

var y2k = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func txt(s string) value { return value{kind: kindText, text: []byte(s)} }

var (
	null      = value{kind: kindNull}
	unchanged = value{kind: kindUnchanged}
)

func beginWire(commit pglogrepl.LSN, at time.Time, xid uint32) wire {
	return wire("B").lsn(commit).time(at).u32(xid)
}

func commitWire(commit, end pglogrepl.LSN) wire {
	return wire("C").u8(0).lsn(commit).lsn(end).time(y2k)
}

func relationWire(oid uint32, schema, table string, columns ...column) wire {
	w := wire("R").u32(oid).text(schema).text(table).u8('f').u16(uint16(len(columns)))
	for _, c := range columns {
		flags := byte(0)
		if c.key {
			flags = 1
		}
		w = w.u8(flags).text(c.name).u32(c.oid).u32(0xffffffff)
	}
	return w
}

func insertWire(oid uint32, row tuple) wire { return wire("I").u32(oid).marked('N', row) }

// updateWire and deleteWire take the old tuple's marker: O is a whole row, K the key alone, 0 none.
func updateWire(oid uint32, marker byte, old, row tuple) wire {
	w := wire("U").u32(oid)
	if marker != 0 {
		w = w.marked(marker, old)
	}
	return w.marked('N', row)
}

func deleteWire(oid uint32, marker byte, old tuple) wire {
	return wire("D").u32(oid).marked(marker, old)
}

func truncateWire(oids ...uint32) wire {
	w := wire("T").u32(uint32(len(oids))).u8(3)
	for _, oid := range oids {
		w = w.u32(oid)
	}
	return w
}

func messageWire(transactional bool, prefix, content string) wire {
	flags := byte(0)
	if transactional {
		flags = 1
	}
	return wire("M").u8(flags).lsn(0x77).text(prefix).sized([]byte(content))
}

// calls is a sink that writes down what it is told, and may forward it.
type calls struct {
	list []string
	old  tuple // of the last change
	row  tuple
	err  error // what it answers
}

func (c *calls) note(format string, args ...any) error {
	c.list = append(c.list, fmt.Sprintf(format, args...))
	return c.err
}

func (c *calls) begin(m beginMessage) error {
	return c.note("begin %s at %s xid %d", m.commitLSN, m.at.Format(time.RFC3339Nano), m.xid)
}

func (c *calls) commit(m commitMessage) error {
	return c.note("commit %s end %s", m.commitLSN, m.endLSN)
}

func (c *calls) relation(m relationMessage) error {
	columns := make([]string, len(m.columns))
	for i, column := range m.columns {
		star := ""
		if column.key {
			star = "*"
		}
		columns[i] = fmt.Sprintf("%s%s:%d", column.name, star, column.oid)
	}
	return c.note("relation %d %s.%s %c (%s)", m.oid, m.schema, m.table, m.replicaIdentity, strings.Join(columns, " "))
}

func (c *calls) insert(oid uint32, row tuple) error {
	c.old, c.row = nil, row
	return c.note("insert %d %s", oid, showTuple(row))
}

func (c *calls) update(oid uint32, old, row tuple) error {
	c.old, c.row = old, row
	return c.note("update %d %s -> %s", oid, showTuple(old), showTuple(row))
}

func (c *calls) delete(oid uint32, old tuple) error {
	c.old, c.row = old, nil
	return c.note("delete %d %s", oid, showTuple(old))
}

func (c *calls) truncate(oids []uint32) error { return c.note("truncate %v", oids) }

func (c *calls) message(m logicalMessage) error {
	return c.note("message %t %s %s", m.transactional, m.prefix, m.content)
}

func showTuple(t tuple) string {
	if t == nil {
		return "none"
	}
	values := make([]string, len(t))
	for i, v := range t {
		switch v.kind {
		case kindNull:
			values[i] = "null"
		case kindUnchanged:
			values[i] = "unchanged"
		default:
			values[i] = showText(v.text)
		}
	}
	return "(" + strings.Join(values, " ") + ")"
}

// showText quotes text where a reader could take it for something else, and shortens it.
func showText(text []byte) string {
	s := string(text)
	if len(s) > 60 {
		return fmt.Sprintf("%s..%d", strconv.Quote(s[:8]), len(s))
	}
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_.:/-+", r)
	}
	if s == "" || s == "null" || s == "unknown" || s == "unchanged" || strings.TrimFunc(s, plain) != "" {
		return strconv.Quote(s)
	}
	return s
}

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
		{"type", wire("Y").u32(16400).text("public").text("mood"), ""},
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

type captured struct {
	name string
	data []byte
}

// capture reads the seed corpus that testdata/capture.sql made on a real server, in the order of its messages.
func capture(t *testing.T) []captured {
	t.Helper()
	files, err := filepath.Glob("testdata/fuzz/FuzzDecode/[0-9][0-9][0-9]-*")
	if err != nil || len(files) == 0 {
		t.Fatalf("the seed corpus is missing: %v", err)
	}
	list := make([]captured, len(files))
	for i, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		quoted, found := strings.CutPrefix(strings.TrimSpace(string(content)), "go test fuzz v1\n[]byte(")
		data, err := strconv.Unquote(strings.TrimSuffix(quoted, ")"))
		if !found || err != nil {
			t.Fatalf("%s is no corpus file: %v", file, err)
		}
		list[i] = captured{filepath.Base(file), []byte(data)}
	}
	return list
}

// TestCapture shows what a real server sends, what the decoder makes of it and which events that becomes; -rewrite
// writes it anew.
func TestCapture(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	w := newWorld()
	w.owners["public.role_permissions"] = []string{"tenant_id", "role_id"}
	w.keys = map[string][]string{"public.roles": {"tenant_id", "id"}, "public.wide": {"id"}, "public.role_permissions": {"tenant_id", "role_id", "permission"}, "public.parent": {"id", "at"}}
	for _, c := range capture(t) {
		var got calls
		var d decoder
		if err := d.decode(c.data, &got); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if len(got.list) == 0 {
			got.list = []string{strings.TrimLeft(c.name, "0123456789-")}
		}
		fmt.Fprintln(&out, got.list[0])
		if err := w.send(c.data); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		for _, line := range w.output() {
			fmt.Fprintln(&out, "    "+line)
		}
	}
	golden(t, "testdata/capture.txt", out.String())
}

// FuzzDecode: no message makes the decoder panic; one that decodes has exactly one length at which it does; and what it
// tells of becomes an event that survives the log.
func FuzzDecode(f *testing.F) {
	for _, c := range decodeCases() {
		f.Add([]byte(c.message))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		given := bytes.Clone(data)
		var d decoder
		var first, again calls
		err := d.decode(data, &first)
		if err2 := d.decode(data, &again); (err == nil) != (err2 == nil) || strings.Join(first.list, "\n") != strings.Join(again.list, "\n") {
			t.Fatalf("the same message decodes as %q (%v), then as %q (%v)", first.list, err, again.list, err2)
		}
		if err != nil {
			if len(first.list) > 0 {
				t.Fatalf("%v, but it was handed on: %q", err, first.list)
			}
			return
		}
		var none calls
		for n := range min(len(data), 200) {
			if err := d.decode(data[:n:n], &none); err == nil {
				t.Fatalf("its first %d of %d bytes decode as well", n, len(data))
			}
		}
		if err := d.decode(append(bytes.Clone(data), 0), &none); err == nil {
			t.Fatal("with a byte more it decodes as well")
		}
		if strings.IndexByte("IUD", data[0]) >= 0 {
			if err := d.decode(data, &first); err != nil {
				t.Fatal(err)
			}
			fuzzEvent(t, binary.BigEndian.Uint32(data[1:]), data, max(len(first.old), len(first.row)))
		}
		if !bytes.Equal(data, given) {
			t.Fatal("the message was changed")
		}
	})
}

// fuzzEvent assembles a change of a table with so many columns.
func fuzzEvent(t *testing.T, oid uint32, change []byte, columns int) {
	t.Helper()
	shape := &hooks.Shape{ID: 1, Schema: "auth", Table: "roles", Columns: make([]string, columns), Types: make([]uint32, columns)}
	for i := range shape.Columns {
		shape.Columns[i] = fmt.Sprint("c", i)
	}
	if columns > 1 {
		shape.Columns[0], shape.Key = "tenant_id", []string{"tenant_id", "c1"}
	}
	for _, owner := range [][]string{nil, {"tenant_id", "c1"}} {
		w := newWorld()
		w.a.tables[oid] = newTable(shape, owner)
		var d decoder
		for _, m := range []wire{beginWire(0x10, y2k, 1), messageWire(true, "latchkey", `{"actor":"fuzz"}`), change, commitWire(0x10, 0x20)} {
			if err := d.decode(m, w.a); err != nil {
				if strings.Contains(err.Error(), "values for") { // old and new row of different lengths
					return
				}
				t.Fatal(err)
			}
		}
		for _, ev := range w.stored.events {
			requireRoundTrip(t, ev)
		}
	}
}
