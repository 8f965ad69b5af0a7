package webhook

import (
	"fmt"
	"slices"
	"strings"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/nearest"
)

// Trigger says when a hook is called: before a write, for its answer, or after a commit, for the events that it wants. The
// zero value wants nothing.
type Trigger struct {
	id   string
	sync bool
	any  bool                    // every event of the tenant
	of   string                  // the table
	op   hooks.Operation         // 0 is every one
	is   func(*hooks.Event) bool // nil: all of those
}

// The trigger whose hook may be a form or a page, and that of every event.
const (
	PostUserLogin = "post-user-login"
	Everything    = "*"
)

const (
	eventTable = "auth.auth_events" // what happened that is no row of its own: its type says what
	setTable   = "auth.role_permissions"
)

// Triggers are all that there are. It is safe for concurrent use.
//
// There are the synchronous ones (pre-user-registration, ...), those of users and logins (post-user-registration,
// post-user-login, after_register, after_login, ...), <entity>.<what happened> for every table (role.created, role.updated,
// role.deleted; role_permission.assigned and removed; billing.invoices.created for a service's own), <entity>.* and *. No
// trigger is for TRUNCATE, which belongs to no tenant.
type Triggers struct {
	ids  []string
	byID map[string]Trigger
}

// NewTriggers lists the triggers for the hooked tables, schema.table. Whoever reads many keeps it.
func NewTriggers(tables []string) Triggers {
	all := Triggers{byID: map[string]Trigger{}}
	for _, t := range triggers(tables) {
		if _, has := all.byID[t.id]; !has { // the first of a name counts
			all.byID[t.id] = t
		}
		all.ids = append(all.ids, t.id)
	}
	return all
}

// Parse reads a trigger's id. The error for a trigger that there isn't names the one that is most like it.
func (a Triggers) Parse(id string) (Trigger, error) {
	if t, has := a.byID[id]; has {
		return t, nil
	}
	return Trigger{}, fmt.Errorf("webhook: there is no trigger %q%s", id, nearest.Hint(id, a.ids))
}

// ParseTrigger reads one trigger's id, as [Triggers.Parse] does.
func ParseTrigger(id string, tables []string) (Trigger, error) { return NewTriggers(tables).Parse(id) }

// TriggerIDs lists the ids of all triggers.
func TriggerIDs(tables []string) []string { return NewTriggers(tables).ids }

func triggers(tables []string) []Trigger {
	all := []Trigger{
		{id: ValidateRegistrationUsername, sync: true},
		{id: PreUserRegistration, sync: true},
		{id: PreUserUpdate, sync: true},
		{id: PreUserDeletion, sync: true},
		{id: "post-user-registration", of: userTable, op: hooks.Insert},
		{id: PostUserLogin, of: eventTable, op: hooks.Insert, is: ofType("after_login")},
		{id: "post-user-update", of: userTable, op: hooks.Update, is: notOnlyLinked},
		{id: "post-user-deletion", of: userTable, op: hooks.Delete},
		{id: "after_register", of: userTable, op: hooks.Insert},
		{id: "after_email_verify", of: userTable, op: hooks.Update, is: emailVerified},
		{id: Everything, any: true},
	}
	for _, name := range raisedEvents() {
		all = append(all, Trigger{id: name, of: eventTable, op: hooks.Insert, is: ofType(name)})
	}
	for _, table := range tables {
		entity := EntityName(table)
		all = append(all, Trigger{id: entity + ".*", of: table})
		for _, op := range operations(table) {
			all = append(all, Trigger{id: entity + "." + pastTense(op), of: table, op: op})
		}
	}
	return all
}

// raisedEvents are the types of the rows of auth.auth_events.
func raisedEvents() []string {
	return []string{
		"send_verification_email", "send_login_code", "after_login", "after_logout", "after_oauth_login", "after_oauth_register",
		"after_password_change", "send_password_reset_email", "after_password_reset",
	}
}

// ID is the trigger's id.
func (t Trigger) ID() string { return t.id }

// Sync reports whether its hooks are asked before a write.
func (t Trigger) Sync() bool { return t.sync }

// Tables narrows tables to those whose events the trigger may want.
func (t Trigger) Tables(tables []string) []string {
	switch {
	case t.any:
		return tables
	case t.of != "" && slices.Contains(tables, t.of):
		return []string{t.of}
	}
	return nil
}

// Wants reports whether an event is the trigger's. It depends on the event alone.
func (t Trigger) Wants(ev *hooks.Event) bool {
	if ev.Operation == hooks.Truncate {
		return false
	}
	return t.any || t.of == ev.Table && (t.op == 0 || t.op == ev.Operation) && (t.is == nil || t.is(ev))
}

// Name is what the body of an event has for trigger_id: the trigger, or, where that stands for many, what happened.
func (t Trigger) Name(ev *hooks.Event) string {
	if !t.any && t.op != 0 {
		return t.id
	}
	return EventName(ev)
}

// EventName is what an event is called where no trigger says it: role.created, or after_login for a row of auth.auth_events.
func EventName(ev *hooks.Event) string {
	if ev.Table == eventTable && ev.New != nil && slices.Contains(raisedEvents(), text(ev.New, "type")) {
		return text(ev.New, "type")
	}
	return EntityName(ev.Table) + "." + pastTense(ev.Operation)
}

func operations(table string) []hooks.Operation {
	if table == setTable {
		return []hooks.Operation{hooks.Assign, hooks.Remove}
	}
	return []hooks.Operation{hooks.Insert, hooks.Update, hooks.Delete}
}

func pastTense(op hooks.Operation) string {
	switch op {
	case hooks.Insert:
		return "created"
	case hooks.Update:
		return "updated"
	case hooks.Delete:
		return "deleted"
	case hooks.Assign:
		return "assigned"
	case hooks.Remove:
		return "removed"
	default:
		return strings.TrimSuffix(op.String(), "e") + "ed"
	}
}

func ofType(name string) func(*hooks.Event) bool {
	return func(ev *hooks.Event) bool { return ev.New != nil && text(ev.New, "type") == name }
}

// emailVerified is an update by which email_verified turns true, or may have.
func emailVerified(ev *hooks.Event) bool {
	return ev.New != nil && text(ev.New, "email_verified") == "t" && ev.MayHaveChanged("email_verified")
}

// notOnlyLinked is an update that is more than a link to another account: that is no change of the user, though it is one of the row.
func notOnlyLinked(ev *hooks.Event) bool {
	return ev.New == nil || !ev.MayHaveChanged("linked_to") || slices.ContainsFunc(ev.New.Shape.Columns, func(column string) bool {
		return column != "linked_to" && column != "updated_at" && ev.MayHaveChanged(column)
	})
}
