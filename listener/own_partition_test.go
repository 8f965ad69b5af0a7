package listener_test

import (
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/listener"
)

type reading struct {
	ID    int
	At    int
	Value *string
}

const partitioned = `create schema own; create table own.readings (id int, at int, value text, primary key (id, at)) partition by range (at);
	create table own.low partition of own.readings for values from (0) to (10);
	create table own."High" partition of own.readings for values from (10) to (20) partition by list (id);
	create table own.high_one partition of own."High" for values in (1);
	create table own.high_rest partition of own."High" default`

// A partitioned table is one table, whichever partition was written and by which name; its partitions are made ready too.
func TestPartitions(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	h := own[reading](r, "own.readings")
	r.exec(partitioned)
	n := r.start(oneLane())
	r.exec(`insert into own.readings values (1, 1, 'a'), (1, 11, 'b')`)
	r.exec(`insert into own.low values (2, 2, 'c')`)
	r.exec(`update own."High" set value = 'd'`)
	r.exec(`update own.readings set at = 12 where id = 2`) // it moves
	r.exec(`delete from own.high_rest`)
	r.exec(`truncate own.low`)                                  // no event
	r.exec(`alter table own.readings detach partition own.low`) // neither is this
	r.exec(`insert into own.low values (9, 9, 'gone')`)
	r.exec(`drop table own.high_one`)
	r.exec(`truncate own.readings`)
	n.catchUp()
	h.require(
		`insert ["1","1"] {ID:1,At:1,Value:a}`, `insert ["1","11"] {ID:1,At:11,Value:b}`, `insert ["2","2"] {ID:2,At:2,Value:c}`,
		`update ["1","11"] {ID:1,At:11,Value:b} {ID:1,At:11,Value:d}`, `delete ["2","2"] {ID:2,At:2,Value:c}`, `insert ["2","12"] {ID:2,At:12,Value:c}`,
		`delete ["2","12"] {ID:2,At:12,Value:c}`, "truncate",
	)
	for _, e := range r.events() {
		if e.Origin != "external" || len(e.Unknown) > 0 {
			t.Errorf("%v has origin %s, and %v unknown", e, e.Origin, e.Unknown)
		}
	}
	r.requireSound()
}

// A partition that comes later has an identity of its own. Before it is made ready, what the server leaves out of its old
// rows is unknown, never NULL; then they are whole, without a restart.
func TestPartitionThatComesLater(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	h := own[reading](r, "own.readings")
	r.exec(partitioned)
	n := r.start(oneLane(), onOpen(func(l *listener.Listener) { l.SetTablesEvery(time.Hour) })) // only the stream tells
	lock := r.session()
	r.run(lock, `begin`, `create table own.later partition of own.readings for values from (20) to (30)`, `insert into own.readings values (1, 21, 'a'), (2, 22, null)`,
		`update own.readings set value = 'b' where id = 1`, `delete from own.readings where id = 2`, `commit`)
	r.eventually("the partition is ready", `select relreplident = 'f' and exists (select from pg_trigger where tgrelid = c.oid and tgname = 'latchkey_stamp' and tgenabled = 'A')
		from pg_class c where oid = 'own.later'::regclass`)
	r.exec(`update own.readings set value = null where id = 1`)
	r.exec(`delete from own.later`)
	n.catchUp()
	h.require(
		`insert ["1","21"] {ID:1,At:21,Value:a}`, `insert ["2","22"] {ID:2,At:22,Value:null}`, `update ["1","21"] {ID:0,At:0,Value:null} {ID:1,At:21,Value:b}`,
		`delete ["2","22"] {ID:2,At:22,Value:null}`, `update ["1","21"] {ID:1,At:21,Value:b} {ID:1,At:21,Value:null}`, `delete ["1","21"] {ID:1,At:21,Value:null}`,
	)
	var unknown []int
	for _, e := range r.events() {
		unknown = append(unknown, value[int](r.rig, `select coalesce(jsonb_array_length((e -> 'old_unknown')::jsonb), 0) from latchkey.event_batches b
			cross join lateral json_array_elements(b.events::json) with ordinality as t (e, n) where b.first_seq + t.n - 1 = $1`, e.Seq))
	}
	for i, want := range []int{0, 0, 3, 1, 0, 0} {
		if unknown[i] != want {
			t.Errorf("event %d has %d unknown old values, want %d", i+1, unknown[i], want)
		}
	}
	r.requireSound()
}

