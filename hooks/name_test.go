package hooks_test

import (
	"context"
	"strings"
	"testing"

	"github.com/latchkey-dev/latchkey/hooks"
)

func TestTableNames(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, schema, table string }{
		{"billing.invoices", "billing", "invoices"},
		{"_b2.order", "_b2", "order"}, // a reserved word is one only to SQL's grammar
		{`"Weird Name"."Tab-le"`, "Weird Name", "Tab-le"},
		{`a."b.c"`, "a", "b.c"},
		{`"a.b".c`, "a.b", "c"},
		{`a."say ""hi"""`, "a", `say "hi"`},
		{`a."2024"`, "a", "2024"},
		{`a."é"`, "a", "é"},
		{`a."` + strings.Repeat("X", 63) + `"`, "a", strings.Repeat("X", 63)},
	} {
		if got := hooks.TableName(test.schema, test.table); got != test.name {
			t.Errorf("%q and %q are %s, want %s", test.schema, test.table, got, test.name)
		}
		schema, table, err := hooks.ParseTableName(test.name)
		if err != nil || schema != test.schema || table != test.table {
			t.Errorf("%s is %q and %q (%v)", test.name, schema, table, err)
		}
	}
	// Quotes that are not needed are no mistake.
	if schema, table, err := hooks.ParseTableName(`"billing"."invoices"`); err != nil || hooks.TableName(schema, table) != "billing.invoices" {
		t.Errorf("%q %q %v", schema, table, err)
	}
	for name, says := range map[string]string{
		"":                               "is empty",
		"invoices":                       "lacks its schema",
		`"billing.invoices"`:             "lacks its schema",
		"billing.":                       "is empty",
		".invoices":                      "is empty",
		"a.b.c":                          "follows the table",
		"Billing.invoices":               "needs double quotes",
		"billing.2024":                   "needs double quotes",
		`a."b`:                           "not closed",
		`"a"b.c`:                         "comes a dot",
		`a.""`:                           "is empty",
		"a." + strings.Repeat("x", 64):   "longer than",
		"a.b\x00":                        "needs double quotes",
		"a.\"b\x00\"":                    "zero byte",
		"billing.invoices; drop table x": "needs double quotes",
		`"billing"."invoices" , "a"."b"`: "follows the table",
		`billing.invoices "`:             "needs double quotes",
		"billing .invoices":              "needs double quotes",
		`billing. "invoices"`:            "needs double quotes",
	} {
		if _, _, err := hooks.ParseTableName(name); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v; want %q", name, err, says)
		}
	}
}

// Entities of one table differ wherever tenant or key do.
func TestEntitiesDiffer(t *testing.T) {
	t.Parallel()
	parts := []string{"", "a", "b", "/", "a/b", "//", "%2F", "%", "a/", "/b", `["a/","b"]`}
	seen := map[string][2]string{}
	for _, tenant := range parts {
		for _, key := range parts {
			entity := hooks.EntityOf(tenant, key)
			if other, taken := seen[entity]; taken {
				t.Errorf("%q and %q are both %s", other, [2]string{tenant, key}, entity)
			}
			seen[entity] = [2]string{tenant, key}
		}
	}
	for entity, parts := range map[string][2]string{"acme/rol_1": {"acme", "rol_1"}, "17": {"", "17"}, "acme/a/b": {"acme", "a/b"}, "a%2Fb/c": {"a/b", "c"}, "/a/b": {"", "a/b"}} {
		if got := hooks.EntityOf(parts[0], parts[1]); got != entity {
			t.Errorf("%q is %s, want %s", parts, got, entity)
		}
	}
}

// What a table lacked may have changed: a hook that waits for a change must not miss one.
func TestWhenChangedAndUnknown(t *testing.T) {
	t.Parallel()
	r, e := things()
	e.AfterUpdate("renamed", func(context.Context, hooks.Tx, hooks.Event, thing, thing) error { return nil }, hooks.WhenChanged("name"))
	hook := r.Afters()[0]
	unknown := image("1", "x")
	unknown.Unknown = []bool{false, true}
	for name, ev := range map[string]hooks.Event{
		"the old row is missing":     {Operation: hooks.Update, New: image("1", "x")},
		"the old value is missing":   {Operation: hooks.Update, Old: unknown, New: image("1", "x")},
		"the new value is not known": {Operation: hooks.Update, Old: image("1", "x"), New: unknown},
	} {
		if !hook.Wants(&ev) {
			t.Errorf("%s: the hook is passed over", name)
		}
	}
}
