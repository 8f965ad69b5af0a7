package db

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/rowtext"
)

// Table is where a service registers after-hooks on a table of its own, which it writes as it likes:
//
//	type Invoice struct {
//		ID      uuid.UUID
//		Total   pgtype.Numeric `db:"amount"`
//		PaidAt  *time.Time     // NULL needs a pointer, or a type that knows it, as sql.Null has
//		Comment string         `db:"-"` // no column
//	}
//	db.Table[Invoice](reg, "billing.invoices").AfterCreate("mail", func(ctx context.Context, tx hooks.Tx, ev hooks.Event, row Invoice) error { ... })
//
// A field stands for the column that its db tag names, else for its own name in snake_case (ID is id, PaidAt is paid_at).
// Columns that Row lacks are passed over; a column that the table lacks is an error when the listener opens, unless the
// tag says that it may: `db:"total,optional"`. An event keeps the columns that the table had; where a row of the log
// doesn't fit Row (a NULL without a pointer, a column that came later or is gone), the delivery fails and is kept, as that
// of a failing hook. A generated column's field stays zero before Postgres 18, which doesn't send it, and so does a value
// that the log doesn't have: [hooks.Image.Unknown] tells which.
//
// name is schema.table; a part that isn't only of lower-case letters, digits and underscores goes into double quotes, as in
// `"Weird Name"."Tab-le"`. The table needs a primary key, or a unique index on columns that are NOT NULL: it tells which
// events are about the same row ([hooks.Event.Key]), compared as text. Of a partitioned table the root is named; a row that
// moves between partitions is a delete and an insert. Rows of tables that inherit from it are theirs, not its own.
//
// When it opens, the listener prepares the table (latchkey.watch) where its role owns it, and says what to run where it
// doesn't.
//
// There are no before-hooks, because writers of such a table pass no repository of ours. What refuses or changes writes of
// any writer is a before-hook in SQL (SQLHook).
//
// It may be called again for the same table, with the same Row. What is wrong with name or Row comes back from
// [Hooks.Err], as other mistakes do.
func Table[Row any](h *Hooks, name string) *hooks.AfterHooks[Row] {
	row := reflect.TypeFor[Row]()
	problem := func(format string, args ...any) {
		h.registry.Problem(fmt.Errorf("db: table %s: "+format, append([]any{name}, args...)...))
	}
	schema, table, err := hooks.ParseTableName(name)
	if err != nil {
		problem("%w", err)
		schema, table = "", name
	}
	canonical := hooks.TableName(schema, table)
	switch {
	case schema == "auth":
		problem("hooks on it are registered in the catalogue, as reg.Roles.AfterCreate is; what has no field there has no hooks")
	case schema == "latchkey", strings.HasPrefix(schema, "pg_"), schema == "information_schema":
		problem("schema %s has no tables of a service's own, and their changes are no events", schema)
	}
	fields, problems := rowtext.Fields(row)
	for _, err := range problems {
		problem("%w", err)
	}
	if known := h.own[canonical]; known != nil && known != row {
		problem("it is registered with rows of type %s already, not %s: use one type for both", known, row)
	}
	if h.own == nil {
		h.own = map[string]reflect.Type{}
	}
	h.own[canonical] = row
	return hooks.NewAfterHooks(&h.registry, hooks.OwnTable{Name: canonical, Fields: fields}, rowtext.Strict[Row]())
}
