package listener

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pglogrepl"
	"pgregory.net/rapid"

	"github.com/latchkey-dev/latchkey/hooks"
)

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
