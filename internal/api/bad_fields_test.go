package api_test

import (
	"slices"
	"strings"
	"testing"
)

// Every bad field of a body is named in one answer, whoever finds it: the description, or what is behind it.
func TestEveryBadField(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(seed)
	r.webhook(`"hook_id": "mine"`)
	for _, test := range []struct {
		operation, body, fields string
	}{
		{"POST /users", `{"email": "x", "name": 1, "blocked": "no", "user_metadata": [], "color": 1}`, "blocked color email name user_metadata"},
		{"PATCH /users/auth0%7Cmine", `{"email": "x", "name": 1, "app_metadata": 1, "multifactor": "sms"}`, "app_metadata email multifactor name"},
		{"POST /users/auth0%7Cmine/identities", `{"provider": "", "connection_id": 1}`, "connection_id provider user_id"},
		{"POST /users/auth0%7Cmine/roles", `{"roles": [1], "color": 1}`, "color roles[0]"},
		{
			"POST /users/auth0%7Cmine/permissions", `{"permissions": [{"permission_name": 1}], "color": 1}`,
			"color permissions[0].permission_name permissions[0].resource_server_identifier",
		},
		{"POST /roles", `{"name": " ", "description": 1, "metadata": []}`, "description metadata name"},
		{"PATCH /roles/rol_mine", `{"name": " ", "metadata": 1}`, "metadata name"},
		{"POST /roles/rol_mine/users", `{"users": [], "color": 1}`, "color users"},
		{"POST /connections", `{"name": "a b", "strategy": "", "options": 1, "realms": 1}`, "name options realms strategy"},
		{"PATCH /connections/con_mine", `{"options": 1, "show_as_button": 1, "name": "x"}`, "name options show_as_button"},
		{
			"POST /resource-servers", `{"identifier": " ", "signing_alg": "HS256", "token_lifetime": 0, "scopes": [{"value": "a"}, {"value": "a"}]}`,
			"identifier scopes signing_alg token_lifetime",
		},
		{"PATCH /resource-servers/api_mine", `{"token_dialect": "x", "scopes": [{"value": "a"}, {"value": "a"}], "identifier": "y"}`, "identifier scopes token_dialect"},
		{
			"POST /clients", `{"name": " ", "token_endpoint_auth_method": "x", "organization_usage": "x", "callbacks": 1, "addons": 1}`,
			"addons callbacks name organization_usage token_endpoint_auth_method",
		},
		{"PATCH /clients/cli_mine", `{"name": " ", "organization_require_behavior": "x", "sso": 1}`, "name organization_require_behavior sso"},
		{"POST /client-grants", `{"client_id": "", "audience": " ", "scope": 1, "organization_usage": "x"}`, "audience client_id organization_usage scope"},
		{"PATCH /client-grants/cgr_mine", `{"scope": 1, "organization_usage": "x"}`, "organization_usage scope"},
		{"POST /organizations", `{"name": "a b", "branding": 1, "enabled_connections": [{}]}`, "branding enabled_connections[0].connection_id name"},
		{"PATCH /organizations/org_mine", `{"name": "-", "metadata": 1}`, "metadata name"},
		{"POST /organizations/org_mine/members", `{"members": 1, "color": 1}`, "color members"},
		{"POST /organizations/org_mine/enabled_connections", `{"show_as_button": 1}`, "connection_id show_as_button"},
		{"POST /forms", `{"name": " ", "nodes": {}, "style": 1}`, "name nodes style"},
		{"PATCH /forms/form_mine", `{"name": " ", "nodes": 1, "start": 1}`, "name nodes start"},
		{"PATCH /tenants/settings", `{"session_lifetime": "x", "flags": 1, "color": 1}`, "color flags session_lifetime"},
		{
			"POST /hooks", `{"trigger_id": "x", "url": "ftp://x", "timeout_ms": 1, "rate_limit": -1, "secret": "x", "headers": {"Host": "x"}}`,
			"headers rate_limit secret timeout_ms trigger_id url",
		},
		{"POST /hooks", `{"trigger_id": "post-user-login", "form_id": "f", "timeout_ms": 2000, "headers": {"X": "y"}}`, "headers, secret timeout_ms"},
		{"PATCH /hooks/mine", `{"trigger_id": "x", "url": "ftp://x", "headers": {"X": "***"}}`, "headers.X trigger_id url"},
		{"PATCH /hooks/mine", `{"timeout_ms": 1, "rate_limit": -1, "url": "ftp://x", "headers": {"X": "***"}}`, "headers.X rate_limit timeout_ms url"},
	} {
		method, path, _ := strings.Cut(test.operation, " ")
		a := r.as(method, "/api/v2"+path, test.body).want(t, 400, "invalid_request")
		var fields []string
		for _, wrong := range strings.Split(into[struct{ Message string }](r, a).Message, "; ") {
			name, _, _ := strings.Cut(wrong, ": ")
			fields = append(fields, name)
		}
		slices.Sort(fields)
		if got := strings.Join(fields, " "); got != test.fields {
			t.Errorf("%s %s is told of %q, want %q: %s", test.operation, test.body, got, test.fields, a.text)
		}
	}
}

// What one thing is called: the name of another, which there can't be twice.
func TestConflictNamesTheField(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(seed)
	r.exec(`update auth.users set username = 'mine' where user_id = 'auth0|mine'`)
	r.webhook(`"hook_id": "mine"`)
	for _, test := range []struct{ operation, body, message string }{
		{"POST /users", `{"email": "MINE@example.com"}`, "Another user has this email."},
		{"POST /users", `{"username": "Mine"}`, "Another user has this username."},
		{"POST /users", `{"user_id": "mine"}`, "Another user has this user_id."},
		{"PATCH /users/auth0%7Csecond", `{"email": "mine@example.com"}`, "Another user has this email."},
		{"POST /roles", `{"name": "mine"}`, "Another role has this name."},
		{"PATCH /roles/rol_second", `{"name": "mine"}`, "Another role has this name."},
		{"POST /connections", `{"name": "mine", "strategy": "auth0"}`, "Another connection has this name."},
		{"POST /resource-servers", `{"identifier": "urn:api"}`, "Another resource server has this identifier."},
		{"POST /client-grants", `{"client_id": "cli_mine", "audience": "urn:api", "scope": []}`, "Another client grant has this audience."},
		{"POST /organizations", `{"name": "Mine"}`, "Another organization has this name."},
		{"POST /organizations/org_mine/enabled_connections", `{"connection_id": "con_mine"}`, "Another organization connection has this connection_id."},
		{"POST /hooks", `{"hook_id": "mine", "trigger_id": "role.created", "url": "` + aURL + `"}`, "Another hook has this hook_id."},
	} {
		method, path, _ := strings.Cut(test.operation, " ")
		r.as(method, "/api/v2"+path, test.body).want(t, 409, test.message)
	}
}
