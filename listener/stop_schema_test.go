package listener_test

import (
	"testing"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/pgtest"
	"github.com/latchkey-dev/latchkey/listener"
)

func TestStopWithoutSchema(t *testing.T) {
	t.Parallel()
	d := pgtest.NewEmpty(t)
	_, err := listener.Open(t.Context(), listener.Config{DatabaseURL: d.URL, Hooks: db.NewHooks()})
	requireStop(t, err, "no Latchkey schema", "latchkey migrate")
}

func TestStopAtAnotherSchemaVersion(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		harm, repair string
		words        []string
	}{
		"newer than the program": {
			`insert into public.latchkey_migrations (version_id, is_applied) values (99999, true)`,
			`delete from public.latchkey_migrations where version_id = 99999`,
			[]string{"version 99999", "run a newer latchkey"},
		},
		"older than the program": {
			`update public.latchkey_migrations set is_applied = false where version_id > 1`,
			`update public.latchkey_migrations set is_applied = true where version_id > 1`,
			[]string{"version 1", "latchkey migrate"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.exec(test.harm)
			requireStop(t, r.refused(), test.words...)
			r.exec(test.repair)
			r.start()
		})
	}
}

// A hooked table must be ready; what the stop says makes it so.
func TestStopAtATableThatIsNotReady(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ harm, repair string }{
		"replica identity default": {`alter table auth.roles replica identity default`, `select latchkey.watch('auth.roles')`},
		"replica identity nothing": {`alter table auth.roles replica identity nothing`, `select latchkey.watch('auth.roles')`},
		"no stamp trigger":         {`drop trigger latchkey_stamp on auth.roles`, `select latchkey.watch('auth.roles')`},
		"a silent stamp trigger":   {`alter table auth.roles disable trigger latchkey_stamp`, `select latchkey.watch('auth.roles')`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.exec(test.harm)
			requireStop(t, r.refused(), "table auth.roles", test.repair)
			r.exec(test.repair)
			n := r.start()
			r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'a', 'a')`)
			r.exec(`delete from auth.roles where id = 'a'`)
			n.catchUp()
			r.requireEvents("roles insert a", "roles delete a")
			for _, e := range r.events() {
				if e.Origin != "external" {
					t.Errorf("%v has origin %s", e, e.Origin)
				}
			}
		})
	}
}

func TestStopAtAMissingTable(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(`drop table auth.auth_events`)
	r.exec(`alter table auth.roles replica identity default`)
	requireStop(t, r.refused(), "auth.auth_events is hooked and does not exist", "latchkey.watch('auth.roles')")
}
