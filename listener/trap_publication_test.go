package listener_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-dev/latchkey/listener"
)

// A table joins the publication when no transaction is under way that has written it: what such a one writes later would
// be decoded without what it wrote before.
func TestTableJoinsWhileItIsWritten(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.start().stop() // the slot exists, or its making would wait for the writer anyway
	r.exec(`alter publication latchkey_default drop table auth.roles`)
	writer := r.session()
	r.run(writer, `begin`, `insert into auth.roles (tenant_id, id, name) values ('t', 'a', 'a')`)

	opened := make(chan *node, 1)
	go func() {
		n, err := r.open()
		if err != nil {
			t.Error(err)
		}
		opened <- n
	}()
	// It waits for the writer: the lock that it asks for is there, and not granted.
	r.await(`select exists (select from pg_locks where relation = 'auth.roles'::regclass and mode = 'ShareRowExclusiveLock' and not granted)`)
	select {
	case <-opened:
		t.Fatal("the table joined while a transaction had written it")
	default:
	}
	// Other writers aren't held up for long by the one that waits.
	r.run(r.session(), `set statement_timeout = '5s'`, `insert into auth.roles (tenant_id, id, name) values ('t', 'beside', 'beside')`)
	r.run(writer, `insert into auth.roles (tenant_id, id, name) values ('t', 'b', 'b')`, `commit`)
	n := <-opened
	if n == nil {
		return
	}
	n.awaitOwning()
	r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'c', 'c')`)
	n.catchUp()
	// The first two committed before the table was published; that no half of a transaction is there is what counts.
	r.requireEvents("roles insert c")
	r.requireSound()
}

// A table that a hook is given joins a running group's publication, and what follows is told of whole.
func TestPublicationKeepsUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	n := r.start()
	r.exec(`alter publication latchkey_default drop table auth.users`)
	n.stop()
	n = r.start()
	r.exec(`insert into auth.users (tenant_id, user_id) values ('t', 'u')`)
	n.catchUp()
	r.requireEvents("users insert u")
	published := rows[string](r, `select schemaname || '.' || tablename from pg_publication_tables where pubname = 'latchkey_default' order by 1`)
	want := r.reg.Tables()
	slices.Sort(want)
	if !slices.Equal(published, want) {
		t.Errorf("published are %v, want the hooked ones, %v", published, want)
	}
	for _, table := range published {
		if strings.Contains(table, "secret") || strings.Contains(table, "key") || slices.Contains([]string{
			"auth.passwords", "auth.logs", "auth.user_stats", "auth.hooks", "auth.jobs", "auth.tickets",
			"auth.sessions", "auth.login_sessions", "auth.refresh_tokens", "auth.login_codes", "auth.tries", "auth.revocations",
		}, table) {
			t.Errorf("%s is published, and must not be", table)
		}
	}
}

// An idle database in a busy server lets the log go: the position moves though nothing of ours was written.
func TestIdlePositionMoves(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(`alter database ` + r.name + ` set wal_sender_timeout = '600ms'`)
	r.pool.Reset()
	n := r.start()
	start := value[string](r, `select done_lsn::text from latchkey.position`)
	for range 18 {
		r.exec(`select pg_logical_emit_message(false, 'elsewhere', repeat('x', 1000000))`)
	}
	r.await(`select p.done_lsn - $1::pg_lsn >= 16 * 1024 * 1024 and s.confirmed_flush_lsn >= p.done_lsn
		from latchkey.position p join pg_replication_slots s on s.slot_name = p.slot`, start)
	n.kill()
	n = r.start()
	r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'a', 'a')`)
	n.catchUp()
	r.requireEvents("roles insert a")
	r.requireSound()
	n.stop()
}

// Little log of others is not worth a write: an idle listener leaves the position where it is.
func TestIdlePositionStays(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	writes := make(chan struct{}, 1)
	n := r.start(onStep(func(step string) {
		if step == listener.StepIngested {
			select {
			case writes <- struct{}{}:
			default:
			}
		}
	}))
	for range 3 {
		r.exec(`select pg_logical_emit_message(false, 'elsewhere', repeat('x', 1000))`)
		n.catchUp() // asks the server where it is
	}
	select {
	case <-writes:
		t.Error("an idle position was stored")
	default:
	}
}
