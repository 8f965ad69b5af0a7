package db_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/db"
)

// A repository finds all bad fields at once, and not the first.
func TestEveryInvalidField(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx, list := t.Context(), json.RawMessage(`[]`)
	second := func(_ any, err error) error { return err }
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"tenant":            {second(e.Tenants.Create(ctx, db.CreateTenant{Flags: list})), "id flags"},
		"user":              {second(e.Users.Create(ctx, "acme", db.CreateUser{UserMetadata: list, AppMetadata: list})), "user_metadata app_metadata"},
		"role":              {second(e.Roles.Create(ctx, "acme", db.CreateRole{Name: " ", Metadata: list})), "name metadata"},
		"permission":        {second(e.Permissions.Create(ctx, "acme", db.CreatePermission{})), "resource_server_identifier permission_name"},
		"connection":        {second(e.Connections.Create(ctx, "acme", db.CreateConnection{Options: list})), "name strategy options"},
		"resource server":   {second(e.ResourceServers.Create(ctx, "acme", db.CreateResourceServer{Metadata: list})), "identifier metadata"},
		"client":            {second(e.Clients.Create(ctx, "acme", db.CreateClient{OrganizationUsage: ptr("x"), Addons: list})), "name organization_usage addons"},
		"client grant":      {second(e.ClientGrants.Create(ctx, "acme", db.CreateClientGrant{OrganizationUsage: ptr("x")})), "client_id audience organization_usage"},
		"organization":      {second(e.Organizations.Create(ctx, "acme", db.CreateOrganization{Name: "-", Branding: list})), "name branding"},
		"organization link": {second(e.OrganizationConnections.Create(ctx, "acme", db.CreateOrganizationConnection{})), "organization_id connection_id"},
		"form":              {second(e.Forms.Create(ctx, "acme", db.CreateForm{Start: list})), "name start"},
		"hook":              {second(e.TenantHooks.Create(ctx, "acme", db.CreateTenantHook{HookID: "a b", OnError: "x"})), "hook_id trigger_id  on_error"},
		"auth event":        {second(e.AuthEvents.Create(ctx, "acme", db.CreateAuthEvent{Details: list})), "type details"},
		"log":               {second(e.Logs.Create(ctx, "acme", db.CreateLog{Details: list})), "type details"},
	} {
		var invalid *db.Invalid
		if !errors.As(test.err, &invalid) {
			t.Errorf("%s: error %v; want an Invalid", name, test.err)
			continue
		}
		var fields []string
		for _, f := range invalid.Fields {
			fields = append(fields, f.Name)
			wantText(t, test.err, f.Reason)
		}
		if got := strings.Join(fields, " "); got != test.want {
			t.Errorf("%s: invalid are %q; want %q", name, got, test.want)
		}
	}
}

