package listener_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pglogrepl"

	"github.com/latchkey-dev/latchkey/internal/pgtest"
	"github.com/latchkey-dev/latchkey/listener"
)

func TestStopWithoutLogicalWAL(t *testing.T) {
	t.Parallel()
	r := rigOn(t, pgtest.NewServer(t, map[string]string{"wal_level": "replica"}).New(t))
	requireStop(t, r.refused(), "wal_level is replica", "alter system set wal_level = logical")
}

// A server that is full says which of its limits is reached; nothing stays in the way when there is room again.
func TestStopWithoutRoom(t *testing.T) {
	t.Parallel()
	server := pgtest.NewServer(t, map[string]string{"max_replication_slots": "1", "max_wal_senders": "1"})
	r := rigOn(t, server.New(t))

	r.exec(`select pg_create_physical_replication_slot('taken')`)
	requireStop(t, r.refused(), "no free replication slot", "max_replication_slots")
	r.exec(`select pg_drop_replication_slot('taken')`)

	r.await(`select not exists (select from pg_stat_activity where backend_type = 'walsender')`) // the refused one's goes a moment later
	taken := replicationConn(t, r.url)
	if _, err := pglogrepl.IdentifySystem(t.Context(), taken); err != nil {
		t.Fatal(err)
	}
	requireStop(t, r.refused(), "no free walsender", "max_wal_senders")
	if err := taken.Close(t.Context()); err != nil {
		t.Fatal(err)
	}

	n := r.start()
	r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'a', 'a')`)
	n.catchUp()
	r.requireEvents("roles insert a")
}

// Creating a slot waits for transactions that have written, in any database; the message names them. What an attempt
// leaves is cleared up by the next one.
func TestStopAtAnOpenTransaction(t *testing.T) {
	t.Parallel()
	server := pgtest.NewServer(t, nil)
	r := rigOn(t, server.New(t))
	other := rigOn(t, server.New(t))
	writer := other.session()
	other.run(writer, `begin`, `insert into auth.roles (tenant_id, name) values ('t', 'open')`)

	soon := with(func(c *listener.Config) { c.SlotTimeout = 300 * time.Millisecond })
	pid := value[string](other, `select pid::text from pg_stat_activity where backend_xid is not null`)
	for range 2 {
		requireStop(t, r.refused(soon), "creating slot", "300ms", "pid "+pid+" of", "in "+other.name, "SlotTimeout")
	}

	waiting, err := r.open()
	if err != nil {
		t.Fatal(err)
	}
	r.await(`select exists (select from pg_replication_slots where database = current_database() and confirmed_flush_lsn is null)`)
	waiting.kill()

	other.run(writer, `commit`)
	n := r.start()
	r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'a', 'a')`)
	n.catchUp()
	r.requireEvents("roles insert a")
	r.requireSound()
	if slots := value[int](r, `select count(*) from pg_replication_slots`); slots != 1 {
		t.Fatalf("%d slots are left", slots)
	}
}

// await waits until a query says true.
func (r *rig) await(sql string, args ...any) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.ctx(), patience)
	defer cancel()
	for tick := time.NewTicker(10 * time.Millisecond); !value[bool](r, sql, args...); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			r.t.Fatalf("waited %v for: %s", patience, sql)
		}
	}
}

// awaitFreeSlot waits until nobody reads the slot: a walsender ends a moment after its client.
func (r *rig) awaitFreeSlot() {
	r.t.Helper()
	r.await(`select not s.active from latchkey.position p join pg_replication_slots s on s.slot_name = p.slot`)
}

// churn writes log that concerns nobody until the slot has lost its own.
func (r *rig) churn() {
	r.t.Helper()
	for range 100 {
		r.exec(`select pg_logical_emit_message(false, 'churn', repeat('x', 1000000))`)
		r.exec(`select pg_switch_wal()`)
		r.exec(`checkpoint`)
		if value[string](r, `select coalesce(wal_status, '') from pg_replication_slots`) == "lost" {
			return
		}
	}
	r.t.Fatal("the slot won't get lost")
}

// A slot that fell too far behind is not replaced by itself, whether that happens beside a listener or without one.
func TestStopAtALostSlot(t *testing.T) {
	t.Parallel()
	r := rigOn(t, pgtest.NewServer(t, map[string]string{"max_slot_wal_keep_size": "1MB"}).New(t))
	words := []string{"has lost the log", "max_slot_wal_keep_size", "latchkey reset --accept-gap"}

	r.start().stop()
	r.awaitFreeSlot()
	r.churn()
	for range 2 {
		requireStop(t, r.refused(), words...)
	}
	r.reset()

	hold, held, release := holdAt(listener.StepIngest)
	n := r.start(onStep(hold))
	t.Cleanup(release) // before the listener is stopped
	r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'a', 'a')`)
	<-held
	r.churn()
	release()
	requireStop(t, n.stopped(), words...)

	r.reset()
	n = r.start()
	r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'after', 'after')`)
	n.catchUp()
	events := r.events()
	if last := events[len(events)-1].String(); last != "roles insert after" || len(events) > 2 {
		t.Fatalf("the log has %v", events)
	}
	r.requireSound()
}

// An owner keeps its group from being reset under it.
func TestResetBesideAnOwner(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	n := r.start()
	was := r.standing()
	for name, repair := range map[string]func() error{
		"reset": func() error {
			_, err := listener.Reset(t.Context(), listener.RepairConfig{DatabaseURL: r.url})
			return err
		},
		"skip": func() error {
			return listener.Skip(t.Context(), listener.RepairConfig{DatabaseURL: r.url}, 1<<40)
		},
	} {
		if err := repair(); err == nil || !strings.Contains(err.Error(), "owned by a running process: stop it first") {
			t.Errorf("%s beside an owner: %v", name, err)
		}
	}
	if is := r.standing(); is != was {
		t.Fatalf("it changed something:\n%s\nwas\n%s", is, was)
	}
	n.catchUp()
}

func TestResetOfAnUnknownGroup(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, err := listener.Reset(t.Context(), listener.RepairConfig{DatabaseURL: r.url, Group: "nobody"})
	if err == nil || !strings.Contains(err.Error(), "group nobody is unknown") {
		t.Fatalf("reset of an unknown group: %v", err)
	}
}
