package api_test

// entities are the scenarios of the resources: users, roles and so on. Each begins with the rows of seed.
func entities() map[string]scenario {
	const (
		permissions = `{"permissions": [{"resource_server_identifier": "urn:api", "permission_name": "read:b"}]}`
		had         = `{"permissions": [{"resource_server_identifier": "urn:api", "permission_name": "read:a"}]}`
	)
	return map[string]scenario{
		"create-user":         {path: "/users", body: `{"email": "new@example.com", "password": "correct horse"}`, status: 201, lists: true, hooks: "users.insert"},
		"list-users":          {path: "/users", status: 200, lists: true},
		"get-user":            {path: "/users/auth0%7Cmine", status: 200},
		"update-user":         {path: "/users/auth0%7Cmine", body: `{"name": "changed", "user_metadata": {"a": 1}}`, status: 200, hooks: "users.update"},
		"delete-user":         {path: "/users/auth0%7Cmine", status: 204, hooks: "organization_member_roles.delete organization_members.delete user_permissions.delete user_roles.delete users.delete"},
		"list-users-by-email": {path: "/users-by-email", query: "email=mine@example.com", status: 200, lists: true},
		"link-identity":       {path: "/users/auth0%7Cmine/identities", body: `{"provider": "auth0", "user_id": "second"}`, status: 201, hooks: "users.update", afterOnly: true},
		"unlink-identity":     {path: "/users/auth0%7Cmine/identities/auth0/linked", status: 200, hooks: "users.update", afterOnly: true},

		"list-user-roles":         {path: "/users/auth0%7Cmine/roles", status: 200},
		"add-user-roles":          {path: "/users/auth0%7Cmine/roles", body: `{"roles": ["rol_second"]}`, status: 204, hooks: "user_roles.insert"},
		"remove-user-roles":       {path: "/users/auth0%7Cmine/roles", body: `{"roles": ["rol_mine"]}`, status: 204, hooks: "user_roles.delete"},
		"list-user-permissions":   {path: "/users/auth0%7Cmine/permissions", status: 200},
		"add-user-permissions":    {path: "/users/auth0%7Cmine/permissions", body: permissions, status: 201, hooks: "user_permissions.insert"},
		"remove-user-permissions": {path: "/users/auth0%7Cmine/permissions", body: had, status: 204, hooks: "user_permissions.delete"},
		"list-user-organizations": {path: "/users/auth0%7Cmine/organizations", status: 200},

		"create-role":             {path: "/roles", body: `{"name": "new"}`, status: 201, lists: true, hooks: "roles.insert"},
		"list-roles":              {path: "/roles", status: 200, lists: true},
		"get-role":                {path: "/roles/rol_mine", status: 200},
		"update-role":             {path: "/roles/rol_mine", body: `{"name": "changed"}`, status: 200, hooks: "roles.update"},
		"delete-role":             {path: "/roles/rol_mine", status: 204, hooks: "organization_member_roles.delete role_permissions.remove roles.delete user_roles.delete"},
		"list-role-permissions":   {path: "/roles/rol_mine/permissions", status: 200},
		"add-role-permissions":    {path: "/roles/rol_mine/permissions", body: permissions, status: 201, hooks: "role_permissions.assign"},
		"remove-role-permissions": {path: "/roles/rol_mine/permissions", body: had, status: 204, hooks: "role_permissions.remove"},
		"list-role-users":         {path: "/roles/rol_mine/users", status: 200},
		"add-role-users":          {path: "/roles/rol_mine/users", body: `{"users": ["auth0|second"]}`, status: 200, hooks: "user_roles.insert"},

		"create-connection": {path: "/connections", body: `{"name": "new", "strategy": "auth0", "options": {"client_secret": "x"}}`, status: 201, lists: true, hooks: "connections.insert"},
		"list-connections":  {path: "/connections", status: 200, lists: true},
		"get-connection":    {path: "/connections/con_mine", status: 200},
		"update-connection": {path: "/connections/con_mine", body: `{"display_name": "changed"}`, status: 200, hooks: "connections.update"},
		"delete-connection": {path: "/connections/con_mine", status: 204, hooks: "connections.delete organization_connections.delete"},

		"create-resource-server": {path: "/resource-servers", body: `{"identifier": "urn:new", "scopes": [{"value": "a"}]}`, status: 201, lists: true, hooks: "permissions.insert resource_servers.insert"},
		"list-resource-servers":  {path: "/resource-servers", status: 200, lists: true},
		"get-resource-server":    {path: "/resource-servers/api_mine", status: 200},
		"update-resource-server": {
			path: "/resource-servers/api_mine", body: `{"scopes": [{"value": "read:a", "description": "changed"}, {"value": "read:c"}]}`, status: 200,
			hooks: "permissions.delete permissions.insert permissions.update resource_servers.update",
		},
		"delete-resource-server": {path: "/resource-servers/api_mine", status: 204, hooks: "client_grants.delete permissions.delete resource_servers.delete role_permissions.remove user_permissions.delete"},

		"create-client":        {path: "/clients", body: `{"name": "new"}`, status: 201, lists: true, hooks: "clients.insert"},
		"list-clients":         {path: "/clients", status: 200, lists: true},
		"get-client":           {path: "/clients/cli_mine", status: 200},
		"update-client":        {path: "/clients/cli_mine", body: `{"name": "changed"}`, status: 200, hooks: "clients.update"},
		"delete-client":        {path: "/clients/cli_mine", status: 204, hooks: "client_grants.delete clients.delete"},
		"rotate-client-secret": {path: "/clients/cli_mine/rotate-secret", status: 200},
		"create-client-grant":  {path: "/client-grants", body: `{"client_id": "cli_mine", "audience": "urn:new", "scope": []}`, status: 201, names: true, hooks: "client_grants.insert"},
		"list-client-grants":   {path: "/client-grants", status: 200, lists: true},
		"get-client-grant":     {path: "/client-grants/cgr_mine", status: 200},
		"update-client-grant":  {path: "/client-grants/cgr_mine", body: `{"scope": ["a"]}`, status: 200, hooks: "client_grants.update"},
		"delete-client-grant":  {path: "/client-grants/cgr_mine", status: 204, hooks: "client_grants.delete"},

		"create-organization":              {path: "/organizations", body: `{"name": "new"}`, status: 201, lists: true, hooks: "organizations.insert"},
		"list-organizations":               {path: "/organizations", status: 200, lists: true},
		"get-organization":                 {path: "/organizations/org_mine", status: 200},
		"get-organization-by-name":         {path: "/organizations/name/mine", status: 200},
		"update-organization":              {path: "/organizations/org_mine", body: `{"display_name": "changed"}`, status: 200, hooks: "organizations.update"},
		"delete-organization":              {path: "/organizations/org_mine", status: 204, hooks: "organization_connections.delete organization_member_roles.delete organization_members.delete organizations.delete"},
		"list-organization-members":        {path: "/organizations/org_mine/members", status: 200},
		"add-organization-members":         {path: "/organizations/org_mine/members", body: `{"members": ["auth0|second"]}`, status: 204, hooks: "organization_members.insert"},
		"remove-organization-members":      {path: "/organizations/org_mine/members", body: `{"members": ["auth0|mine"]}`, status: 204, hooks: "organization_member_roles.delete organization_members.delete"},
		"list-organization-member-roles":   {path: "/organizations/org_mine/members/auth0%7Cmine/roles", status: 200},
		"add-organization-member-roles":    {path: "/organizations/org_mine/members/auth0%7Cmine/roles", body: `{"roles": ["rol_second"]}`, status: 204, hooks: "organization_member_roles.insert"},
		"remove-organization-member-roles": {path: "/organizations/org_mine/members/auth0%7Cmine/roles", body: `{"roles": ["rol_mine"]}`, status: 204, hooks: "organization_member_roles.delete"},
		"list-organization-connections":    {path: "/organizations/org_mine/enabled_connections", status: 200},
		"add-organization-connection":      {path: "/organizations/org_mine/enabled_connections", body: `{"connection_id": "con_second"}`, status: 201, hooks: "organization_connections.insert"},
		"get-organization-connection":      {path: "/organizations/org_mine/enabled_connections/con_mine", status: 200},
		"update-organization-connection":   {path: "/organizations/org_mine/enabled_connections/con_mine", body: `{"show_as_button": false}`, status: 200, hooks: "organization_connections.update"},
		"remove-organization-connection":   {path: "/organizations/org_mine/enabled_connections/con_mine", status: 204, hooks: "organization_connections.delete"},

		"create-form": {path: "/forms", body: `{"name": "new", "nodes": [{"id": "a"}]}`, status: 201, lists: true, hooks: "forms.insert"},
		"list-forms":  {path: "/forms", status: 200, lists: true},
		"get-form":    {path: "/forms/form_mine", status: 200},
		"update-form": {path: "/forms/form_mine", body: `{"start": {"next_node": "a"}}`, status: 200, hooks: "forms.update"},
		"delete-form": {path: "/forms/form_mine", status: 204, hooks: "forms.delete"},

		"create-email-verification-ticket": {path: "/tickets/email-verification", body: `{"user_id": "auth0|mine"}`, status: 201, body404: true},
		"create-password-change-ticket":    {path: "/tickets/password-change", body: `{"user_id": "auth0|mine"}`, status: 201, body404: true},

		"import-users": {
			path: "/jobs/users-imports", form: "multipart/form-data; boundary=x", status: 202, names: true,
			body: "--x\r\nContent-Disposition: form-data; name=\"connection_id\"\r\n\r\ncon_mine\r\n--x\r\nContent-Disposition: form-data; name=\"users\"; filename=\"u\"\r\n\r\n[]\r\n--x--\r\n",
		},
		"get-job":         {path: "/jobs/job_mine", status: 200},
		"export-users":    {path: "/jobs/users-exports", body: `{"connection_id": "con_mine", "format": "csv", "fields": [{"name": "email"}]}`, status: 200, names: true},
		"get-job-file":    {path: "/jobs/export_mine/file", status: 200},
		"list-job-errors": {path: "/jobs/job_mine/errors", status: 200},

		"get-tenant-settings":    {path: "/tenants/settings", status: 200, lists: true},
		"update-tenant-settings": {path: "/tenants/settings", body: `{"friendly_name": "changed"}`, status: 200, lists: true, hooks: "tenants.update"},
		"list-signing-keys":      {path: "/keys/signing", status: 200, lists: true},
		"get-signing-key":        {path: "/keys/signing/{kid}", status: 200, lists: true},
		"rotate-signing-keys":    {path: "/keys/signing/rotate", status: 201, key: true},
		"revoke-signing-key":     {path: "/keys/signing/retired/revoke", status: 202, key: true},
		"get-active-users":       {path: "/stats/active-users", status: 200, lists: true},
		"list-daily-stats":       {path: "/stats/daily", query: "from=20260101&to=20260102", status: 200, lists: true},
	}
}