// Each unique constraint names the column that another row has, wherever a repository can meet it.
func TestEveryConflict(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	e.exec(t, `insert into auth.users (tenant_id, user_id, email, username) values ('acme', 'u', 'a@example.com', 'a')`)
	e.exec(t, `insert into auth.roles (tenant_id, id, name) values ('acme', 'r', 'role')`)
	e.exec(t, `insert into auth.connections (tenant_id, id, name, strategy) values ('acme', 'c', 'connection', 'auth0')`)
	e.exec(t, `insert into auth.resource_servers (tenant_id, id, identifier) values ('acme', 's', 'server')`)
	e.exec(t, `insert into auth.permissions (tenant_id, resource_server_identifier, permission_name) values ('acme', 'server', 'p')`)
	e.exec(t, `insert into auth.clients (tenant_id, client_id, name) values ('acme', 'c', 'client')`)
	e.exec(t, `insert into auth.client_grants (tenant_id, id, client_id, audience) values ('acme', 'g', 'c', 'server')`)
	e.exec(t, `insert into auth.organizations (tenant_id, id, name) values ('acme', 'o', 'organization')`)
	e.exec(t, `insert into auth.organization_connections (tenant_id, organization_id, connection_id) values ('acme', 'o', 'c')`)
	e.exec(t, `insert into auth.forms (tenant_id, id, name) values ('acme', 'f', 'form')`)
	e.exec(t, `insert into auth.hooks (tenant_id, hook_id, trigger_id, url) values ('acme', 'h', '*', 'https://example.com')`)
	e.exec(t, `insert into auth.tenant_hosts (tenant_id, host) values ('globex', 'id.example.com')`)
	ref := db.PermissionRef{ResourceServerIdentifier: "server", PermissionName: "p"}
	link := db.OrganizationConnectionRef{OrganizationID: "o", ConnectionID: "c"}
	second := func(_ any, err error) error { return err }
	conflicts := map[string]struct {
		err   error
		field string
	}{
		"tenants_pkey":                    {second(e.Tenants.Create(ctx, db.CreateTenant{ID: "acme"})), "id"},
		"tenant_hosts_pkey":               {second(e.TenantHosts.Put(ctx, "acme", "ID.example.com")), "host"},
		"users_pkey":                      {second(e.Users.Create(ctx, "acme", db.CreateUser{UserID: "u"})), "user_id"},
		"users_email_key":                 {second(e.Users.Create(ctx, "acme", db.CreateUser{Email: ptr("A@example.com")})), "email"},
		"users_username_key":              {second(e.Users.Create(ctx, "acme", db.CreateUser{Username: ptr("A")})), "username"},
		"roles_pkey":                      {second(e.Roles.Create(ctx, "acme", db.CreateRole{ID: "r", Name: "other"})), "id"},
		"roles_name_key":                  {second(e.Roles.Create(ctx, "acme", db.CreateRole{Name: "role"})), "name"},
		"connections_pkey":                {second(e.Connections.Create(ctx, "acme", db.CreateConnection{ID: "c", Name: "other", Strategy: "auth0"})), "id"},
		"connections_name_key":            {second(e.Connections.Create(ctx, "acme", db.CreateConnection{Name: "connection", Strategy: "auth0"})), "name"},
		"resource_servers_pkey":           {second(e.ResourceServers.Create(ctx, "acme", db.CreateResourceServer{ID: "s", Identifier: "other"})), "id"},
		"resource_servers_identifier_key": {second(e.ResourceServers.Create(ctx, "acme", db.CreateResourceServer{Identifier: "server"})), "identifier"},
		"permissions_pkey":                {second(e.Permissions.Create(ctx, "acme", db.CreatePermission{PermissionRef: ref})), "permission_name"},
		"clients_pkey":                    {second(e.Clients.Create(ctx, "acme", db.CreateClient{ClientID: "c", Name: "other"})), "client_id"},
		"client_grants_pkey":              {second(e.ClientGrants.Create(ctx, "acme", db.CreateClientGrant{ID: "g", ClientID: "c", Audience: "other"})), "id"},
		"client_grants_audience_key":      {second(e.ClientGrants.Create(ctx, "acme", db.CreateClientGrant{ClientID: "c", Audience: "server"})), "audience"},
		"organizations_pkey":              {second(e.Organizations.Create(ctx, "acme", db.CreateOrganization{ID: "o", Name: "other"})), "id"},
		"organizations_name_key":          {second(e.Organizations.Create(ctx, "acme", db.CreateOrganization{Name: "Organization"})), "name"},
		"organization_connections_pkey":   {second(e.OrganizationConnections.Create(ctx, "acme", db.CreateOrganizationConnection{OrganizationConnectionRef: link})), "connection_id"},
		"forms_pkey":                      {second(e.Forms.Create(ctx, "acme", db.CreateForm{ID: "f", Name: "other"})), "id"},
		"hooks_pkey":                      {second(e.TenantHooks.Create(ctx, "acme", db.CreateTenantHook{HookID: "h", TriggerID: "*", URL: ptr("https://example.com")})), "hook_id"},
	}
	for _, met := range conflicts {
		wantConflict(t, met.err, met.field)
	}
	// What is there already stays, is replaced, or has a key that nobody chooses.
	never := []string{
		"auth_events_pkey", "client_secrets_pkey", "connection_secrets_pkey", "hook_secrets_pkey", "job_chunks_pkey", "job_errors_pkey", "jobs_pkey",
		"logs_pkey", "organization_member_roles_pkey", "organization_members_pkey", "passwords_pkey", "role_permissions_pkey", "signing_keys_pkey",
		"login_codes_pkey", "login_sessions_code_key", "login_sessions_pkey", "login_sessions_state_key", "refresh_tokens_hash_key", "refresh_tokens_pkey",
		"revocations_pkey", "sessions_hash_key", "sessions_pkey", "tries_pkey",
		"signing_keys_state_key", "tickets_hash_key", "tickets_pkey", "user_permissions_pkey", "user_roles_pkey", "user_stats_pkey",
	}
	rows, _ := e.sql.Query(ctx, `select indexrelid::regclass::text from pg_index join pg_class c on c.oid = indrelid where indisunique and c.relnamespace = 'auth'::regnamespace`)
	indexes, err := pgx.CollectRows(rows, pgx.RowTo[string])
	ok(t, err)
	for _, index := range indexes {
		name := strings.TrimPrefix(index, "auth.")
		if _, met := conflicts[name]; !met && !slices.Contains(never, name) {
			t.Errorf("nobody knows what a conflict on %s is called: add it here", name)
		}
	}
}
