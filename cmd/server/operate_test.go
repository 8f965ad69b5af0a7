package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/latchkey-dev/latchkey/internal/pgtest"
	"github.com/latchkey-dev/latchkey/listener"
)

// What failed is looked at, retried and discarded beside a server that works.
func TestDeliveries(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	run := func(args ...string) result { return latchkey(t, append(args, "--database-url", d.URL)...) }
	s := serve(t, d.URL)
	role := func(id string) {
		d.Exec(t, `insert into auth.roles (tenant_id, id, name) values ('default', $1, $1)`, id)
		s.stdout.await(t, 1, `^hook audit auth\.roles insert `+id+`$`)
	}
	role("a")
	role("b")
	run("deliveries", "list").require(t, exitOK, "SEQ", "HOOK", "STATUS")
	for _, id := range []string{"a", "b"} {
		d.Exec(t, `insert into latchkey.deliveries (subscription_id, seq, entities, status, attempt, last_error)
			select s.id, e.seq, array[e.tenant_id || e.key], 'dead', 12, E'no such luck\nat line 2' from latchkey.subscriptions s join latchkey.events e on e.table_name = s.table_name
			where s.hook = 'audit' and s.table_name = 'auth.roles' and e.key = $1`, id)
	}
	run("deliveries", "list", "--hook", "auth.roles/audit").require(t, exitOK, "auth.roles/audit", "dead", "12", "no such luck ...")
	run("deliveries", "list", "--status", "ded").require(t, exitError, `did you mean "dead"?`)
	run("deliveries", "list", "--hook", "auth.roles/audti").require(t, exitError, `did you mean "auth.roles/audit"?`)
	var list []listener.Delivery
	if out := run("deliveries", "list", "--json"); json.Unmarshal([]byte(out.stdout), &list) != nil || len(list) != 2 || list[0].Status != "dead" {
		t.Fatalf("list --json says %s", out.stdout)
	}
	run("deliveries", "show", "auth.roles/audit", "1").require(t, exitOK, "no such luck", "at line 2", `"table_name": "auth.roles"`, `"key": "a"`)
	run("deliveries", "show", "--json", "auth.roles/audit", "1").require(t, exitOK, `"last_error": "no such luck\nat line 2"`, `"event": {`)
	run("deliveries", "show", "audit", "1").require(t, exitError, "several hooks", "auth.roles/audit or auth.users/audit")
	run("deliveries", "retry").require(t, exitError, "--hook NAME, --seq SEQ, or --all")
	run("doctor").require(t, exitError, "problem", "2 dead deliveries", "latchkey deliveries retry --hook auth.roles/audit", "something needs you")

	run("deliveries", "retry", "--seq", "1").require(t, exitOK, "1 dead deliveries are to be tried again\n")
	s.stdout.await(t, 2, `^hook audit auth\.roles insert a$`)
	run("deliveries", "discard", "--all").require(t, exitOK, "1 dead deliveries are discarded\n")
	run("deliveries", "discard", "--all").require(t, exitError, "no dead delivery")
	if got := s.stdout.lines(`^hook audit auth\.roles insert b$`); len(got) != 1 {
		t.Errorf("what was discarded ran: %v", got)
	}
	s.stop().require(t, exitOK)
	d.Exec(t, `update latchkey.deliveries set status = 'dead'`)
	run("deliveries", "retry", "--all").require(t, exitOK, "2 dead deliveries", "as soon as a listener runs")
}

func TestPauseReplayBackfill(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	run := func(args ...string) result { return latchkey(t, append(args, "--database-url", d.URL)...) }
	s := serve(t, d.URL)
	d.Exec(t, `insert into auth.roles (tenant_id, id, name) values ('default', 'a', 'a')`)
	s.stdout.await(t, 1, `^hook audit auth\.roles insert a$`)

	run("replay", "auth.roles/audit", "--from", "1", "--to", "1").require(t, exitOK, "run 1 of hook auth.roles/audit replays events 1 to 1", "100% 1 of 1")
	s.stdout.await(t, 2, `^hook audit auth\.roles insert a$`)
	run("replay", "auth.roles/audit", "--from", "1h").require(t, exitOK, "run 2")
	run("replay", "auth.roles/audit", "--from", "yesterday").require(t, exitError, `--from "yesterday" is neither`)
	run("replay", "auth.roles/audit", "--to", "99").require(t, exitError, "event 99 is not stored yet")
	run("backfill", "auth.roles/audit").require(t, exitOK, "run 3 of hook auth.roles/audit gives it 1 rows", "done [", "100% 1 of 1")
	s.stdout.await(t, 4, `^hook audit auth\.roles insert a$`)
	if out := run("runs"); strings.Count(out.stdout, "\n") != 4 {
		t.Errorf("runs says:\n%s", out.stdout)
	}
	run("runs", "--json").require(t, exitOK, `"kind": "backfill"`)

	run("pause", "auth.roles/audit").require(t, exitOK, "is paused")
	run("status", "--sample", "0").require(t, exitOK, "paused", "STATUS", "RATE")
	run("doctor").require(t, exitOK, "paused", "latchkey resume auth.roles/audit")
	run("doctor", "--json").require(t, exitOK, `"verdict": "warning"`)
	run("resume", "auth.roles/audit").require(t, exitOK, "goes on where it was")
	d.Exec(t, `insert into auth.roles (tenant_id, id, name) values ('default', 'b', 'b')`)
	s.stdout.await(t, 1, `^hook audit auth\.roles insert b$`)
	s.stop().require(t, exitOK)
	run("doctor").require(t, exitOK, "nobody reads it", "start a listener")
	run("pause", "auth.users/audit").require(t, exitOK, "as soon as a listener runs")
}

func TestDoctorWithoutASchema(t *testing.T) {
	t.Parallel()
	d := pgtest.NewEmpty(t)
	latchkey(t, "doctor", "--database-url", d.URL).require(t, exitError, "no Latchkey schema", "run `latchkey migrate`", "wal_level")
}
