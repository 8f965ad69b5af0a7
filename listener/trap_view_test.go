package listener_test

import (
	"slices"
	"testing"
)

// The log can be read by SQL: a row an event, with the columns' names, also for events that have no row, and many.
func TestEventsView(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	n := r.start()
	r.exec(`insert into auth.resource_servers (tenant_id, id, identifier) values ('t', 'api', 'api')`)
	r.exec(`insert into auth.permissions (tenant_id, resource_server_identifier, permission_name) values ('t', 'api', 'p'), ('t', 'api', 'q')`)
	r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'r', E'a "\\\n\u0001\u20ac')`)
	r.exec(`update auth.roles set name = 'b'`)
	r.exec(`insert into auth.role_permissions (tenant_id, role_id, resource_server_identifier, permission_name) values ('t', 'r', 'api', 'p'), ('t', 'r', 'api', 'q')`)
	r.exec(`delete from auth.role_permissions`)
	r.exec(`delete from auth.roles`)
	r.exec(`truncate auth.role_permissions`)
	n.catchUp()
	r.requireEvents(
		"resource_servers insert api", `permissions insert ["api","p"]`, `permissions insert ["api","q"]`,
		"roles insert r", "roles update r", "role_permissions assign r", "role_permissions remove r", "roles delete r", "role_permissions truncate ",
	)
	events := r.events()
	for i, e := range events {
		has := [3]bool{e.Old != nil, e.New != nil, e.Rows != nil}
		want := map[string][3]bool{
			"insert": {false, true, false}, "update": {true, true, false}, "delete": {true, false, false},
			"assign": {false, false, true}, "remove": {false, false, true}, "truncate": {},
		}[e.Op]
		if has != want {
			t.Errorf("%v has an old row, a new row, rows: %v, want %v", e, has, want)
		}
		if tenant := e.Tenant != nil && *e.Tenant == "t"; tenant != (e.Op != "truncate") {
			t.Errorf("%v has tenant %v", e, e.Tenant)
		}
		if e.Origin != "external" || e.Stamp["role"] == nil || len(e.Unknown) > 0 {
			t.Errorf("%v has origin %s, stamp %v, unknown columns %v", e, e.Origin, e.Stamp, e.Unknown)
		}
		// Also where the reading begins in the middle.
		after := value[[]int64](r, `select coalesce(array_agg(seq order by seq), '{}') from latchkey.events_after('default', $1)`, i+1)
		var rest []int64
		for _, e := range events[i+1:] {
			rest = append(rest, e.Seq)
		}
		if !slices.Equal(after, rest) {
			t.Errorf("after event %d come %v, want %v", i+1, after, rest)
		}
	}
	if name := text(events[3].New, "name"); name != "a \"\\\n\x01\u20ac" || text(events[4].Old, "name") != name {
		t.Errorf("the name is %q", name)
	}
	if rows := events[6].Rows; len(rows) != 2 || text(rows[0], "permission_name") != "p" || text(rows[1], "permission_name") != "q" {
		t.Errorf("the members that went are %v", rows)
	}
	if others := value[int](r, `select count(*) from latchkey.events_after('other', 0)`); others > 0 {
		t.Errorf("another group has %d events", others)
	}
}
