package webhook

import "strings"

// userTable is the one whose events have a user where the others have an entity.
const userTable = "auth.users"

// EntityName is what bodies call a row of a table: role for auth.roles, and schema.table for a service's own.
func EntityName(table string) string {
	switch name, ours := strings.CutPrefix(table, "auth."); {
	case !ours:
		return table
	case name == "role_permissions": // the permissions of one role, many at a time
		return name
	default:
		return strings.TrimSuffix(name, "s")
	}
}
