package listener_test

import (
	"slices"
	"testing"

	"github.com/latchkey-dev/latchkey/hooks/hookstest"
)

// A webhook gets its tenant's events and no other's, of a service's own table too, and only those that its trigger asks for.
func TestWebhookTriggers(t *testing.T) {
	t.Parallel()
	r := newWebhookRig(t)
	r.exec(`create schema billing; create table billing.invoices (tenant_id text, id text, amount int, note text, primary key (tenant_id, id))`)
	type invoice struct {
		TenantID, ID string
		Amount       int
		Note         *string
	}
	own[invoice](r.hookRig, "billing.invoices")
	r.exec(`insert into auth.tenants (id) values ('u')`)
	r.exec(`insert into auth.resource_servers (tenant_id, identifier) values ('t', 'api')`)
	r.exec(`insert into auth.permissions (tenant_id, resource_server_identifier, permission_name) select 't', 'api', 'p' || i from generate_series(1, 3) i`)
	n := r.start()
	triggers := []string{"*", "role.*", "billing.invoices.created", "billing.invoices.*", "role_permission.assigned", "role.deleted", "pre-user-registration", "pre-user-deletion", "after_register", "user.*", "unknown.trigger"}
	sinks := map[string]*hookstest.Sink{}
	for _, tr := range triggers {
		sinks[tr] = hookstest.NewSink(t)
		r.exec(`with made as (insert into auth.hooks (tenant_id, trigger_id, url) values ('t', $1, $2) returning hook_id)
			insert into auth.hook_secrets (tenant_id, hook_id, kind, sealed) select 't', hook_id, 'signing', $3 from made`, tr, sinks[tr].URL, []byte(sinks[tr].Secret.Reveal()))
	}
	changed, others := hookstest.NewSink(t), hookstest.NewSink(t)
	r.hookTo(changed, "t", "changed", "billing.invoices.*")
	r.set("changed", `when_changed = '{amount}'`)
	r.hookTo(others, "u", "others", "*")
	n.reread()

	r.roles("a")
	r.exec(`insert into auth.roles (tenant_id, id, name) values ('u', 'theirs', 'theirs')`)
	r.exec(`insert into auth.role_permissions (tenant_id, role_id, resource_server_identifier, permission_name) select 't', 'a', 'api', 'p' || i from generate_series(1, 3) i`)
	r.exec(`insert into billing.invoices values ('t', '1', 10), ('u', '2', 20)`)
	r.exec(`update billing.invoices set note = 'sent'`)
	r.exec(`update billing.invoices set amount = 11 where id = '1'`)
	r.exec(`truncate billing.invoices`)
	r.exec(`insert into auth.users (tenant_id, user_id) values ('t', 'ann')`)
	r.exec(`delete from auth.users where user_id = 'ann'`)
	r.exec(`delete from auth.role_permissions`)
	invoices := []string{"billing.invoices.created 1", "billing.invoices.updated 1", "billing.invoices.updated 1"}
	want := map[string][]string{
		"*":                        append([]string{"role.created a", "role_permission.assigned a", "role_permission.removed a", "user.created ann", "user.deleted ann"}, invoices...),
		"role.*":                   {"role.created a"},
		"billing.invoices.created": {"billing.invoices.created 1"},
		"billing.invoices.*":       invoices,
		"role_permission.assigned": {"role_permission.assigned a"},
		"after_register":           {"after_register ann"},
		"user.*":                   {"user.created ann", "user.deleted ann"},
	}
	sinks["changed"], want["changed"] = changed, []string{"billing.invoices.created 1", "billing.invoices.updated 1"}
	sinks["others"], want["others"] = others, []string{"role.created theirs", "billing.invoices.created 2", "billing.invoices.updated 2"}
	n.catchUpWebhooks()
	n.stop()
	for trigger, sink := range sinks {
		var got []string
		for _, w := range sink.Received() {
			got = append(got, tells(w))
			if tenant := map[bool]string{true: "u", false: "t"}[trigger == "others"]; w.TenantID != tenant {
				t.Errorf("%s got what is of tenant %s", trigger, w.TenantID)
			}
		}
		slices.Sort(got)
		slices.Sort(want[trigger])
		if !slices.Equal(got, want[trigger]) {
			t.Errorf("%s got %v, want %v", trigger, got, want[trigger])
		}
	}
	if subs := value[int](r.rig, `select count(*) from latchkey.subscriptions where hook in (select hook_id from auth.hooks where trigger_id like 'pre-%')`); subs != 0 {
		t.Errorf("%d synchronous hooks have a subscription", subs)
	}
}
