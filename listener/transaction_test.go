package listener

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pglogrepl"
	"pgregory.net/rapid"

	"github.com/latchkey-dev/latchkey/hooks"
)

var rewrite = flag.Bool("rewrite", false, "write the expected output in testdata anew, to be reviewed as a diff")

// golden compares got with a file of testdata.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := string(content); got != want {
		g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
		n := 0
		for n < min(len(g), len(w)) && g[n] == w[n] {
			n++
		}
		upTo := func(lines []string) string { return strings.Join(lines[max(0, n-3):min(len(lines), n+4)], "\n") }
		t.Errorf("%s:%d is otherwise (go test -run %s -rewrite writes it anew). Got\n%s\nwant\n%s", file, n+1, t.Name(), upTo(g), upTo(w))
	}
}

// world is an assembler with what surrounds it: the server's log, which is sent again after a restart, and the storage
// that its chunks go to.
type world struct {
	a      *assembler
	d      decoder
	owners map[string][]string // of the sets
	keys   map[string][]string // primary keys, where the stream doesn't mark them
	shapes []*hooks.Shape
	names  map[string]uint32

	log     []wire
	stored  storedState
	history []storedState // after each chunk, and before the first
	out     []string
}

// storedState is what is durable. A value of it is never changed.
type storedState struct {
	at     position
	events []*hooks.Event
	spool  map[pglogrepl.LSN][]spooled
}

func newWorld() *world {
	w := &world{owners: map[string][]string{}, names: map[string]uint32{}}
	w.history = []storedState{w.stored}
	w.start()
	return w
}

// start begins at what is stored, with an assembler that knows nothing else.
func (w *world) start() {
	w.a = &assembler{
		done: w.stored.at.done, partial: w.stored.at.partial, partialAt: w.stored.at.partialAt, tables: map[uint32]*table{},
		describe: w.describe,
		emit:     w.store,
		reload:   func(lsn pglogrepl.LSN) ([]spooled, error) { return w.stored.spool[lsn], nil },
	}
}

func (w *world) describe(m relationMessage) (*table, error) {
	shape := &hooks.Shape{Schema: m.schema, Table: m.table, Key: []string{}}
	for _, c := range m.columns {
		shape.Columns, shape.Types = append(shape.Columns, c.name), append(shape.Types, c.oid)
		if c.key {
			shape.Key = append(shape.Key, c.name)
		}
	}
	if key := w.keys[shape.Name()]; key != nil {
		shape.Key = key
	}
	known := slices.IndexFunc(w.shapes, func(s *hooks.Shape) bool {
		return s.Name() == shape.Name() && slices.Equal(s.Columns, shape.Columns) && slices.Equal(s.Types, shape.Types) && slices.Equal(s.Key, shape.Key)
	})
	if known < 0 {
		shape.ID = int64(len(w.shapes) + 1)
		w.shapes = append(w.shapes, shape)
		known = len(w.shapes) - 1
	}
	return newTable(w.shapes[known], w.owners[shape.Name()]), nil
}

// store does with a chunk what inbox.put and ingest do.
func (w *world) store(c chunk) {
	s := storedState{at: w.stored.at, events: slices.Clip(w.stored.events), spool: maps.Clone(w.stored.spool)}
	if s.spool == nil {
		s.spool = map[pglogrepl.LSN][]spooled{}
	}
	line := fmt.Sprintf("chunk to %d", c.ordinal)
	if len(c.spool) > 0 {
		s.spool[c.commitLSN] = append(slices.Clip(s.spool[c.commitLSN]), c.spool...)
		line += fmt.Sprintf(", %d spooled", len(c.spool))
	}
	if c.unspool {
		line += fmt.Sprintf(", %d unspooled", len(s.spool[c.commitLSN]))
		delete(s.spool, c.commitLSN)
	}
	if c.endLSN != 0 {
		s.at.done, s.at.partial, s.at.partialAt = c.endLSN, 0, 0
		line += fmt.Sprintf(", ends %s", c.endLSN)
	} else {
		s.at.partial, s.at.partialAt = c.commitLSN, c.ordinal
		line += ", goes on"
	}
	w.out = append(w.out, line)
	for i, ev := range c.events {
		if n := len(s.events); n > 0 {
			before := s.events[n-1]
			if ev.CommitLSN < before.CommitLSN || ev.CommitLSN == before.CommitLSN && ev.Ordinal <= before.Ordinal {
				w.out = append(w.out, fmt.Sprintf("STORED TWICE OR OUT OF ORDER: %s %d after %s %d", ev.CommitLSN, ev.Ordinal, before.CommitLSN, before.Ordinal))
			}
		}
		s.events = append(s.events, ev)
		switch {
		case len(c.events) <= 8 || i < 2 || i == len(c.events)-1:
			w.out = append(w.out, "  "+showEvent(ev))
			if back, err := parseEvents(inLog(ev), 1, knows(ev.Shape)); err != nil || showEvent(back[0]) != showEvent(ev) {
				w.out = append(w.out, fmt.Sprintf("LOST IN THE LOG: %s %v", showEvent(ev), err))
			}
		case i == 2:
			w.out = append(w.out, fmt.Sprintf("  ... %d more", len(c.events)-3))
		}
	}
	w.stored = s
	w.history = append(w.history, s)
}

