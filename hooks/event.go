package hooks

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pglogrepl"
)

// Operation is what a change did. Sets (role permissions) know Assign and Remove in place of Insert and Delete.
type Operation uint8

// The operations.
const (
	Insert Operation = iota + 1
	Update
	Delete
	Truncate
	Assign
	Remove
)

func (o Operation) String() string {
	switch o {
	case 0:
		return "none" // a flow's hooks are asked about no row
	case Insert:
		return "insert"
	case Update:
		return "update"
	case Delete:
		return "delete"
	case Truncate:
		return "truncate"
	case Assign:
		return "assign"
	case Remove:
		return "remove"
	default:
		return fmt.Sprintf("operation(%d)", uint8(o))
	}
}

// ParseOperation is String's inverse.
func ParseOperation(s string) (Operation, error) {
	for o := Insert; o <= Remove; o++ {
		if o.String() == s {
			return o, nil
		}
	}
	return 0, fmt.Errorf("hooks: unknown operation %q", s)
}

// Event is one committed change of a hooked table. There is exactly one per row and change, in commit order; a TRUNCATE
// is one per table, and a role's permissions are one per transaction.
type Event struct {
	Seq         int64         // dense and ascending, in commit order, within the listener's group; of a backfill, within its run
	Run         int64         // 0; else the number of the hook's replay or backfill that it comes from
	CommitLSN   pglogrepl.LSN // where its transaction's commit stands in the log
	Ordinal     int64         // its place among the changes of its transaction
	XID         uint32
	CommittedAt time.Time
	Table       string // schema.table, as TableName has it
	Shape       *Shape // the table's columns at the time
	Operation   Operation
	Key         string // the primary key without the tenant, in text form; a JSON array of them where it has several columns
	About       string // the key of another table's row among whose events this one keeps its order: an auth event's user; otherwise empty
	TenantID    string // the column tenant_id; empty for a table without one
	Attempt     int    // 1 for the first try of this hook

	// Old is the row before an update or delete, New the row after an insert or update.
	Old, New *Image
	// Rows are the members of an assign or remove.
	Rows []*Image
	// OldKey is the key before an update that changed it, otherwise empty.
	OldKey, OldTenantID string

	// RawStamp is what the writer left in the log, as JSON; Stamp reads it.
	RawStamp []byte
}

// Entity identifies the row that the event is about, or the one that About names: the order of its events is kept.
func (e *Event) Entity() string { return EntityOf(e.TenantID, cmp.Or(e.About, e.Key)) }

// OldEntity is the entity before an update that changed the key, and otherwise empty.
func (e *Event) OldEntity() string {
	if e.OldKey == "" && e.OldTenantID == "" {
		return ""
	}
	return EntityOf(e.OldTenantID, e.OldKey)
}

// EntityOf joins a tenant and a key to what identifies a row of a table: tenant/key, or the key alone where there is no
// tenant. No two rows have the same: a tenant's % and / are written %25 and %2F, and a key that has a slash and no tenant
// begins with one more.
func EntityOf(tenant, key string) string {
	switch {
	case tenant != "":
		return escapeTenant.Replace(tenant) + "/" + key
	case strings.Contains(key, "/"):
		return "/" + key
	default:
		return key
	}
}

var escapeTenant = strings.NewReplacer("%", "%25", "/", "%2F") //nolint:gochecknoglobals // it is never changed

// Stamp says who made the change. Origin is "unknown" where the writer left nothing.
func (e *Event) Stamp() Stamp {
	s := Stamp{Origin: OriginUnknown}
	if len(e.RawStamp) > 0 && json.Unmarshal(e.RawStamp, &s) != nil {
		return Stamp{Origin: OriginUnknown}
	}
	return s
}

// Changed lists the columns that an update changed, in the table's order. A column whose old or new value is unknown (see
// [Image.Unknown]) is left out.
func (e *Event) Changed() []string {
	if e.Old == nil || e.New == nil {
		return nil
	}
	var changed []string
	for i, column := range e.New.Shape.Columns {
		old, known := e.Old.Value(column)
		if !known || e.New.IsUnknown(i) {
			continue
		}
		if now := e.New.Values[i]; (now == nil) != (old == nil) || string(now) != string(old) {
			changed = append(changed, column)
		}
	}
	return changed
}

// MayHaveChanged reports whether an update changed the column, or the log doesn't have what it was.
func (e *Event) MayHaveChanged(column string) bool {
	if e.Old == nil || e.New == nil {
		return true
	}
	i := slices.Index(e.New.Shape.Columns, column)
	if i < 0 {
		return false
	}
	old, known := e.Old.Value(column)
	now := e.New.Values[i]
	return !known || e.New.IsUnknown(i) || (now == nil) != (old == nil) || string(now) != string(old)
}
