package listener_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/latchkey-dev/latchkey/internal/pgtest"
	"github.com/latchkey-dev/latchkey/listener"
)

// status is what the listener tells the server of where it is.
type status struct{ write, flush, apply pglogrepl.LSN }

func parseStatus(kind byte, body []byte) (s status, ok bool) {
	if kind != copyData || body[0] != statusUpdate {
		return s, false
	}
	lsn := func(at int) pglogrepl.LSN { return pglogrepl.LSN(binary.BigEndian.Uint64(body[at:])) }
	return status{lsn(1), lsn(9), lsn(17)}, true
}

// commit is a commit as the stream has it.
type commit struct{ lsn, end pglogrepl.LSN }

func parseCommit(kind byte, body []byte) (c commit, ok bool) {
	if kind != copyData || body[0] != walData || body[walHeader] != 'C' {
		return c, false
	}
	lsn := func(at int) pglogrepl.LSN { return pglogrepl.LSN(binary.BigEndian.Uint64(body[walHeader+at:])) }
	return commit{lsn(2), lsn(10)}, true
}

// What the server is told to forget is stored, at the moment when it is told: before the first transaction is stored, the
// position of the start; then the end of the last one.
func TestOnlyWhatIsStoredIsAcknowledged(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(`alter database ` + r.name + ` set wal_sender_timeout = '600ms'`) // so that it reports every 200 ms
	r.pool.Reset()
	p, url := newProxy(t, r.url)
	told := make(chan status, 10000)
	var last commit
	var mu sync.Mutex
	p.onServer(func(kind byte, body []byte) []byte {
		if c, ok := parseCommit(kind, body); ok {
			mu.Lock()
			last = c
			mu.Unlock()
		}
		if kind == copyData && body[0] == keepalive { // without the server's position, only transactions move ours
			body = append([]byte{keepalive}, append(make([]byte, 8), body[9:]...)...)
		}
		return body
	})
	p.onClient(func(kind byte, body []byte) []byte {
		s, ok := parseStatus(kind, body)
		if !ok {
			return body
		}
		var done pglogrepl.LSN
		if err := r.pool.QueryRow(r.ctx(), `select done_lsn from latchkey.position`).Scan(&done); err != nil {
			t.Error(err)
		}
		if s.flush == 0 || s.apply != s.flush || s.write < s.flush || s.flush > done {
			t.Errorf("the server was told %+v while %s was stored", s, done)
		}
		told <- s
		return body
	})
	hold, held, release := holdAt(listener.StepIngest)
	r.start(with(func(c *listener.Config) { c.ReplicationURL = url }), onStep(hold))
	t.Cleanup(release) // before the listener is stopped
	start := value[pglogrepl.LSN](r, `select done_lsn from latchkey.position`)
	r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'a', 'a')`)
	<-held
	for len(told) > 0 {
		<-told
	}
	for range 5 {
		if s := <-told; s.flush != start {
			t.Fatalf("the server was told %+v before anything was stored after %s", s, start)
		}
	}
	release()
	for i := range 20 {
		r.exec(`insert into auth.roles (tenant_id, name) values ('t', $1)`, fmt.Sprint(i))
	}
	r.await(`select count(*) = 21 from latchkey.events`)
	r.await(`select s.confirmed_flush_lsn = p.done_lsn from latchkey.position p join pg_replication_slots s on s.slot_name = p.slot`)
	mu.Lock()
	defer mu.Unlock()
	if done := value[pglogrepl.LSN](r, `select done_lsn from latchkey.position`); done != last.end {
		t.Fatalf("%s is stored, and the last transaction ends at %s", done, last.end)
	}
}

// holdAt stops at a step until it is released; held tells that it has.
func holdAt(at string) (onStep func(string), held <-chan struct{}, release func()) {
	holding, open := make(chan struct{}, 1), make(chan struct{})
	onStep = func(step string) {
		if step != at {
			return
		}
		select {
		case holding <- struct{}{}:
		default:
		}
		<-open
	}
	return onStep, holding, sync.OnceFunc(func() { close(open) })
}

// A start goes on where the log ends, however the listener ended: what was committed while nobody listened is there, once.
func TestRestartGoesOnAtTheStoredPosition(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*node){"stop": (*node).stop, "kill": (*node).kill} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			var want []string
			write := func(name string) {
				r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', $1, $1)`, name)
				want = append(want, "roles insert "+name)
			}
			for round := range 4 {
				n := r.start()
				if round%2 == 0 {
					n.catchUp()
				}
				write(fmt.Sprintf("up %d", round))
				if round > 1 {
					n.catchUp()
				}
				end(n)
				write(fmt.Sprintf("down %d", round))
			}
			n := r.start()
			n.catchUp()
			r.requireEvents(want...)
			r.requireSound()
		})
	}
}

