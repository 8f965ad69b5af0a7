package db_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-dev/latchkey/db"
)

func TestList(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	for i, name := range []string{"Reader", "reader_2", "read%", "writer", "Admin"} {
		_, err := e.Roles.Create(t.Context(), "acme", db.CreateRole{ID: fmt.Sprintf("rol_%d", i), Name: name, Description: []string{"even", "odd"}[i%2]})
		ok(t, err)
	}
	_, err := e.Roles.Create(t.Context(), "globex", db.CreateRole{Name: "Reader"})
	ok(t, err)
	for name, test := range map[string]struct {
		o     db.ListOptions
		want  []string
		total int
	}{
		"by id":             {db.ListOptions{}, []string{"Reader", "reader_2", "read%", "writer", "Admin"}, -1},
		"sorted":            {db.ListOptions{Sort: []db.Sort{{Column: "name", Descending: true}}, Filter: []db.Filter{db.Equal("description", "odd")}}, []string{"writer", "reader_2"}, -1},
		"ties by id":        {db.ListOptions{Sort: []db.Sort{{Column: "created_at"}}, PerPage: 2}, []string{"Reader", "reader_2"}, -1},
		"a page":            {db.ListOptions{Page: 1, PerPage: 2, Totals: true}, []string{"read%", "writer"}, 5},
		"the last page":     {db.ListOptions{Page: 2, PerPage: 2, Totals: true}, []string{"Admin"}, 5},
		"past the end":      {db.ListOptions{Page: 9, PerPage: 2, Totals: true}, nil, 5},
		"equal":             {db.ListOptions{Filter: []db.Filter{db.Equal("name", "reader")}, Totals: true}, nil, 0},
		"prefix":            {db.ListOptions{Filter: []db.Filter{db.Prefix("name", "READER")}, Totals: true}, []string{"Reader", "reader_2"}, 2},
		"no pattern":        {db.ListOptions{Filter: []db.Filter{db.Prefix("name", "read%")}}, []string{"read%"}, -1},
		"no pattern either": {db.ListOptions{Filter: []db.Filter{db.Contains("name", "r_2")}}, []string{"reader_2"}, -1},
		"contains":          {db.ListOptions{Filter: []db.Filter{db.Contains("name", "RIT")}}, []string{"writer"}, -1},
		"two filters":       {db.ListOptions{Filter: []db.Filter{db.Contains("name", "read"), db.Equal("description", "even")}, Totals: true}, []string{"Reader", "read%"}, 2},
		"unset":             {db.ListOptions{Filter: []db.Filter{db.Unset("name"), db.Equal("id", "rol_1")}, Totals: true}, nil, 0},
	} {
		page, err := e.Roles.List(t.Context(), "acme", test.o)
		ok(t, err)
		var got []string
		for _, r := range page.Rows {
			got = append(got, r.Name)
		}
		if !slices.Equal(got, test.want) || page.Total != test.total || page.Start != test.o.Page*page.Limit {
			t.Errorf("%s: %q, %+v; want %q and %d", name, got, page, test.want, test.total)
		}
	}
	for field, o := range map[string]db.ListOptions{
		"metadata":                  {Filter: []db.Filter{db.Equal("metadata", "x")}},
		"id; drop table auth.roles": {Sort: []db.Sort{{Column: "id; drop table auth.roles"}}},
		"created_at":                {Filter: []db.Filter{db.Equal("created_at", "x")}},
		"page":                      {Page: -1},
		"per_page":                  {PerPage: 101},
	} {
		_, err := e.Roles.List(t.Context(), "acme", o)
		wantInvalid(t, err, field)
	}
}

// Every column that an entity says can be filtered or sorted by can be: the names are no more than strings.
func TestListColumns(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	for name, list := range map[string]func(db.ListOptions) error{
		"tenants":          func(o db.ListOptions) error { _, err := e.Tenants.List(ctx, o); return err },
		"users":            func(o db.ListOptions) error { _, err := e.Users.List(ctx, "acme", o); return err },
		"roles":            func(o db.ListOptions) error { _, err := e.Roles.List(ctx, "acme", o); return err },
		"permissions":      func(o db.ListOptions) error { _, err := e.Permissions.List(ctx, "acme", o); return err },
		"user roles":       func(o db.ListOptions) error { _, err := e.UserRoles.List(ctx, "acme", o); return err },
		"connections":      func(o db.ListOptions) error { _, err := e.Connections.List(ctx, "acme", o); return err },
		"resource servers": func(o db.ListOptions) error { _, err := e.ResourceServers.List(ctx, "acme", o); return err },
		"auth events":      func(o db.ListOptions) error { _, err := e.AuthEvents.List(ctx, "acme", o); return err },
		"logs":             func(o db.ListOptions) error { _, err := e.Logs.List(ctx, "acme", o); return err },
		"tenant hooks":     func(o db.ListOptions) error { _, err := e.TenantHooks.List(ctx, "acme", o); return err },
	} {
		filter := columnsOf(t, list(db.ListOptions{Filter: []db.Filter{db.Equal("?", "")}}))
		for _, column := range filter {
			if err := list(db.ListOptions{Filter: []db.Filter{db.Equal(column, "x"), db.Contains(column, "x"), db.Unset(column)}}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, column := range columnsOf(t, list(db.ListOptions{Sort: []db.Sort{{Column: "?"}}})) {
			if err := list(db.ListOptions{Sort: []db.Sort{{Column: column}}, Totals: true}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// columnsOf reads them out of the message that lists them.
func columnsOf(t *testing.T, err error) []string {
	t.Helper()
	var invalid *db.Invalid
	if !errors.As(err, &invalid) {
		t.Fatalf("error %v; want an Invalid", err)
	}
	_, columns, _ := strings.Cut(invalid.Fields[0].Reason, ": ")
	if columns == "" {
		t.Fatalf("%v lists no columns", err)
	}
	return strings.Split(columns, ", ")
}
