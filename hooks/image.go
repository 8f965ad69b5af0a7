package hooks

import "slices"

// Shape is how a table's rows looked when a change was made: it outlives columns that are dropped, renamed or retyped.
type Shape struct {
	ID      int64 // of latchkey.relations
	Schema  string
	Table   string
	Columns []string
	Types   []uint32 // type OIDs; of a domain over a type of Postgres' own, that type's
	Key     []string // primary key columns; without one, those of a unique index that takes no NULL
	// Generated are columns of the table whose values never reach the log.
	Generated []string
}

// Name is schema.table, as [TableName] has it.
func (s *Shape) Name() string { return TableName(s.Schema, s.Table) }

// Image is one state of a row, each value in Postgres' text form (with DateStyle ISO, IntervalStyle postgres, TimeZone
// UTC and bytea as hex), which is lossless for every type. It is shared between hooks: don't change it.
type Image struct {
	Shape  *Shape
	Values [][]byte // in the shape's order; nil is NULL
	// Unknown marks columns whose value did not reach the log (of a table or partition that wasn't REPLICA
	// IDENTITY FULL when it was written); nil where all are known.
	Unknown []bool
}

// IsUnknown reports whether the value of column i is missing.
func (im *Image) IsUnknown(i int) bool { return im.Unknown != nil && im.Unknown[i] }

// Value is a column's text; nil is NULL. It is not known if the row had no such column or its value is missing.
func (im *Image) Value(column string) (text []byte, known bool) {
	if i := slices.Index(im.Shape.Columns, column); i >= 0 && !im.IsUnknown(i) {
		return im.Values[i], true
	}
	return nil, false
}