// send brings a message as the server does.
func (w *world) send(m wire) error {
	w.log = append(w.log, m)
	return w.d.decode(m, w.a)
}

// restart begins anew where storage stood before the last chunks, and has the whole log sent again: the server leaves
// out what it knows to be acknowledged, but the assembler must not depend on that.
func (w *world) restart(lost int) error {
	w.history = w.history[:len(w.history)-lost]
	w.stored = w.history[len(w.history)-1]
	w.start()
	line := fmt.Sprintf("starts at %s", w.stored.at.done)
	if w.stored.at.partial != 0 {
		line += fmt.Sprintf(", inside of %s after %d", w.stored.at.partial, w.stored.at.partialAt)
	}
	w.out = append(w.out, line)
	for _, m := range w.log {
		if err := w.d.decode(m, w.a); err != nil {
			return err
		}
	}
	return nil
}

// output is what happened since the last call.
func (w *world) output() []string {
	out := w.out
	w.out = nil
	return out
}

func showEvent(ev *hooks.Event) string {
	s := fmt.Sprintf("%d %s %s %s|%s", ev.Ordinal, ev.Operation, ev.Table, ev.TenantID, ev.Key)
	if ev.OldKey != "" || ev.OldTenantID != "" {
		s += fmt.Sprintf(" was %s|%s", ev.OldTenantID, ev.OldKey)
	}
	if ev.Old != nil {
		s += " old" + showImage(ev.Old)
	}
	if ev.New != nil {
		s += " new" + showImage(ev.New)
	}
	for i, row := range ev.Rows {
		switch {
		case len(ev.Rows) <= 6 || i < 2 || i == len(ev.Rows)-1:
			s += " " + showImage(row)
		case i == 2:
			s += fmt.Sprintf(" ..%d more..", len(ev.Rows)-3)
		}
	}
	if len(ev.RawStamp) > 0 {
		s += " by " + string(ev.RawStamp)
	}
	return s
}

func showImage(im *hooks.Image) string {
	values := make([]string, len(im.Values))
	for i, v := range im.Values {
		switch {
		case im.IsUnknown(i):
			values[i] = "unknown"
		case v == nil:
			values[i] = "null"
		default:
			values[i] = showText(v)
		}
	}
	return "(" + strings.Join(values, " ") + ")"
}

// TestTranscripts plays the scenarios in testdata/transcripts. A line is a message of the stream; indented below it is
// what comes of it. -rewrite writes the indented lines anew.
//
//	table 10 auth.roles tenant_id* id* name:1043   Relation: columns, those of the key starred, with type OIDs
//	begin 0/100                                     Begin: the commit's LSN
//	stamp {...}                                     a transactional message with prefix latchkey
//	message other {...}                             with another prefix
//	beside latchkey {...}                           one that belongs to no transaction
//	insert auth.roles t1 r1 'a name'                values: word, 'any text', null, unchanged, x*1000
//	update auth.roles t1 r1 a -> t1 r1 b            old and new row; no old one: update auth.roles -> t1 r1 b
//	update auth.roles key t1 r1 null -> t1 r2 b     K, the old key alone
//	delete auth.roles t1 r1 a
//	truncate auth.roles auth.users
//	times 1000 insert auth.roles t1 r# x            # counts from 1
//	commit 0/120                                    Commit: where it ends
//	restart                                         everything is sent again
//	restart lost 2                                  the last two chunks had not been stored
//	set auth.role_permissions tenant_id role_id     (no message) a set, and the columns of its owner
func TestTranscripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/transcripts/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			s := script{world: newWorld()}
			for line := range strings.Lines(string(content)) {
				line = strings.TrimRight(line, "\n")
				if strings.HasPrefix(line, "    ") {
					continue
				}
				fmt.Fprintln(&got, line)
				if line == "" || line[0] == '#' {
					continue
				}
				if err := s.play(line); err != nil {
					s.out = append(s.out, "error: "+err.Error())
				}
				for _, out := range s.output() {
					fmt.Fprintln(&got, "    "+out)
				}
			}
			golden(t, file, got.String())
		})
	}
}

// script plays the lines of a transcript.
type script struct {
	*world
	commit pglogrepl.LSN
}

