package webhook

import "strings"

// userTable is the one whose events have a user where the others have an entity.
const userTable = "auth.users"

// EntityName is what bodies and triggers call a row of a table: role for auth.roles, and schema.table for a service's own.
// Of auth.role_permissions it is what one role was given, or lost: role_permission.
func EntityName(table string) string {
	if name, ours := strings.CutPrefix(table, "auth."); ours {
		return strings.TrimSuffix(name, "s")
	}
	return table
}
