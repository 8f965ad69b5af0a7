package api

import "slices"

// Scopes are all that operations ask for, in order.
func Scopes() []string {
	scopes := []string{
		"read:hooks", "create:hooks", "update:hooks", "delete:hooks", "read:events", "read:logs", "read:tenant_settings", "update:tenant_settings",
		"read:signing_keys", "create:signing_keys", "update:signing_keys", "read:stats", "read:client_keys", "update:client_keys", "read:role_members", "create:role_members", "delete:role_members", "create:user_tickets",
		"read:organization_members", "create:organization_members", "delete:organization_members",
		"read:organization_member_roles", "create:organization_member_roles", "delete:organization_member_roles",
		"read:organization_connections", "create:organization_connections", "update:organization_connections", "delete:organization_connections",
	}
	for _, resource := range []string{"users", "roles", "connections", "resource_servers", "clients", "client_grants", "organizations", "forms"} {
		for _, verb := range []string{"read:", "create:", "update:", "delete:"} {
			scopes = append(scopes, verb+resource)
		}
	}
	slices.Sort(scopes)
	return scopes
}
