package webhook

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/latchkey-dev/latchkey/hooks"
)

func image(shape *hooks.Shape, values ...string) *hooks.Image {
	im := &hooks.Image{Shape: shape}
	for _, v := range values {
		if v == "NULL" {
			im.Values = append(im.Values, nil)
		} else {
			im.Values = append(im.Values, []byte(v))
		}
	}
	return im
}

func shape(table string, columns ...any) *hooks.Shape {
	s := &hooks.Shape{}
	s.Schema, s.Table, _ = strings.Cut(table, ".")
	for i := 0; i < len(columns); i += 2 {
		s.Columns = append(s.Columns, columns[i].(string))
		s.Types = append(s.Types, uint32(columns[i+1].(int)))
	}
	return s
}

func event(op hooks.Operation, stamp string, old, now *hooks.Image) *hooks.Event {
	ev := &hooks.Event{
		Seq: 7, CommitLSN: 0x16b3748, Ordinal: 2, XID: 731, CommittedAt: time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.FixedZone("", 3600)),
		Operation: op, Key: "k1", TenantID: "acme", Old: old, New: now, RawStamp: []byte(stamp), Attempt: 1,
	}
	for _, im := range []*hooks.Image{old, now} {
		if im != nil {
			ev.Shape, ev.Table = im.Shape, im.Shape.Name()
		}
	}
	return ev
}

func bodyOf(t *testing.T, ev *hooks.Event, trigger string) string {
	t.Helper()
	text, err := NewBodies(ev).Of(trigger)
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(text) {
		t.Fatalf("no JSON: %s", text)
	}
	return string(text)
}

func users() *hooks.Shape {
	return shape("auth.users", "tenant_id", pgtype.TextOID, "user_id", pgtype.TextOID, "email", pgtype.TextOID, "email_verified", pgtype.BoolOID,
		"multifactor", pgtype.TextArrayOID, "user_metadata", pgtype.JSONBOID, "profile_data", pgtype.JSONBOID, "created_at", pgtype.TimestamptzOID)
}

