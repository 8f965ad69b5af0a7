package listener

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pglogrepl"

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
		done: w.stored.at.done, partial: w.stored.at.partial, partialAt: w.stored.at.partialAt, described: newDescribed(),
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
	return newTable(w.shapes[known], w.owners[shape.Name()], ""), nil
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
