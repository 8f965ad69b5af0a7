package hooks

import "slices"

// Shape is how a table's rows looked when a change was made: it outlives columns that are dropped, renamed or retyped.
type Shape struct {
	ID      int64 // of latchkey.relations
	Schema  string
	Table   string
	Columns []string
	Types   []uint32 // type OIDs
	Key     []string // primary key columns
}

// Name is schema.table.
func (s *Shape) Name() string { return s.Schema + "." + s.Table }

// Image is one state of a row, each value in Postgres' text form (with DateStyle ISO, IntervalStyle iso_8601, TimeZone
// UTC and bytea as hex), which is lossless for every type. It is shared between hooks: don't change it.
type Image struct {
	Shape  *Shape
	Values [][]byte // in the shape's order; nil is NULL
	// Unknown marks columns whose value did not reach the log (an unchanged, out-of-line value of a table that isn't
	// REPLICA IDENTITY FULL); nil where all are known.
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
