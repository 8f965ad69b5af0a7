//go:build unix

package listener_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/db"
)

// crashEvent is what is compared of an event.
type crashEvent struct {
	seq         int64
	table, op   string
	key, oldKey string
	mark        string // of the row, or of the one that is gone
	before      string // of an update: of the row before it
	set         string // the permissions
}

// check lets a last child finish, and compares.
func (c *crash) check() {
	c.t.Helper()
	p := c.start()
	p.settle(c.t.Context(), c)
	events := c.events()
	c.checkEvents(events)
	c.awaitIdle()
	c.checkRuns(events)
	if c.t.Failed() {
		c.t.FailNow()
	}
	p.stop()
}

// awaitIdle waits until nothing is left to do: failed deliveries were tried until they were done, and the acks, which
// the cursors have passed, are gone.
func (c *crash) awaitIdle() {
	c.t.Helper()
	c.await("nothing left to deliver", func() (bool, error) {
		c.checkTwice() // where acks don't work, deliveries may never be done
		n, err := c.count(`latchkey.deliveries where status <> 'done'`)
		return n == 0, err
	})
	c.checkTwice()
	c.await("cursors at the end, and no acks, batches of them or spooled rows left", func() (bool, error) {
		n, err := c.count(`(select 1 from latchkey.acks union all select 1 from latchkey.ack_batches union all select 1 from latchkey.spool
			union all select 1 from latchkey.subscriptions where cursor_seq < (select next_seq - 1 from latchkey.position)) left_over`)
		return n == 0, err
	})
}

// checkTwice ends the test where a hook with a transaction ran twice for an event. Its table hasn't a unique key.
func (c *crash) checkTwice() {
	c.t.Helper()
	var n, seq, times int64
	var hook string
	err := c.pool.QueryRow(c.t.Context(), `select count(*) over (), hook, seq, count(*) from crash.runs group by hook, seq having count(*) > 1 order by seq limit 1`).Scan(&n, &hook, &seq, &times)
	switch {
	case err == nil:
		c.t.Fatalf("crash test: %d deliveries ran twice to effect; the first is event %d, for which hook %s ran %d times", n, seq, hook, times)
	case !errors.Is(err, pgx.ErrNoRows):
		c.t.Fatal(err)
	}
}

func (c *crash) count(from string) (n int, err error) {
	err = c.pool.QueryRow(c.t.Context(), `select count(*) from `+from).Scan(&n)
	return n, err
}

// events reads the log and checks its order.
func (c *crash) events() []crashEvent {
	c.t.Helper()
	rows, err := c.pool.Query(c.t.Context(), `select seq, commit_lsn, ordinal, table_name, operation, key, coalesce(old_row ->> 'id', ''),
			coalesce(old_row ->> 'description', ''), coalesce(new_row ->> 'description', ''), rows
		from latchkey.events order by seq`)
	if err != nil {
		c.t.Fatal(err)
	}
	var last, lsn pglogrepl.LSN
	var lastOrdinal, ordinal int64
	events, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e crashEvent, err error) {
		var before, after string
		var members []byte
		if err := row.Scan(&e.seq, &lsn, &ordinal, &e.table, &e.op, &e.key, &e.oldKey, &before, &after, &members); err != nil {
			return e, err
		}
		if lsn < last || lsn == last && ordinal <= lastOrdinal {
			return e, fmt.Errorf("crash test: event %d (%s, ordinal %d) is stored twice or out of order: it follows %s, ordinal %d", e.seq, lsn, ordinal, last, lastOrdinal)
		}
		last, lastOrdinal = lsn, ordinal
		e.mark, e.before = after, before
		if e.op == "delete" {
			e.mark = before
		}
		if len(members) > 0 {
			var permissions []struct {
				Name string `json:"permission_name"`
			}
			err = json.Unmarshal(members, &permissions)
			refs := make([]db.PermissionRef, len(permissions))
			for i, p := range permissions {
				refs[i].PermissionName = p.Name
			}
			e.set = permissionNames(refs)
		}
		return e, err
	})
	if err != nil {
		c.t.Fatal(err)
	}
	for i, e := range events {
		if e.seq != int64(i)+1 {
			c.t.Fatalf("crash test: event %d of the log has seq %d", i+1, e.seq)
		}
	}
	return events
}