// seed is what the scenarios of resources begin with, in SQL, so that no before-hook hears of it.
const seed = `
	insert into auth.users (tenant_id, user_id, email) values ('acme', 'auth0|mine', 'mine@example.com'), ('acme', 'auth0|second', 'second@example.com');
	insert into auth.users (tenant_id, user_id, email, linked_to) values ('acme', 'auth0|linked', 'linked@example.com', 'auth0|mine');
	insert into auth.roles (tenant_id, id, name) values ('acme', 'rol_mine', 'mine'), ('acme', 'rol_second', 'second');
	insert into auth.resource_servers (tenant_id, id, identifier, scopes) values ('acme', 'api_mine', 'urn:api', '[{"value": "read:a"}, {"value": "read:b"}]');
	insert into auth.permissions (tenant_id, resource_server_identifier, permission_name) values ('acme', 'urn:api', 'read:a'), ('acme', 'urn:api', 'read:b');
	insert into auth.role_permissions (tenant_id, role_id, resource_server_identifier, permission_name) values ('acme', 'rol_mine', 'urn:api', 'read:a');
	insert into auth.user_permissions (tenant_id, user_id, resource_server_identifier, permission_name) values ('acme', 'auth0|mine', 'urn:api', 'read:a');
	insert into auth.user_roles (tenant_id, user_id, role_id) values ('acme', 'auth0|mine', 'rol_mine');
	insert into auth.connections (tenant_id, id, name, strategy) values ('acme', 'con_mine', 'mine', 'auth0'), ('acme', 'con_second', 'second', 'auth0');
	insert into auth.clients (tenant_id, client_id, name) values ('acme', 'cli_mine', 'mine');
	insert into auth.client_grants (tenant_id, id, client_id, audience) values ('acme', 'cgr_mine', 'cli_mine', 'urn:api');
	insert into auth.jobs (tenant_id, id, type) values ('acme', 'job_mine', 'users_import');
	insert into auth.jobs (tenant_id, id, type, status) values ('acme', 'export_mine', 'users_export', 'completed');
	insert into auth.job_chunks (tenant_id, job_id, number, data) values ('acme', 'export_mine', 0, '{}');
	insert into auth.organizations (tenant_id, id, name) values ('acme', 'org_mine', 'mine');
	insert into auth.forms (tenant_id, id, name) values ('acme', 'form_mine', 'mine');
	insert into auth.organization_members (tenant_id, organization_id, user_id) values ('acme', 'org_mine', 'auth0|mine');
	insert into auth.organization_member_roles (tenant_id, organization_id, user_id, role_id) values ('acme', 'org_mine', 'auth0|mine', 'rol_mine');
	insert into auth.organization_connections (tenant_id, organization_id, connection_id) values ('acme', 'org_mine', 'con_mine');
	insert into auth.signing_keys (kid, alg, public_jwk, state, activated_at, retired_at) select 'retired', alg, public_jwk || '{"kid": "retired"}', 'retired', now(), now() from auth.signing_keys where state = 'current';
	update auth.signing_keys set created_at = now() - interval '1 day' where state = 'next';`

// unseed takes it away, and what came of it.
const unseed = `
	delete from auth.users; delete from auth.roles; delete from auth.resource_servers; delete from auth.connections; delete from auth.clients;
	delete from auth.organizations; delete from auth.jobs; delete from auth.forms; delete from auth.signing_keys where state = 'retired';`
