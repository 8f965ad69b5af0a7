package listener_test

import (
	"testing"

	"github.com/latchkey-dev/latchkey/listener"
	"github.com/latchkey-dev/latchkey/listener/webhook/sender"
)

// A role that lacks something is told what, and with all that it was told to get, it works.
func TestStopAtARoleWithoutRights(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	role := "role_of_" + r.name
	r.exec(`create role ` + role + ` login password 'secret'`)
	t.Cleanup(func() { r.exec(`drop owned by ` + role); r.exec(`drop role ` + role) })
	as := with(func(c *listener.Config) { c.DatabaseURL = asRole(t, r.url, role, "secret") })

	for _, step := range []struct {
		words []string
		grant string
	}{
		{[]string{"may not replicate", `alter role "` + role + `" replication`}, `alter role ` + role + ` replication`},
		{[]string{"grant usage on schema latchkey"}, `grant usage on schema latchkey to ` + role},
		{[]string{"lacks privileges", "position SELECT", "acks DELETE"}, `grant select, insert, update, delete on latchkey.position, latchkey.event_batches,
			latchkey.subscriptions, latchkey.acks, latchkey.deliveries to ` + role},
		{[]string{"lacks privileges", "lease SELECT", "relations INSERT"}, `grant select, insert, update, delete on all tables in schema latchkey to ` + role},
		{[]string{"lacks privileges", "make_partition(text, bigint, bigint) EXECUTE"}, `grant execute on function latchkey.make_partition, latchkey.drop_partition to ` + role},
		{[]string{"public.latchkey_migrations"}, `grant select on public.latchkey_migrations to ` + role},
		{[]string{"grant usage on the schemas", "auth"}, `grant usage on schema auth to ` + role},
		{[]string{"create publication latchkey_default"}, `create publication latchkey_default with (publish_via_partition_root = true)`},
		{[]string{"alter publication latchkey_default add table auth."}, `alter publication latchkey_default add table auth.tenants, auth.users, auth.roles,
			auth.role_permissions, auth.permissions, auth.user_roles, auth.connections, auth.resource_servers, auth.auth_events,
			auth.clients, auth.client_grants, auth.user_permissions, auth.organizations, auth.organization_members,
		auth.organization_member_roles, auth.organization_connections, auth.forms`},
	} {
		requireStop(t, r.refused(as), step.words...)
		r.exec(step.grant)
	}
	n := r.start(as)
	r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'a', 'a')`)
	n.catchUp()
	n.kill()
	n = r.start(as) // ends what is left of its own
	n.catchUp()
	r.requireEvents("roles insert a")
	r.requireSound()
	n.stop()
}

// Webhooks need what hooks in Go don't: a role that lacks it is told before anything waits for it.
func TestStopAtARoleWithoutWebhookRights(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.start().stop() // as the owner of all, who publishes the tables
	role := "role_of_" + r.name
	r.exec(`create role ` + role + ` login replication password 'secret'`)
	t.Cleanup(func() { r.exec(`drop owned by ` + role); r.exec(`drop role ` + role) })
	r.exec(`grant usage on schema latchkey, auth to ` + role)
	r.exec(`grant select, insert, update, delete on all tables in schema latchkey to ` + role)
	r.exec(`grant execute on function latchkey.make_partition, latchkey.drop_partition to ` + role)
	r.exec(`grant select on public.latchkey_migrations to ` + role)
	s, err := sender.New(sender.Config{Tables: r.reg.Tables()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	as := with(func(c *listener.Config) { c.DatabaseURL, c.Webhooks = asRole(t, r.url, role, "secret"), s })
	requireStop(t, r.refused(as), "auth.hooks SELECT", "auth.hooks UPDATE", "auth.hook_secrets SELECT", "auth.logs INSERT", "without Config.Webhooks")
	r.exec(`grant select, update on auth.hooks to ` + role)
	r.exec(`grant select on auth.hook_secrets to ` + role)
	r.exec(`grant insert on auth.logs to ` + role)
	r.start(as).stop()
}

// Replication may have a role of its own.
func TestReplicationRole(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	worker, reader := "worker_of_"+r.name, "reader_of_"+r.name
	for _, role := range []string{worker, reader} {
		r.exec(`create role ` + role + ` login password 'secret'`)
		t.Cleanup(func() { r.exec(`drop owned by ` + role); r.exec(`drop role ` + role) })
	}
	r.exec(`grant usage on schema latchkey, auth to ` + worker)
	r.exec(`grant all on all tables in schema latchkey to ` + worker)
	r.exec(`grant execute on function latchkey.make_partition, latchkey.drop_partition to ` + worker)
	r.exec(`grant select on public.latchkey_migrations to ` + worker)
	r.exec(`create publication latchkey_default for table auth.tenants, auth.users, auth.roles, auth.role_permissions, auth.permissions,
		auth.user_roles, auth.connections, auth.resource_servers, auth.auth_events,
		auth.clients, auth.client_grants, auth.user_permissions, auth.organizations, auth.organization_members,
		auth.organization_member_roles, auth.organization_connections, auth.forms with (publish_via_partition_root = true)`)
	as := with(func(c *listener.Config) {
		c.DatabaseURL, c.ReplicationURL = asRole(t, r.url, worker, "secret"), asRole(t, r.url, reader, "secret")
	})
	requireStop(t, r.refused(as), `alter role "`+reader+`" replication`)
	r.exec(`alter role ` + reader + ` replication`)
	n := r.start(as)
	r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'a', 'a')`)
	n.catchUp()
	n.kill()
	n = r.start(as)
	n.catchUp()
	r.requireEvents("roles insert a")
	n.stop()
}