// The tables are looked at on a timer as well, so that a partition is ready before it is written.
func TestPartitionIsFound(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	own[reading](r, "own.readings")
	r.exec(partitioned)
	r.start(onOpen(func(l *listener.Listener) { l.SetTablesEvery(10 * time.Millisecond) }))
	r.exec(`create table own.later (id int not null, at int not null, value text); alter table own.readings attach partition own.later for values from (20) to (30)`)
	r.eventually("the partition is ready", `select relreplident = 'f' and exists (select from pg_trigger where tgrelid = c.oid and tgname = 'latchkey_stamp' and tgenabled = 'A')
		from pg_class c where oid = 'own.later'::regclass`)
}

// A table that is made anew is another table: what changed in it was missed, and that is a stop. A start publishes it.
func TestTableMadeAnew(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	own[idRow](r, "own.t")
	r.exec(`create schema own; create table own.t (id int primary key)`)
	n := r.start(onOpen(func(l *listener.Listener) { l.SetTablesEvery(10 * time.Millisecond) }))
	r.exec(`insert into own.t values (1)`)
	n.catchUp()
	r.exec(`drop table own.t; create table own.t (id int primary key)`)
	requireStop(t, n.stopped(), "table own.t is not in publication latchkey_default any more", "start again")
	n = r.start()
	r.exec(`insert into own.t values (2)`)
	n.catchUp()
	r.requireEvents("own.t insert 1", "own.t insert 2")
}

// A table that lost its identity while the listener runs gets it back; meanwhile nothing is guessed.
func TestIdentityIsTakenAway(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	h := own[reading](r, "own.t")
	r.exec(`create schema own; create table own.t (id int primary key, at int, value text)`)
	n := r.start(oneLane())
	r.exec(`insert into own.t values (1, 1, 'a')`)
	r.exec(`begin; alter table own.t replica identity default; update own.t set at = 2; update own.t set id = 2; delete from own.t; commit`)
	r.eventually("the table is ready", `select relreplident = 'f' from pg_class where oid = 'own.t'::regclass`)
	r.exec(`insert into own.t values (3, 3, 'c')`)
	r.exec(`delete from own.t`)
	n.catchUp()
	h.require(
		"insert 1 {ID:1,At:1,Value:a}", "update 1 {ID:0,At:0,Value:null} {ID:1,At:2,Value:a}", "update 2 {ID:1,At:0,Value:null} {ID:2,At:2,Value:a}",
		"delete 2 {ID:2,At:0,Value:null}", "insert 3 {ID:3,At:3,Value:c}", "delete 3 {ID:3,At:3,Value:c}",
	)
	r.requireSound()
}

// latchkey.watch covers a partitioned table whole, and may be called again.
func TestWatchCoversPartitions(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	r.exec(partitioned)
	for range 2 {
		r.exec(`select latchkey.watch('own.readings')`)
	}
	const ready = `select count(*) from pg_class c join pg_trigger g on g.tgrelid = c.oid and g.tgname = 'latchkey_stamp' and g.tgenabled = 'A'
		where c.relnamespace = 'own'::regnamespace and c.relreplident = 'f'`
	if n := value[int](r.rig, ready); n != 5 {
		t.Errorf("%d tables are ready, want 5", n)
	}
	r.exec(`create table own.later partition of own.readings for values from (20) to (30)`)
	r.exec(`select latchkey.watch('own.later')`)
	if n := value[int](r.rig, ready); n != 6 {
		t.Errorf("%d tables are ready, want 6", n)
	}
}