var repeated = regexp.MustCompile(`(\w)\*(\d+)`)

func (s *script) play(line string) error {
	command, rest, _ := strings.Cut(line, " ")
	switch command {
	case "times":
		count, each, _ := strings.Cut(rest, " ")
		n, err := strconv.Atoi(count)
		for i := 1; i <= n && err == nil; i++ {
			err = s.play(strings.ReplaceAll(each, "#", strconv.Itoa(i)))
		}
		return err
	case "restart":
		lost, _ := strconv.Atoi(strings.TrimPrefix(rest, "lost "))
		return s.restart(lost)
	case "set":
		words := strings.Fields(rest)
		s.owners[words[0]] = words[1:]
		return nil
	}
	rest = repeated.ReplaceAllStringFunc(rest, func(m string) string {
		n, _ := strconv.Atoi(m[2:])
		return strings.Repeat(m[:1], n)
	})
	m, err := s.message(command, rest)
	if err != nil {
		return err
	}
	return s.send(m)
}

func (s *script) message(command, rest string) (wire, error) {
	first, after, _ := strings.Cut(rest, " ")
	switch command {
	case "table":
		return s.table(strings.Fields(rest))
	case "begin":
		var err error
		s.commit, err = pglogrepl.ParseLSN(first)
		return beginWire(s.commit, y2k, 1), err
	case "commit":
		end, err := pglogrepl.ParseLSN(first)
		return commitWire(s.commit, end), err
	case "stamp":
		return messageWire(true, "latchkey", rest), nil
	case "message":
		return messageWire(true, first, after), nil
	case "beside":
		return messageWire(false, first, after), nil
	case "truncate":
		var oids []uint32
		for _, name := range strings.Fields(rest) {
			oids = append(oids, s.oid(name))
		}
		return truncateWire(oids...), nil
	}
	marker := byte('O')
	if key, ok := strings.CutPrefix(after, "key "); ok {
		marker, after = 'K', key
	}
	old, row, arrow := strings.Cut(after, "-> ")
	switch oid := s.oid(first); {
	case command == "insert":
		return insertWire(oid, values(after)), nil
	case command == "delete":
		return deleteWire(oid, marker, values(after)), nil
	case command == "update" && arrow && old == "":
		return updateWire(oid, 0, nil, values(row)), nil
	case command == "update" && arrow:
		return updateWire(oid, marker, values(old), values(row)), nil
	}
	return nil, fmt.Errorf("what is %q?", command)
}

func (s *script) table(words []string) (wire, error) {
	oid, err := strconv.ParseUint(words[0], 10, 32)
	if err != nil {
		return nil, err
	}
	s.names[words[1]] = uint32(oid)
	schema, name, _ := strings.Cut(words[1], ".")
	var columns []column
	for _, word := range words[2:] {
		c := column{oid: 25}
		name, typ, typed := strings.Cut(word, ":")
		if typed {
			n, err := strconv.ParseUint(typ, 10, 32)
			if err != nil {
				return nil, err
			}
			c.oid = uint32(n)
		}
		c.name, c.key = strings.CutSuffix(name, "*")
		columns = append(columns, c)
	}
	return relationWire(uint32(oid), schema, name, columns...), nil
}

func (s *script) oid(name string) uint32 {
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(n)
	}
	return s.names[name]
}

func values(text string) tuple {
	row := tuple{}
	for text = strings.TrimLeft(text, " "); text != ""; text = strings.TrimLeft(text, " ") {
		if quoted, ok := strings.CutPrefix(text, "'"); ok {
			var v string
			v, text, _ = strings.Cut(quoted, "'")
			row = append(row, txt(v))
			continue
		}
		var word string
		switch word, text, _ = strings.Cut(text, " "); word {
		case "null":
			row = append(row, null)
		case "unchanged":
			row = append(row, unchanged)
		default:
			row = append(row, txt(word))
		}
	}
	return row
}

// Events must not live in the connection's buffer, which the next message overwrites.
func TestEventsOutliveTheMessage(t *testing.T) {
	t.Parallel()
	w := newWorld()
	messages := []wire{
		relationWire(7, "auth", "roles", column{true, "tenant_id", 25}, column{true, "id", 25}, column{false, "name", 25}),
		beginWire(0x10, y2k, 1),
		messageWire(true, "latchkey", `{"actor":"anna"}`),
		insertWire(7, tuple{txt("t1"), txt("r1"), txt("one")}),
		updateWire(7, 'O', tuple{txt("t1"), txt("r1"), txt("one")}, tuple{txt("t1"), txt("r2"), unchanged}),
		commitWire(0x10, 0x20),
	}
	for _, m := range messages {
		if err := w.send(m); err != nil {
			t.Fatal(err)
		}
		for i := range m {
			m[i] = '?'
		}
	}
	want := []string{
		`1 insert auth.roles t1|r1 new(t1 r1 one) by {"actor":"anna"}`,
		`2 update auth.roles t1|r2 was t1|r1 old(t1 r1 one) new(t1 r2 one) by {"actor":"anna"}`,
	}
	for i, ev := range w.stored.events {
		if got := showEvent(ev); got != want[i] {
			t.Errorf("got  %s\nwant %s", got, want[i])
		}
	}
	row := w.stored.events[1].New
	if _ = append(row.Values[0], "xx"...); string(row.Values[1]) != "r2" {
		t.Error("appending to one value writes into the next")
	}
}

