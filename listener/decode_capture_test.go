package listener

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/latchkey-dev/latchkey/hooks"
)

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
		w.a.tables[oid] = newTable(shape, owner, "")
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