func TestBodyOfAUser(t *testing.T) {
	t.Parallel()
	s := users()
	was := image(s, "acme", "auth0|1", "NULL", "f", "{}", `{"n": 12345678901234567890, "token": "<mine>"}`, `{}`, "2026-03-01 12:00:00.5+00")
	is := image(s, "acme", "auth0|1", "a@b.c", "t", `{sms,"a b"}`, `{"n": 1}`, `{"id": "g", "access_token": "planted", "deep": [{"refresh_token": "planted"}]}`, "2026-03-01 12:00:00.5+00")
	ev := event(hooks.Update, `{"origin":"app","actor":"adm","client_id":"c1","request_id":"r1","ip":"1.2.3.4","user_agent":"curl","geoip":{"country_code":"NL"}}`, was, is)
	want := `{"tenant_id":"acme",` +
		`"user":{"tenant_id":"acme","user_id":"auth0|1","email":"a@b.c","email_verified":true,"multifactor":["sms","a b"],"user_metadata":{"n":1},"profile_data":{"deep":[{}],"id":"g"},"created_at":"2026-03-01T12:00:00.5Z"},` +
		`"trigger_id":"post-user-update","event_id":"` + EventID(ev) + `","occurred_at":"2026-03-01T11:00:00.123456Z","origin":"app",` +
		`"request":{"request_id":"r1","actor":"adm","client_id":"c1","ip":"1.2.3.4","user_agent":"curl","geoip":{"country_code":"NL"}},` +
		`"before":{"tenant_id":"acme","user_id":"auth0|1","email":null,"email_verified":false,"multifactor":[],"user_metadata":{"n":12345678901234567890,"token":"<mine>"},"profile_data":{},"created_at":"2026-03-01T12:00:00.5Z"},` +
		`"changed":["email","email_verified","multifactor","user_metadata","profile_data"]}`
	if got := bodyOf(t, ev, "post-user-update"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// A row that moves to another tenant shows that one nothing of what it was.
func TestBodyOfARowThatChangedItsTenant(t *testing.T) {
	t.Parallel()
	s := shape("auth.users", "tenant_id", pgtype.TextOID, "user_id", pgtype.TextOID)
	ev := event(hooks.Update, "", image(s, "other", "planted"), image(s, "acme", "u1"))
	ev.OldTenantID, ev.OldKey = "other", "planted"
	if got := bodyOf(t, ev, "post-user-update"); strings.Contains(got, "planted") || strings.Contains(got, "before") {
		t.Error(got)
	}
	ev.OldTenantID, ev.OldKey = "acme", "u0" // another key only
	if got := bodyOf(t, ev, "post-user-update"); !strings.Contains(got, "before") {
		t.Error(got)
	}
}

func TestBodyOfADeletedUserIsTheUserAsItWas(t *testing.T) {
	t.Parallel()
	s := shape("auth.users", "user_id", pgtype.TextOID)
	ev := event(hooks.Delete, `{"origin":"external","role":"postgres","application_name":"psql","client_addr":"10.0.0.9"}`, image(s, "u1"), nil)
	want := `{"tenant_id":"acme","user":{"user_id":"u1"},"trigger_id":"post-user-deletion","event_id":"` + EventID(ev) +
		`","occurred_at":"2026-03-01T11:00:00.123456Z","origin":"external","request":null,"writer":{"role":"postgres","application_name":"psql"}}`
	if got := bodyOf(t, ev, "post-user-deletion"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestBodyOfEntities(t *testing.T) {
	t.Parallel()
	const head, tail = `{"tenant_id":"acme",`, `,"trigger_id":"t",`
	roles := shape("auth.roles", "id", pgtype.TextOID, "name", pgtype.TextOID)
	unknown := image(roles, "r1", "NULL")
	unknown.Unknown = []bool{false, true}
	perms := shape("auth.role_permissions", "tenant_id", pgtype.TextOID, "role_id", pgtype.TextOID, "resource_server_identifier", pgtype.TextOID, "permission_name", pgtype.TextOID)
	assign := event(hooks.Assign, "", nil, nil)
	assign.Table, assign.Shape = "auth.role_permissions", perms
	assign.Rows = []*hooks.Image{image(perms, "acme", "r1", "api", "read"), image(perms, "acme", "r1", "api", "write")}
	truncate := event(hooks.Truncate, "", nil, nil)
	truncate.Table, truncate.Shape = "auth.users", users()
	for want, ev := range map[string]*hooks.Event{
		`"entity_name":"role","entity":{"id":"r1","name":"Editor"}`:  event(hooks.Insert, "", nil, image(roles, "r1", "Editor")),
		`"entity_name":"role","entity":{"id":"r1"}`:                  event(hooks.Delete, "", unknown, nil),
		`"entity_name":"billing.invoices","entity":{"total":12.50}`:  event(hooks.Insert, "", nil, image(shape("billing.invoices", "total", pgtype.NumericOID), "12.50")),
		`"entity_name":"resource_server","entity":{}`:                event(hooks.Insert, "", nil, image(shape("auth.resource_servers"))),
		`"entity_name":"user","entity":null`:                         truncate,
		`"entity_name":"auth_event","entity":{"details":{"ip":"1"}}`: event(hooks.Insert, "", nil, image(shape("auth.auth_events", "details", pgtype.JSONBOID, "sealed", pgtype.ByteaOID), `{"ip": "1", "token": "planted"}`, `\x00ff`)),
		`"entity_name":"connection","entity":{"options":{"client_id":"c"}}`: event(hooks.Insert, "", nil,
			image(shape("auth.connections", "options", pgtype.JSONBOID), `{"client_id": "c", "client_secret": "planted", "app-secret": "planted"}`)),
		`"entity_name":"client","entity":{"addons":{"azure_sb":{}},"refresh_token":{"leeway":5}}`: event(hooks.Insert, "", nil,
			image(shape("auth.clients", "addons", pgtype.JSONBOID, "refresh_token", pgtype.JSONBOID), `{"azure_sb": {"sasKey": "planted"}}`, `{"leeway": 5}`)),
		`"entity_name":"client_grant","entity":{"id":"g"}`:        event(hooks.Insert, "", nil, image(shape("auth.client_grants", "id", pgtype.TextOID), "g")),
		`"entity_name":"organization_member","entity":{"id":"m"}`: event(hooks.Insert, "", nil, image(shape("auth.organization_members", "id", pgtype.TextOID), "m")),
		`"entity_name":"role_permission","entity":{"tenant_id":"acme","role_id":"r1","permissions":[` +
			`{"resource_server_identifier":"api","permission_name":"read"},{"resource_server_identifier":"api","permission_name":"write"}]}`: assign,
	} {
		got := bodyOf(t, ev, "t")
		if !strings.HasPrefix(got, head+want+tail) {
			t.Errorf("got  %s\nwant %s", got, head+want+tail)
		}
		if strings.Contains(got, "planted") || !strings.Contains(got, `"origin":"unknown","request":null`) {
			t.Errorf("got %s", got)
		}
	}
}

func TestBodyWithoutTenant(t *testing.T) {
	t.Parallel()
	ev := event(hooks.Insert, "", nil, image(shape("billing.plans", "id", pgtype.Int4OID), "1"))
	ev.TenantID = ""
	if got := bodyOf(t, ev, "t"); !strings.HasPrefix(got, `{"tenant_id":null,"entity_name"`) {
		t.Error(got)
	}
}

// An update of a secret column isn't told, not even that it happened.
func TestBodyHidesSecretColumns(t *testing.T) {
	t.Parallel()
	s := shape("billing.accounts", "id", pgtype.TextOID, "api_key", pgtype.TextOID, "Password", pgtype.TextOID)
	if got := bodyOf(t, event(hooks.Update, "", image(s, "1", "planted", "planted"), image(s, "1", "planted2", "planted2")), "t"); strings.Contains(got, "planted") ||
		strings.Contains(got, "api_key") || strings.Contains(got, "Password") {
		t.Error(got)
	}
}

func TestBodyIsBuiltOnce(t *testing.T) {
	t.Parallel()
	ev := event(hooks.Insert, "", nil, image(shape("auth.roles", "id", pgtype.TextOID), "r1"))
	bodies := NewBodies(ev)
	one, _ := bodies.Of("a")
	again, _ := bodies.Of("a")
	other, _ := bodies.Of("b")
	if &one[0] != &again[0] || &one[0] == &other[0] {
		t.Error("a body isn't built once for its trigger")
	}
	ev.Attempt = 9
	if later := bodyOf(t, ev, "a"); later != string(one) {
		t.Errorf("a later attempt has another body: %s", later)
	}
	broken := event(hooks.Insert, "", nil, image(shape("auth.roles", "id", pgtype.TextOID)))
	if _, err := NewBodies(broken).Of("a"); err == nil {
		t.Error("a row without its value passed")
	}
}

func TestIDsStayTheSame(t *testing.T) {
	t.Parallel()
	s := shape("auth.roles", "id", pgtype.TextOID)
	ev := event(hooks.Insert, `{"origin":"app"}`, nil, image(s, "r1"))
	id := EventID(ev)
	again := *ev
	again.Attempt, again.Seq, again.Run = 5, 99, 3 // a retry, another group, a replay
	if EventID(&again) != id {
		t.Error("an attempt or replay changed the event's id")
	}
	if m := MessageID(id, "hook_1"); m == MessageID(id, "hook_2") || m != MessageID(EventID(&again), "hook_1") || !strings.HasPrefix(m, "msg_") || len(m) != 26 {
		t.Errorf("the message is %s", m)
	}
	for name, change := range map[string]func(*hooks.Event){
		"position": func(e *hooks.Event) { e.CommitLSN++ }, "place": func(e *hooks.Event) { e.Ordinal++ }, "transaction": func(e *hooks.Event) { e.XID++ },
		"key": func(e *hooks.Event) { e.Key = "k2" }, "table": func(e *hooks.Event) { e.Table = "auth.users" }, "operation": func(e *hooks.Event) { e.Operation = hooks.Delete },
		"tenant": func(e *hooks.Event) { e.TenantID = "other" },
	} {
		other := *ev
		if change(&other); EventID(&other) == id {
			t.Errorf("another %s has the same id", name)
		}
	}
	filled := *ev
	filled.RawStamp, filled.Run = []byte(`{"origin":"backfill"}`), 1
	second := filled
	second.Run = 2
	if EventID(&filled) == EventID(&second) {
		t.Error("two backfills share an id")
	}
}
