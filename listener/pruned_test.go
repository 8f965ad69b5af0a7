package listener_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// Rows of auth.auth_events that are only old go without an event, also ahead of a listener that hasn't read their inserts: these are events
// all the same. Deletes by others are events, and the stamp hides none of another table.
func TestPrunedWithoutEvents(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	r.reg.AuthEvents.AfterCreate("tell", func(ctx context.Context, tx hooks.Tx, ev hooks.Event, _ db.AuthEvent) error {
		return leave(ctx, tx, "tell", ev)
	})
	r.reg.AuthEvents.AfterDelete("tell", func(ctx context.Context, tx hooks.Tx, ev hooks.Event, _ db.AuthEvent) error {
		return leave(ctx, tx, "tell", ev)
	})
	n := r.start(oneLane())
	store, err := db.Open(t.Context(), db.Config{DatabaseURL: r.url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	add := func(ids ...string) {
		for _, id := range ids {
			r.exec(`insert into auth.auth_events (tenant_id, id, type, created_at) values ('t', $1, 'after_login', now() - interval '2 days')`, id)
		}
	}
	prune := func() {
		t.Helper()
		if pruned, err := store.Prune(t.Context(), db.Retention{AuthEvents: time.Hour}); err != nil || pruned["auth.auth_events"] != 2 {
			t.Fatalf("pruned %v: %v", pruned, err)
		}
	}
	add("a", "b")
	prune()
	n.catchUp()
	n.stop()
	add("c", "d")
	prune()
	add("e")
	r.exec(`delete from auth.auth_events where id = 'e'`)
	lock := r.session()
	r.run(lock, `begin`, `select set_config('latchkey.context', '`+hooks.PruneStamp+`', true)`, `insert into auth.roles (tenant_id, id, name) values ('t', 'r', 'r')`,
		`delete from auth.roles where id = 'r'`, `commit`)
	n = r.start(oneLane())
	n.catchUp()
	var got []string
	for _, e := range r.events() {
		got = append(got, e.Op+" "+e.Key)
	}
	want := []string{"insert a", "insert b", "insert c", "insert d", "insert e", "delete e", "insert r", "delete r"}
	if !slices.Equal(got, want) {
		t.Errorf("the events are %q, want %q", got, want)
	}
	r.requireEffects("tell", "a", "b", "c", "d", "e", "e")
	r.requireSound()
}
