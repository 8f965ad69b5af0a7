package listener

import (
	"reflect"
	"testing"

	"github.com/latchkey-dev/latchkey/hooks"
)

func TestNewTable(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		columns, key, owner []string
		want                table
	}{
		"tenant and id":         {[]string{"tenant_id", "id", "name"}, []string{"tenant_id", "id"}, nil, table{key: []int{1}, tenant: 0}},
		"the key's order":       {[]string{"b", "tenant_id", "a"}, []string{"a", "tenant_id", "b"}, nil, table{key: []int{2, 0}, tenant: 1}},
		"tenant beside the key": {[]string{"id", "tenant_id"}, []string{"id"}, nil, table{key: []int{0}, tenant: 1}},
		"no tenant":             {[]string{"id", "name"}, []string{"id"}, nil, table{key: []int{0}, tenant: -1}},
		"the tenant is the key": {[]string{"name", "tenant_id"}, []string{"tenant_id"}, nil, table{key: []int{1}, tenant: -1}},
		"no key":                {[]string{"a", "b"}, nil, nil, table{tenant: -1}},
		"no key, but a tenant":  {[]string{"a", "tenant_id"}, nil, nil, table{tenant: 1}},
		"a key column is gone":  {[]string{"tenant_id", "a"}, []string{"tenant_id", "gone", "a"}, nil, table{key: []int{1}, tenant: 0}},
		"a set": {
			[]string{"permission", "role_id", "tenant_id"},
			[]string{"tenant_id", "role_id", "permission"},
			[]string{"tenant_id", "role_id"},
			table{key: []int{1, 0}, tenant: 2, owner: []int{2, 1}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.want.shape = &hooks.Shape{Schema: "auth", Table: "t", Columns: c.columns, Key: c.key}
			c.want.name = "auth.t"
			if got := newTable(c.want.shape, c.owner, ""); !reflect.DeepEqual(got, &c.want) {
				t.Errorf("got  %+v\nwant %+v", got, &c.want)
			}
		})
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	b := func(s string) []byte { return []byte(s) }
	for name, c := range map[string]struct {
		table                           table
		values                          [][]byte
		tenant, key, owner, ownerTenant string
	}{
		"tenant and id":    {table{tenant: 0, key: []int{1}, owner: []int{0, 1}}, [][]byte{b("t1"), b("r1")}, "t1", "r1", "r1", "t1"},
		"a number":         {table{tenant: -1, key: []int{0}, owner: []int{0}}, [][]byte{b("17")}, "", "17", "17", ""},
		"two columns":      {table{tenant: 2, key: []int{1, 0}, owner: []int{2, 0}}, [][]byte{b("p"), b("r"), b("t")}, "t", `["r","p"]`, "p", "t"},
		"two owners":       {table{tenant: -1, key: []int{0, 1}, owner: []int{1, 0}}, [][]byte{b("a"), b("b")}, "", `["a","b"]`, `["b","a"]`, ""},
		"quoting":          {table{tenant: -1, key: []int{0, 1}, owner: []int{0}}, [][]byte{b(`a","b`), b(`\`)}, "", `["a\",\"b","\\"]`, `a","b`, ""},
		"no key":           {table{tenant: -1}, [][]byte{b("a")}, "", "[]", "[]", ""},
		"a tenant alone":   {table{tenant: 0, owner: []int{0}}, [][]byte{b("t1")}, "t1", "[]", "[]", "t1"},
		"the empty tenant": {table{tenant: 0, key: []int{1}, owner: []int{1}}, [][]byte{b(""), b("x")}, "", "x", "x", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			im := &hooks.Image{Values: c.values}
			if tenant, key := c.table.identity(im); tenant != c.tenant || key != c.key {
				t.Errorf("identity is %q %q, want %q %q", tenant, key, c.tenant, c.key)
			}
			if tenant, key := c.table.ownerIdentity(im); tenant != c.ownerTenant || key != c.owner {
				t.Errorf("the owner is %q %q, want %q %q", tenant, key, c.ownerTenant, c.owner)
			}
		})
	}
}

// Two keys have the same text only if they are the same key: a text that looks like JSON must not pass for two.
func TestJoinKeyKeepsKeysApart(t *testing.T) {
	t.Parallel()
	texts := []string{"", "a", "b", `a","b`, `"`, `","`, `\`, `\"`, ",", "[", "]", `a"`, `"a`}
	seen := map[string][2]string{}
	for _, one := range texts {
		for _, two := range texts {
			key := joinKey(&hooks.Image{Values: [][]byte{[]byte(one), []byte(two)}}, []int{0, 1})
			if other, ok := seen[key]; ok {
				t.Errorf("%q and %q have one key: %s", other, [2]string{one, two}, key)
			}
			seen[key] = [2]string{one, two}
		}
	}
}

// A caller may extend what keyColumns returns; the table's own key must not change.
func TestKeyColumns(t *testing.T) {
	t.Parallel()
	tenants := &table{tenant: 2, key: []int{1, 0}}
	if got := keyColumns(tenants); !reflect.DeepEqual(got, []int{2, 1, 0}) {
		t.Errorf("got %v", got)
	}
	if got := keyColumns(&table{tenant: -1, key: []int{3}}); !reflect.DeepEqual(got, []int{3}) {
		t.Errorf("without tenants: got %v", got)
	}
	if !reflect.DeepEqual(tenants.key, []int{1, 0}) {
		t.Errorf("the table's key is %v", tenants.key)
	}
}