// checkEvents compares the log with what the writers have committed.
func (c *crash) checkEvents(events []crashEvent) {
	c.t.Helper()
	want := map[crashChange]int{}
	for _, change := range c.truth.changes {
		want[change]++
	}
	got := map[crashChange]int{}
	sets := map[string][]string{}
	now := map[string]string{} // the number that stands in each role
	for i := range crashShared {
		now[sharedRole(i)] = "m0"
	}
	for _, e := range events {
		switch e.table {
		case "auth.roles":
			got[crashChange{e.op, e.key, e.mark}]++
			if old := now[e.oldKey]; e.op != "insert" && old != e.before {
				c.t.Errorf("crash test: event %d (%s %s) follows %s in its role, and the last one was %s: one is missing or out of order", e.seq, e.op, e.key, e.before, old)
			}
			delete(now, e.oldKey)
			if e.op != "delete" {
				now[e.key] = e.mark
			}
		case "auth.role_permissions":
			sets[e.key] = append(sets[e.key], e.op+" "+e.set)
		default:
			c.t.Errorf("crash test: event %d is of %s, which nobody wrote", e.seq, e.table)
		}
	}
	crashCompare(c, "change", want, got)
	for role, changes := range c.truth.sets {
		if !slices.Equal(changes, sets[role]) {
			c.t.Errorf("crash test: the permissions of %s changed %d times, and the log has %d events, or others:\n  %.500q\n  %.500q", role, len(changes), len(sets[role]), changes, sets[role])
		}
		delete(sets, role)
	}
	for role, changes := range sets {
		c.t.Errorf("crash test: the log has changes of the permissions of %s that nobody made: %.500q", role, changes)
	}
}

// crashCompare reports the differences, not too many of them.
func crashCompare[K comparable](c *crash, what string, want, got map[K]int) {
	c.t.Helper()
	var missing, surplus []string
	for k, n := range want {
		if got[k] < n {
			missing = append(missing, fmt.Sprintf("%+v", k))
		}
	}
	for k, n := range got {
		switch {
		case want[k] == 0:
			surplus = append(surplus, fmt.Sprintf("%+v, which nobody asked for", k))
		case n > want[k]:
			surplus = append(surplus, fmt.Sprintf("%+v, %d times", k, n))
		}
	}
	for problem, list := range map[string][]string{"is missing": missing, "ran twice, or shouldn't have": surplus} {
		if len(list) > 0 {
			slices.Sort(list)
			c.t.Errorf("crash test: %d times a %s %s:\n  %s", len(list), what, problem, strings.Join(list[:min(len(list), 10)], "\n  "))
		}
	}
}

// checkRuns compares what the hooks have done with the log.
func (c *crash) checkRuns(events []crashEvent) {
	c.t.Helper()
	type run struct {
		hook string
		seq  int64
		op   string
		key  string
		mark string
	}
	want, got := map[run]int{}, map[run]int{}
	entities := make(map[int64][]string, len(events))
	sent := map[int64]int{}
	for _, e := range events {
		entities[e.seq] = []string{e.key}
		switch {
		case e.table == "auth.role_permissions":
			want[run{"sets", e.seq, e.op, e.key, e.set}]++
			continue
		case e.op == "update" && e.oldKey != e.key:
			entities[e.seq] = []string{e.key, e.oldKey}
		}
		sent[e.seq] = 1
		if crashWants(e.key) {
			want[run{"ledger", e.seq, e.op, e.key, e.mark}]++
			want[run{"flaky", e.seq, e.op, e.key, e.mark}]++
		}
	}
	rows, err := c.pool.Query(c.t.Context(), `select hook, seq, operation, key, mark from crash.runs order by id`)
	if err != nil {
		c.t.Fatal(err)
	}
	last := map[string]int64{} // by hook and entity
	var r run
	if _, err := pgx.ForEachRow(rows, []any{&r.hook, &r.seq, &r.op, &r.key, &r.mark}, func() error {
		got[r]++
		for _, entity := range entities[r.seq] {
			if at := r.hook + " " + entity; r.seq <= last[at] {
				c.t.Errorf("crash test: hook %s ran for event %d of %s after event %d of it", r.hook, r.seq, entity, last[at])
			} else {
				last[at] = r.seq
			}
		}
		return nil
	}); err != nil {
		c.t.Fatal(err)
	}
	crashCompare(c, "run of a hook with a transaction", want, got)
	c.sink.mu.Lock()
	defer c.sink.mu.Unlock()
	heard := map[int64]int{}
	for seq := range c.sink.sent {
		heard[seq] = 1
	}
	crashCompare(c, "run of the hook without a transaction", sent, heard)
}
