package listener

import (
	"maps"
	"slices"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/latchkey-dev/latchkey/hooks"
)

// described is what the stream has said of tables and types so far.
type described struct {
	tables  map[uint32]*table
	byShape map[int64]*table // also as they were earlier: a table may change within a transaction
	types   *pgtype.Map
	domains map[uint32]uint32 // domains over a type of Postgres' own, which is what their values look like

	// A partition is described right after its root, in whose name its changes come. Those that aren't REPLICA IDENTITY
	// FULL, with their root: the server sends NULL for what it doesn't have of their old rows.
	last    uint32
	notFull map[uint32]uint32
}

func newDescribed() described {
	return described{tables: map[uint32]*table{}, byShape: map[int64]*table{}, types: pgtype.NewMap(), domains: map[uint32]uint32{}, notFull: map[uint32]uint32{}}
}

func (a *assembler) typeName(m typeMessage) error {
	if own, ok := a.types.TypeForName(m.name); ok && m.schema == "pg_catalog" {
		a.domains[m.oid] = own.OID
	}
	return nil
}

func (a *assembler) relation(m relationMessage) error {
	for i, c := range m.columns {
		if base, is := a.domains[c.oid]; is {
			m.columns[i].oid = base
		}
	}
	t, err := a.describe(m)
	if err != nil {
		return err
	}
	a.tables[m.oid], a.byShape[t.shape.ID] = t, t
	if delete(a.notFull, m.oid); m.replicaIdentity != 'f' {
		a.notFull[m.oid] = a.last
		if a.unready != nil {
			a.unready()
		}
	}
	a.last = m.oid
	return nil
}

// halfKnown reports whether a NULL in an old row of the table may be a value that wasn't sent.
func (a *assembler) halfKnown(oid uint32) bool {
	return len(a.notFull) > 0 && slices.Contains(slices.Collect(maps.Values(a.notFull)), oid)
}

func withoutNulls(row tuple) tuple {
	row = slices.Clone(row)
	for i := range row {
		if row[i].kind == kindNull {
			row[i].kind = kindUnchanged
		}
	}
	return row
}

// nothingOf is the old row of an update with which none was sent.
func nothingOf(shape *hooks.Shape) hooks.Image {
	return hooks.Image{Shape: shape, Values: make([][]byte, len(shape.Columns)), Unknown: slices.Repeat([]bool{true}, len(shape.Columns))}
}