// A commit may stand exactly where the transaction before it ended. With a restart between the two, neither is lost.
func TestRestartBetweenAdjacentCommits(t *testing.T) {
	t.Parallel()
	r := rigOn(t, pgtest.NewServer(t, nil).New(t)) // where nobody else writes between the two
	n := r.start()
	n.catchUp()
	n.stop()
	r.exec(`select pg_copy_logical_replication_slot(slot, 'kept') from latchkey.position`)
	writeConcurrently(t, r, 8, 400)

	p, url := newProxy(t, r.url)
	var commits []commit
	p.onServer(func(kind byte, body []byte) []byte {
		if c, ok := parseCommit(kind, body); ok {
			commits = append(commits, c)
		}
		return body
	})
	n = r.start(with(func(c *listener.Config) { c.ReplicationURL = url }))
	n.catchUp()
	n.stop()
	var boundary []pglogrepl.LSN
	for i := 1; i < len(commits); i++ {
		if commits[i].lsn == commits[i-1].end {
			boundary = append(boundary, commits[i].lsn)
		}
	}
	t.Logf("%d of %d commits stand where the one before ended", len(boundary), len(commits))
	if len(boundary) == 0 {
		t.Fatal("no commit stands where the one before ended: write more")
	}
	for _, at := range boundary[:min(2, len(boundary))] {
		var want []event
		for _, e := range r.events() {
			if e.LSN >= at {
				want = append(want, e)
			}
		}
		r.awaitFreeSlot()
		r.exec(`select pg_drop_replication_slot(slot), pg_copy_logical_replication_slot('kept', slot) from latchkey.position`)
		r.exec(`update latchkey.position set done_lsn = $1, next_seq = 1`, at)
		r.exec(`with gone as (delete from latchkey.event_batches returning 1) select count(*) from gone`)
		n := r.start()
		n.catchUp()
		n.stop()
		got := r.events()
		if len(got) != len(want) || got[0].LSN != at {
			t.Fatalf("after a restart at %s, which is a commit's beginning and another's end, the log has %d events from %s on, want %d", at, len(got), got[0].LSN, len(want))
		}
		for i := range got {
			if got[i].LSN != want[i].LSN || got[i].Key != want[i].Key {
				t.Fatalf("event %d is %v, want %v", i+1, got[i], want[i])
			}
		}
		r.requireSound()
	}
}

// writeConcurrently makes writers commit one-row transactions side by side, with names that say who and when.
func writeConcurrently(t *testing.T, r *rig, writers, each int) {
	t.Helper()
	var g errgroup.Group
	for w := range writers {
		conn := r.session()
		g.Go(func() error {
			for i := range each {
				if _, err := conn.Exec(r.ctx(), `insert into auth.roles (tenant_id, id, name) values ('t', $1, $1)`, fmt.Sprintf("%d-%d", w, i)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

// Rows of one COPY share one LSN, and transactions that run side by side arrive whole, one after the other: what tells
// changes apart is the commit and the place in it.
func TestOrdinals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	n := r.start()
	one, two := r.session(), r.session()
	copyRoles := func(conn *pgx.Conn, prefix string) {
		t.Helper()
		var rows [][]any
		for _, name := range names(prefix, 1, 700) {
			rows = append(rows, []any{"t", name, name})
		}
		if _, err := conn.CopyFrom(t.Context(), pgx.Identifier{"auth", "roles"}, []string{"tenant_id", "id", "name"}, pgx.CopyFromRows(rows)); err != nil {
			t.Fatal(err)
		}
	}
	r.run(one, `begin`)
	r.run(two, `begin`)
	copyRoles(one, "a")
	copyRoles(two, "b")
	r.run(one, `update auth.roles set description = 'x' where id = 'a1'`)
	r.run(two, `commit`)
	r.run(one, `commit`)
	n.catchUp()

	events := r.events()
	keys := slices.Concat(names("b", 1, 700), names("a", 1, 700), []string{"a1"})
	if len(events) != len(keys) {
		t.Fatalf("the log has %d events, want %d", len(events), len(keys))
	}
	for i, e := range events {
		ordinal, first := int64(i%700+1), events[i/700*700]
		if i == 1400 {
			ordinal, first = 701, events[700]
		}
		if e.Key != keys[i] || e.Ordinal != ordinal || e.LSN != first.LSN {
			t.Fatalf("event %d is %v, ordinal %d of the commit at %s; want key %s, ordinal %d, commit at %s", i+1, e, e.Ordinal, e.LSN, keys[i], ordinal, first.LSN)
		}
	}
	r.requireSound()
}
