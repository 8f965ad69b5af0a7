package listener

import (
	"bytes"
	"slices"

	"github.com/latchkey-dev/latchkey/hooks"
)

// table is a published table as the stream describes it now.
type table struct {
	name   string
	shape  *hooks.Shape
	key    []int // primary key columns without the tenant
	tenant int   // the tenant_id column, -1 if there is none
	owner  []int // of a set: the columns that name the owner; nil for an ordinary table
	about  []int // the column with the key of the row among whose events these keep their order, if they do
}

// identify sets the tenant and the key, and the former ones of an update that changed them.
func identify(ev *hooks.Event, t *table) {
	switch {
	case ev.New != nil:
		ev.TenantID, ev.Key = t.identity(ev.New)
		ev.About = t.aboutOf(ev.New)
		if ev.Old != nil && !sameIdentity(ev.Old, ev.New, t) {
			ev.OldTenantID, ev.OldKey = t.identity(ev.Old)
		}
	case ev.Old != nil:
		ev.TenantID, ev.Key = t.identity(ev.Old)
		ev.About = t.aboutOf(ev.Old)
	}
}

// aboutOf reads the key of the row that a row is about; it may have none.
func (t *table) aboutOf(im *hooks.Image) string {
	for _, i := range t.about {
		return string(im.Values[i])
	}
	return ""
}

func sameIdentity(old, row *hooks.Image, t *table) bool {
	if t.tenant >= 0 && !same(old, row, t.tenant) {
		return false
	}
	for _, i := range t.key {
		if !same(old, row, i) {
			return false
		}
	}
	return true
}

// same takes what the log doesn't have for unchanged: the server leaves out what did not change.
func same(old, row *hooks.Image, i int) bool {
	return old.IsUnknown(i) || row.IsUnknown(i) || bytes.Equal(old.Values[i], row.Values[i])
}

// identity reads a row's tenant and key. A key of several columns is a JSON array.
func (t *table) identity(im *hooks.Image) (tenant, key string) {
	if t.tenant >= 0 {
		tenant = string(im.Values[t.tenant])
	}
	if len(t.key) == 1 {
		return tenant, string(im.Values[t.key[0]])
	}
	return tenant, joinKey(im, t.key)
}

func joinKey(im *hooks.Image, columns []int) string {
	b := []byte{'['}
	for n, i := range columns {
		if n > 0 {
			b = append(b, ',')
		}
		if im.Values[i] == nil { // of a table that lost its key
			b = append(b, "null"...)
		} else {
			b = appendString(b, im.Values[i])
		}
	}
	return string(append(b, ']'))
}

// newTable joins what the stream and the catalogue say of a table.
func newTable(shape *hooks.Shape, owner []string, about string) *table {
	t := &table{name: shape.Name(), shape: shape, tenant: slices.Index(shape.Columns, "tenant_id")}
	if i := slices.Index(shape.Columns, about); i >= 0 {
		t.about = []int{i}
	}
	for _, column := range shape.Key {
		if i := slices.Index(shape.Columns, column); i >= 0 && i != t.tenant {
			t.key = append(t.key, i)
		}
	}
	if len(t.key) == 0 && t.tenant >= 0 && len(shape.Key) > 0 { // the tenant is all of the key
		t.key, t.tenant = []int{t.tenant}, -1
	}
	for _, column := range owner {
		if i := slices.Index(shape.Columns, column); i >= 0 {
			t.owner = append(t.owner, i)
		}
	}
	return t
}

func keyColumns(t *table) []int {
	if t.tenant >= 0 {
		return append([]int{t.tenant}, t.key...)
	}
	return t.key
}

// ownerIdentity is the tenant and key of a set's owner.
func (t *table) ownerIdentity(im *hooks.Image) (tenant, key string) {
	var columns []int
	for _, i := range t.owner {
		if i == t.tenant {
			tenant = string(im.Values[i])
		} else {
			columns = append(columns, i)
		}
	}
	if len(columns) == 1 {
		return tenant, string(im.Values[columns[0]])
	}
	return tenant, joinKey(im, columns)
}