// drawLog draws whole transactions, adjacent ones among them.
func drawLog(t *rapid.T) []wire {
	id := rapid.SampledFrom([]string{"a", "b", "c"})
	role := func(label string) tuple {
		return tuple{txt("t1"), txt(id.Draw(t, label)), rapid.SampledFrom([]value{null, txt(""), txt("x")}).Draw(t, "name")}
	}
	member := func(label string) tuple {
		return tuple{txt("t1"), txt(id.Draw(t, label)), txt(id.Draw(t, "permission"))}
	}
	log := []wire{
		relationWire(1, "auth", "roles", column{true, "tenant_id", 25}, column{true, "id", 25}, column{false, "name", 25}),
		relationWire(2, "auth", "role_permissions", column{true, "tenant_id", 25}, column{true, "role_id", 25}, column{true, "permission", 25}),
	}
	at := pglogrepl.LSN(0x100)
	for n := range rapid.IntRange(1, 5).Draw(t, "transactions") {
		log = append(log, beginWire(at, y2k, uint32(n)))
		for range rapid.IntRange(0, 8).Draw(t, "changes") {
			oid, row := uint32(1), role
			if rapid.Bool().Draw(t, "set") {
				oid, row = 2, member
			}
			switch rapid.SampledFrom([]string{"insert", "update", "delete", "truncate", "stamp"}).Draw(t, "what") {
			case "insert":
				log = append(log, insertWire(oid, row("row")))
			case "update":
				log = append(log, updateWire(oid, 'O', row("old"), row("new")))
			case "delete":
				log = append(log, deleteWire(oid, 'O', row("old")))
			case "truncate":
				log = append(log, truncateWire(1, oid))
			case "stamp":
				log = append(log, messageWire(true, "latchkey", rapid.SampledFrom([]string{`{"actor":"a"}`, `{"actor":"b"}`, "?"}).Draw(t, "stamp")))
			}
		}
		end := at + 0x10
		log = append(log, commitWire(at, end))
		at = end + pglogrepl.LSN(rapid.SampledFrom([]int{0, 0x10}).Draw(t, "gap")) // 0: adjacent
	}
	return log
}

func showEvents(events []*hooks.Event) string {
	lines := make([]string, len(events))
	for i, ev := range events {
		lines[i] = fmt.Sprintf("%s %s", ev.CommitLSN, showEvent(ev))
	}
	return strings.Join(lines, "\n")
}

// However a transaction is cut into chunks, and wherever the process dies between two of them, the log holds the same
// events with the same ordinals, each once.
func TestChunksAndCrashesChangeNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		log := drawLog(t)
		play := func(w *world, cut bool) {
			for _, m := range log {
				if err := w.d.decode(m, w.a); err != nil {
					t.Fatal(err)
				}
				stored := w.a.commitLSN == w.a.partial && w.a.ordinal <= w.a.partialAt
				if cut && w.a.open && !w.a.skip && !stored && w.a.ordinal > 0 && rapid.Bool().Draw(t, "cut") {
					w.a.flush()
				}
			}
		}
		whole := newWorld()
		whole.owners["auth.role_permissions"] = []string{"tenant_id", "role_id"}
		play(whole, false)
		want := showEvents(whole.stored.events)

		w := newWorld()
		w.owners = whole.owners
		play(w, true)
		for range rapid.IntRange(0, 3).Draw(t, "crashes") {
			w.history = w.history[:len(w.history)-rapid.IntRange(0, len(w.history)-1).Draw(t, "lost")]
			w.stored = w.history[len(w.history)-1]
			w.start()
			play(w, true)
		}
		if got := showEvents(w.stored.events); got != want {
			t.Fatalf("in chunks, with crashes:\n%s\nwhole:\n%s", got, want)
		}
		if w.stored.at.done != whole.stored.at.done || w.stored.at.partial != 0 {
			t.Fatalf("the position is %+v, want %+v", w.stored.at, whole.stored.at)
		}
		if len(w.stored.spool) > 0 {
			t.Fatalf("the spool was left behind: %v", w.stored.spool)
		}
	})
}
