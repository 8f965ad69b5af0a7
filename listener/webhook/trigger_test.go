package webhook

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/latchkey-dev/latchkey/hooks"
)

func tables() []string {
	return []string{"auth.users", "auth.roles", "auth.role_permissions", "auth.auth_events", "billing.invoices"}
}

// Each event has its triggers, and no others.
func TestTriggersOfEvents(t *testing.T) {
	t.Parallel()
	user := shape("auth.users", "email_verified", pgtype.BoolOID)
	linked := shape("auth.users", "email_verified", pgtype.BoolOID, "linked_to", pgtype.TextOID, "updated_at", pgtype.TextOID)
	raised := shape("auth.auth_events", "type", pgtype.TextOID)
	role := shape("auth.roles", "name", pgtype.TextOID)
	perms := shape("auth.role_permissions", "role_id", pgtype.TextOID)
	own := shape("billing.invoices", "id", pgtype.TextOID)
	set := event(hooks.Assign, "", nil, nil)
	set.Table, set.Shape, set.Rows = "auth.role_permissions", perms, []*hooks.Image{image(perms, "r")}
	for _, test := range []struct {
		ev   *hooks.Event
		want string
		name string
	}{
		{event(hooks.Insert, "", nil, image(user, "f")), "post-user-registration after_register user.created user.* *", "user.created"},
		{event(hooks.Update, "", image(user, "f"), image(user, "f")), "post-user-update user.updated user.* *", "user.updated"},
		{event(hooks.Update, "", image(user, "f"), image(user, "t")), "post-user-update after_email_verify user.updated user.* *", "user.updated"},
		{event(hooks.Update, "", image(user, "t"), image(user, "t")), "post-user-update user.updated user.* *", "user.updated"},
		{event(hooks.Update, "", image(linked, "t", "NULL", "1"), image(linked, "t", "a", "2")), "user.updated user.* *", "user.updated"},
		{event(hooks.Update, "", image(linked, "f", "NULL", "1"), image(linked, "t", "a", "2")), "post-user-update after_email_verify user.updated user.* *", "user.updated"},
		{event(hooks.Update, "", image(linked, "t", "a", "1"), image(linked, "t", "a", "2")), "post-user-update user.updated user.* *", "user.updated"},
		{event(hooks.Delete, "", image(user, "t"), nil), "post-user-deletion user.deleted user.* *", "user.deleted"},
		{event(hooks.Insert, "", nil, image(raised, "after_login")), "post-user-login after_login auth_event.created auth_event.* *", "after_login"},
		{event(hooks.Insert, "", nil, image(raised, "after_logout")), "after_logout auth_event.created auth_event.* *", "after_logout"},
		{event(hooks.Insert, "", nil, image(raised, "another")), "auth_event.created auth_event.* *", "auth_event.created"},
		{event(hooks.Update, "", image(role, "a"), image(role, "b")), "role.updated role.* *", "role.updated"},
		{event(hooks.Truncate, "", nil, image(role, "b")), "", "role.truncated"},
		{set, "role_permission.assigned role_permission.* *", "role_permission.assigned"},
		{event(hooks.Delete, "", image(own, "1"), nil), "billing.invoices.deleted billing.invoices.* *", "billing.invoices.deleted"},
	} {
		var got []string
		for _, id := range TriggerIDs(tables()) {
			trigger, err := ParseTrigger(id, tables())
			if err != nil {
				t.Fatal(err)
			}
			if !trigger.Wants(test.ev) {
				continue
			}
			got = append(got, id)
			if !slices.Contains(trigger.Tables(tables()), test.ev.Table) {
				t.Errorf("%s wants events of %s and says it doesn't", id, test.ev.Table)
			}
			if want := map[bool]string{true: id, false: test.name}[!strings.HasSuffix(id, "*")]; trigger.Name(test.ev) != want {
				t.Errorf("%s calls %s of %s %q, want %q", id, test.ev.Operation, test.ev.Table, trigger.Name(test.ev), want)
			}
		}
		want := strings.Fields(test.want)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s of %s: %v, want %v", test.ev.Operation, test.ev.Table, got, want)
		}
	}
}

func TestUnknownTriggers(t *testing.T) {
	t.Parallel()
	for id, hint := range map[string]string{"role.create": `"role.created"`, "post_user_login": `"post-user-login"`, "role_permission.created": "", "": "", "invoice.created": ""} {
		trigger, err := ParseTrigger(id, tables())
		if err == nil || !strings.Contains(err.Error(), hint) || trigger.Tables(tables()) != nil {
			t.Errorf("%q: %v, want an error that names %s", id, err, hint)
		}
	}
	for _, id := range []string{ValidateRegistrationUsername, PreUserRegistration, PreUserUpdate, PreUserDeletion} {
		if trigger, err := ParseTrigger(id, tables()); err != nil || !trigger.Sync() || len(trigger.Tables(tables())) > 0 {
			t.Errorf("%s: %v, sync %v", id, err, trigger.Sync())
		}
	}
}

// The body of a login has the user, as of then, where the others have theirs.
func TestBodyOfALogin(t *testing.T) {
	t.Parallel()
	s := shape("auth.auth_events", "type", pgtype.TextOID, "details", pgtype.JSONBOID, "sealed", pgtype.ByteaOID)
	ev := event(hooks.Insert, "", nil, image(s, "after_login", `{"user": {"user_id": "u1", "access_token": "planted"}, "connection": "c"}`, `\x00`))
	got := bodyOf(t, ev, PostUserLogin)
	if !strings.Contains(got, `"user":{"user_id":"u1"},"entity_name":"auth_event"`) || !strings.Contains(got, `"connection":"c"`) || strings.Contains(got, "planted") {
		t.Error(got)
	}
}
