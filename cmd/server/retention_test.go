package main

import (
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/internal/pgtest"
)

// A server removes what is older than its flags say, and leaves the rest.
func TestServePrunes(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	d.Exec(t, `insert into auth.logs (tenant_id, type, date) values ('x', 'old', now() - interval '2 hours'), ('x', 'new', now())`)
	d.Exec(t, `insert into auth.tenants (id) values ('default')`)
	d.Exec(t, `insert into auth.auth_events (tenant_id, type, created_at) values ('default', 'older', now() - interval '90 days')`)
	serve(t, d.URL, "--log-retention", "1h", "--auth-event-retention", "0")
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for query[int](t, d.URL, `select count(*) from auth.logs where type = 'old'`) > 0 {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("the old line is still there")
		}
	}
	if n := query[int](t, d.URL, `select (select count(*) from auth.logs where type = 'new') + (select count(*) from auth.auth_events)`); n != 2 {
		t.Errorf("%d rows are left, want 2", n)
	}
}
