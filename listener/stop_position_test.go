package listener_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/internal/pgtest"
	"github.com/latchkey-dev/latchkey/listener"
)

// Where a change could have been missed, the listener stops, changes nothing, and says how to go on; which then works.
func TestStopWhereAChangeCouldBeMissed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		harm  string // $1 is the slot
		words []string
	}{
		"slot read by another": {
			`select pg_replication_slot_advance($1, pg_current_wal_lsn())`,
			[]string{"something else has read it"},
		},
		"position restored to an earlier one": {
			`with read as (select pg_replication_slot_advance($1, done_lsn) from latchkey.position)
				update latchkey.position set done_lsn = consistent_lsn from read where slot = $1`,
			[]string{"restored to an earlier state"},
		},
		"slot dropped": {
			`select pg_drop_replication_slot($1)`,
			[]string{"is gone"},
		},
		"slot dropped and made again by hand": {
			`select pg_drop_replication_slot($1), pg_create_logical_replication_slot($1, 'pgoutput')`,
			[]string{"something else has read it"},
		},
		"another cluster": {
			`update latchkey.position set system_identifier = '1' where slot = $1`,
			[]string{"another cluster", "system identifier 1,"},
		},
		"another timeline": {
			`update latchkey.position set timeline = 7 where slot = $1`,
			[]string{"timeline 1", "on 7", "promoted"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			n := r.start()
			r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'before', 'before')`)
			n.catchUp()
			n.stop()
			r.awaitFreeSlot()
			slot := value[string](r, `select slot from latchkey.position`)
			r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'missed', 'missed')`)
			func() {
				starting.Lock() // one of them makes a slot
				defer starting.Unlock()
				r.exec(test.harm, slot)
			}()

			was := r.standing()
			for range 2 { // it is no warning that passes
				requireStop(t, r.refused(), append(test.words, "latchkey reset --accept-gap")...)
			}
			if is := r.standing(); is != was {
				t.Fatalf("the refusal changed something:\n%s\nwas\n%s", is, was)
			}

			r.reset()
			n = r.start()
			r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'after', 'after')`)
			n.catchUp()
			r.requireEvents("roles insert before", "roles insert after")
			r.requireSound()
		})
	}
}

// standing is what a refused start must leave as it is.
func (r *rig) standing() string {
	r.t.Helper()
	return value[string](r, `select p::text || coalesce((select s.slot_name || s.restart_lsn || coalesce(s.confirmed_flush_lsn::text, '') || s.active from pg_replication_slots s where s.slot_name = p.slot), ' no slot')
		from latchkey.position p`)
}

func (r *rig) reset() {
	r.t.Helper()
	if _, err := listener.Reset(r.ctx(), listener.RepairConfig{DatabaseURL: r.url}); err != nil {
		r.t.Fatal(err)
	}
}

// A copy of a database, as a restored dump is one, does not go on with the original's position; and its way back leaves
// the original's slot alone.
func TestStopInACopiedDatabase(t *testing.T) {
	t.Parallel()
	original := newRig(t)
	n := original.start()
	original.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'before', 'before')`)
	n.catchUp()
	n.stop()

	admin, err := pgx.Connect(t.Context(), pgtest.AdminURL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close(original.ctx()) })
	copied := original.name + "_copy"
	original.pool.Reset() // a database with sessions can't be copied
	for _, sql := range []string{
		fmt.Sprintf(`select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = '%s'`, original.name),
		fmt.Sprintf(`create database %s template %s`, copied, original.name),
	} {
		if _, err := admin.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if _, err := admin.Exec(original.ctx(), `drop database `+copied+` with (force)`); err != nil {
			t.Error(err)
		}
	})
	c := &rig{t: t, url: inDatabase(t, original.url, copied), name: copied, reg: original.reg}
	c.pool = (&pgtest.Database{URL: c.url, Name: copied}).Pool(t)

	original.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'meanwhile', 'meanwhile')`)
	requireStop(t, c.refused(), "belongs to database "+original.name, "latchkey reset --accept-gap")
	c.reset()
	n = c.start()
	c.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'copy', 'copy')`)
	n.catchUp()
	c.requireEvents("roles insert before", "roles insert copy")
	c.requireSound()
	n.stop()

	n = original.start()
	n.catchUp()
	original.requireEvents("roles insert before", "roles insert meanwhile")
	original.requireSound()
}

// A slot that has no position is not taken: it may be somebody else's.
func TestStopAtAForeignSlot(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	starting.Lock()
	r.exec(`select pg_create_logical_replication_slot('latchkey_' || current_database() || '_default', 'pgoutput')`)
	starting.Unlock()
	requireStop(t, r.refused(), "has no position for it", "pg_drop_replication_slot('latchkey_"+r.name+"_default')")
	r.exec(`select pg_drop_replication_slot('latchkey_' || current_database() || '_default')`)
	r.start()
}

// Neither is one of another kind, which took the name.
func TestStopAtASlotOfAnotherKind(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.start().stop()
	r.awaitFreeSlot()
	r.exec(`select pg_drop_replication_slot(slot), pg_create_physical_replication_slot(slot) from latchkey.position`)
	requireStop(t, r.refused(), "belongs to database", "latchkey reset --accept-gap")
	r.reset()
	requireStop(t, r.refused(), "pg_drop_replication_slot")
	r.exec(`select pg_drop_replication_slot(slot) from latchkey.position`)
	n := r.start()
	n.catchUp()
	r.requireSound()
}

// A program that reads our slot is not killed; the listener says who is in its way.
func TestStopAtAnotherConsumer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	n := r.start()
	n.stop()
	r.awaitFreeSlot()
	slot := value[string](r, `select slot from latchkey.position`)
	other := replicationConn(t, r.url)
	err := pglogrepl.StartReplication(t.Context(), other, slot, 0, pglogrepl.StartReplicationOptions{
		Mode: pglogrepl.LogicalReplication, PluginArgs: []string{"proto_version '1'", "publication_names 'latchkey_default'"},
	})
	if err != nil {
		t.Fatal(err)
	}
	was := r.standing()
	requireStop(t, r.refused(), slot, "read by another program", "pg_replication_slots")
	if pid := value[uint32](r, `select active_pid from pg_replication_slots where slot_name = $1`, slot); pid != other.PID() {
		t.Fatalf("the slot is read by %d, and was by %d", pid, other.PID())
	}
	if is := r.standing(); is != was {
		t.Fatalf("the refusal changed something:\n%s\nwas\n%s", is, was)
	}
	if err := other.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	n = r.start()
	n.catchUp()
	r.requireSound()
}
