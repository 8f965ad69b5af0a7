package listener_test

import (
	"strings"
	"testing"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/listener"
)

// An event has the row as it was when it was written. A hook whose struct fits no more is told why, its delivery waits, and
// the struct that fits gets it: nothing is misplaced, and nothing is lost.
func TestOwnColumnsChange(t *testing.T) {
	t.Parallel()
	type first struct {
		ID   int
		Name string
		N    int
	}
	r := newHookRig(t)
	r.exec(`create schema own; create table own.t (id int primary key, name text, n int)`)
	h := own[first](r, "own.t")
	n := r.start(oneLane())
	r.exec(`insert into own.t values (1, 'a', 10)`)
	n.catchUp()
	r.exec(`alter table own.t drop n, add extra bool default true, add n int not null default 7`) // moved, and fits
	r.exec(`insert into own.t (id, name) values (2, 'b')`)
	r.exec(`update own.t set name = 'A' where id = 1`)
	n.catchUp()
	h.require("insert 1 {ID:1,Name:a,N:10}", "insert 2 {ID:2,Name:b,N:7}", "update 1 {ID:1,Name:a,N:7} {ID:1,Name:A,N:7}")

	r.exec(`alter table own.t alter n type text using n || ' pieces'`)
	r.exec(`insert into own.t (id, name, n) values (3, 'c', 'many')`)
	r.exec(`insert into own.t (id, name, n) values (4, null, '4')`)
	r.exec(`alter table own.t rename name to title`)
	r.exec(`insert into own.t (id, title, n) values (5, 'e', '5')`)
	r.exec(`insert into own.t (id, title, n) values (6, 'f', '6')`)
	failed := r.seen.awaitFailed("h", 12) // four events, three attempts each
	n.catchUp()
	for seq, says := range map[int64]string{
		4: "column n of own.t, into field N: cannot scan text",
		5: "column name of own.t, into field Name: NULL does not fit a string: make the field a pointer",
		6: "this event's row of own.t has no column name, which field Name stands for",
		7: "`db:\"name,optional\"`",
	} {
		found := false
		for _, run := range failed {
			found = found || run.Event.Seq == seq && strings.Contains(run.Err.Error(), says)
		}
		if !found {
			t.Errorf("no run of event %d failed with %q:\n%s", seq, says, r.seen)
		}
	}
	r.requireDeliveries("h 4 dead 3", "h 5 dead 3", "h 6 dead 3", "h 7 dead 3")
	n.stop()
	// The struct that no longer fits is refused at the next start, before it can fail.
	requireStop(t, r.refused(), "table own.t has no column name, which field listener_test.first.Name stands for", "there are id, title, extra, n")

	// What waits in the log while columns change is read as it was written, by the struct that fits all of it.
	r.exec(`insert into own.t (id, title, n) values (7, 'g', '7')`)
	r.exec(`alter table own.t drop extra, drop title`)
	r.exec(`insert into own.t (id, n) values (8, '8')`)
	type second struct {
		ID    int
		Name  *string `db:",optional"`
		Title *string `db:"title,optional"`
		N     string
	}
	r.reg = db.NewHooks()
	g := own[second](r, "own.t")
	r.exec(`update latchkey.deliveries set status = 'retry', next_attempt_at = now()`)
	n = r.start(oneLane())
	r.seen.awaitDone("h", 9)
	n.catchUp()
	g.requireAll(
		"insert 3 {ID:3,Name:c,Title:null,N:many}", "insert 4 {ID:4,Name:null,Title:null,N:4}", "insert 5 {ID:5,Name:null,Title:e,N:5}",
		"insert 6 {ID:6,Name:null,Title:f,N:6}", "insert 7 {ID:7,Name:null,Title:g,N:7}", "insert 8 {ID:8,Name:null,Title:null,N:8}",
	)
	r.requireSound()
}

// What only later events have is no reason to lose the earlier ones: a struct with a new column says whether it may lack.
func TestOwnColumnIsNew(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	r.exec(`create schema own; create table own.t (id int primary key)`)
	own[idRow](r, "own.t")
	r.start().stop()
	r.exec(`insert into own.t values (1)`)
	r.exec(`alter table own.t add note text`)
	r.reg = db.NewHooks()
	own[struct {
		ID   int
		Note *string
	}](r, "own.t")
	n := r.start(with(func(c *listener.Config) { c.Retry.Attempts = 1 }))
	r.exec(`insert into own.t values (2, 'x')`)
	n.catchUp()
	if failed := r.seen.awaitFailed("h", 1); !strings.Contains(failed[0].Err.Error(), "has no column note") || failed[0].Event.Key != "1" {
		t.Errorf("failed with %v", failed[0].Err)
	}
	r.seen.require("h", 1, 1)
}

// The log has no generated columns before Postgres 18: their fields stay zero, and nothing else is misplaced.
func TestOwnGeneratedColumn(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	r.exec(`create schema own; create table own.t (id int primary key, twice int generated always as (id * 2) stored, name text)`)
	h := own[struct {
		ID, Twice int
		Name      string
	}](r, "own.t")
	n := r.start()
	r.exec(`insert into own.t (id, name) values (7, 'a')`)
	r.exec(`update own.t set name = 'b'`)
	n.catchUp()
	n.stop()
	n = r.start() // the columns as stored, too
	r.exec(`update own.t set name = 'c'`)
	n.catchUp()
	twice := value[string](r.rig, `select case when current_setting('server_version_num')::int < 180000 then '0' else '14' end`)
	row := func(name string) string { return "{ID:7,Twice:" + twice + ",Name:" + name + "}" }
	h.require("insert 7 "+row("a"), "update 7 "+row("a")+" "+row("b"), "update 7 "+row("b")+" "+row("c"))
}

// A wide value that no update touches is in the old row, and so in the new one.
func TestOwnWideValue(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	r.exec(`create schema own; create table own.t (id int primary key, n int, text text); alter table own.t alter text set storage external`)
	h := own[struct {
		N    int
		Text length
	}](r, "own.t")
	n := r.start()
	r.exec(`insert into own.t values (1, 1, repeat('x', 100000))`)
	r.exec(`update own.t set n = 2`)
	n.catchUp()
	h.require("insert 1 {N:1,Text:100000}", "update 1 {N:1,Text:100000} {N:2,Text:100000}")
}

// length is what is kept of a text.
type length int

func (l *length) Scan(src any) error {
	text, _ := src.(string)
	*l = length(len(text))
	return nil
}
