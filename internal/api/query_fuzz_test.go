package api

import (
	"errors"
	"reflect"
	"slices"
	"testing"
)

// Whatever stands in q, parsing it doesn't panic; and of what it finds, the parts that become SQL (db/list.go) are a column of the
// list's and one of a few operators with a placeholder. All else is a parameter's value.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		``, `name:x`, `email:"a b" AND blocked:true`, `name:Ad*`, `created_at:[2026-01-01 TO *]`, `created_at:[* TO 2026-01-01T00:00:00Z]`,
		`identities.connection:google`, `name:'; drop table auth.users; --`, `tenant_id:globex`, `name::text:x`, `name:"unclosed`, `AND AND`, `name:`,
	} {
		f.Add(seed)
	}
	columns := []string{"name", "email", "blocked", "created_at", "identities.connection"}
	inSQL := []string{"name", "email", "blocked", "created_at", "connection"}
	operators := []string{"= $%d", "ilike $%d", ">= $%d::text::timestamptz", "<= $%d::text::timestamptz"}
	f.Fuzz(func(t *testing.T, q string) {
		filters, err := parseQuery(q, columns)
		if err != nil {
			if p := (*Problem)(nil); !errors.As(err, &p) || p.StatusCode != 400 {
				t.Fatalf("%q fails with %v", q, err)
			}
			return
		}
		for i := range filters {
			v := reflect.ValueOf(filters[i])
			column, operator := v.FieldByName("column").String(), v.FieldByName("operator").String()
			if !slices.Contains(inSQL, column) || !slices.Contains(operators, operator) {
				t.Errorf("%q becomes SQL as %q %q", q, column, operator)
			}
		}
	})
}
