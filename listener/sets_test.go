package listener

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/latchkey-dev/latchkey/hooks"
)

// What a transaction did to a set follows from what it did to each member last, since the last TRUNCATE; one event for
// each owner and operation tells it.
func TestSetEventsAgree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		letter := rapid.SampledFrom([]string{"a", "b", "c"})
		member := func(label string) tuple {
			return tuple{txt(letter.Draw(t, label+" tenant")), txt(letter.Draw(t, label+" role")), txt(letter.Draw(t, label+" permission"))}
		}
		w := newWorld()
		w.owners["auth.role_permissions"] = []string{"tenant_id", "role_id"}
		last := map[string]string{} // by member, what was done to it
		send := func(m wire) {
			if err := w.send(m); err != nil {
				t.Fatal(err)
			}
		}
		send(relationWire(2, "auth", "role_permissions", column{true, "tenant_id", 25}, column{true, "role_id", 25}, column{true, "permission", 25}))
		send(beginWire(0x10, y2k, 1))
		for range rapid.IntRange(0, 20).Draw(t, "changes") {
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				send(truncateWire(2))
				clear(last)
			case 1, 2:
				old, row := member("old"), member("new")
				send(updateWire(2, 'O', old, row))
				last[showTuple(old)] = "remove"
				last[showTuple(row)] = "assign"
			case 3, 4, 5:
				old := member("old")
				send(deleteWire(2, 'O', old))
				last[showTuple(old)] = "remove"
			default:
				row := member("new")
				send(insertWire(2, row))
				last[showTuple(row)] = "assign"
			}
			if rapid.Bool().Draw(t, "cut") {
				w.a.flush()
			}
		}
		send(commitWire(0x10, 0x20))

		told := map[string]string{}
		groups := map[string]bool{}
		for _, ev := range w.stored.events {
			if ev.Operation == hooks.Truncate {
				continue
			}
			group := fmt.Sprint(ev.TenantID, " ", ev.Key, " ", ev.Operation)
			if groups[group] {
				t.Fatalf("%s has two events", group)
			}
			groups[group] = true
			for _, row := range ev.Rows {
				text := showImage(row)
				if told[text] != "" {
					t.Fatalf("%s is told of twice", text)
				}
				told[text] = ev.Operation.String()
				if want := "(" + ev.TenantID + " " + ev.Key + " "; !strings.HasPrefix(text, want) {
					t.Fatalf("%s stands among those of %s", text, want)
				}
			}
		}
		if !maps.Equal(told, last) {
			t.Fatalf("told: %v\ndone: %v", told, last)
		}
	})
}

// A set change at rest is read back as it was, in its place.
func TestSpoolRoundTrip(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.owners["auth.role_permissions"] = []string{"tenant_id", "role_id"}
	var changes setChanges
	for _, m := range []wire{
		relationWire(2, "auth", "role_permissions", column{true, "tenant_id", 25}, column{true, "role_id", 25}, column{true, "permission", 25}),
		beginWire(0x10, y2k, 1),
		messageWire(true, "latchkey", `{"actor":"anna"}`),
		insertWire(2, tuple{txt("t1"), txt("r1"), txt("\"odd\"\n")}),
		updateWire(2, 'O', tuple{txt("t1"), txt("r1"), txt("a")}, tuple{txt("t1"), txt("r2"), txt("")}),
		deleteWire(2, 'O', tuple{txt("t1"), txt("r1"), txt("b")}),
		truncateWire(2),
	} {
		if err := w.send(m); err != nil {
			t.Fatal(err)
		}
	}
	changes = slices.Clone(w.a.sets)
	w.a.flush()
	back, err := w.a.unspool(w.stored.spool[0x10])
	if err != nil || len(back) != 4 {
		t.Fatalf("%d changes, %v", len(back), err)
	}
	for i, c := range back {
		if c.ordinal != int64(i+1) || c.table != changes[i].table || showEvent(c.ev) != showEvent(changes[i].ev) {
			t.Errorf("change %d came back as %s, was %s", i+1, showEvent(c.ev), showEvent(changes[i].ev))
		}
	}
}

func TestUnspoolRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ change, want string }{
		"no JSON":          {`{"lsn"`, "spooled change 7"},
		"unknown relation": {`{"lsn":"0/1","op":"insert","rel":99}`, "has not described relation 99"},
	} {
		w := newWorld()
		if _, err := w.a.unspool([]spooled{{ordinal: 7, change: []byte(c.change)}}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}
