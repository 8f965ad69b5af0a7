// Package rowtext reads row images, whose values are in Postgres' text form, into structs whose exported fields stand for
// columns: by their db tag, else by their name in snake_case; fields of embedded structs are the struct's own.
//
//	fields.go     which field stands for which column
//	value.go      a value's text into a field, by the field's type and the column's
//	array.go      arrays into slices
//	composite.go  composite types into structs
//	json.go       a row into JSON
package rowtext

import (
	"fmt"
	"reflect"
	"sync"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/latchkey-dev/latchkey/hooks"
)

// Decoder reads rows into R. Columns that R lacks are skipped, and fields that the row lacks stay zero: a row may be older
// or newer than R. It is safe for concurrent use.
func Decoder[R any]() func(*hooks.Image) (R, error) { return decoderOf[R](false) }

// Strict is Decoder for structs that aren't ours: a field for which the row has no column is an error unless it is
// optional, or the column is a generated one, which never reaches the log.
func Strict[R any]() func(*hooks.Image) (R, error) { return decoderOf[R](true) }

func decoderOf[R any](strict bool) func(*hooks.Image) (R, error) {
	d := &decoder{row: reflect.TypeFor[R](), strict: strict, types: pgtype.NewMap()}
	return func(im *hooks.Image) (R, error) {
		var row R
		if im == nil {
			return row, fmt.Errorf("the event has no row image for %T", row)
		}
		return row, d.decode(im, reflect.ValueOf(&row).Elem())
	}
}

type decoder struct {
	row    reflect.Type
	strict bool
	plans  sync.Map // *hooks.Shape -> *plan

	mu    sync.Mutex // pgtype.Map remembers what it planned
	types *pgtype.Map
}

type plan struct {
	steps []*step // one a column: how to read it, and where to; nil for a column that the struct lacks
	err   error   // why no row of this shape fits
}

type step struct {
	name  string
	field []int
	read  reader
}

// reader reads a value that isn't NULL.
type reader func(text []byte, into reflect.Value) error

func (d *decoder) decode(im *hooks.Image, row reflect.Value) error {
	p, ok := d.plans.Load(im.Shape)
	if !ok {
		p, _ = d.plans.LoadOrStore(im.Shape, d.plan(im.Shape))
	}
	if err := p.(*plan).err; err != nil {
		return err
	}
	for i, s := range p.(*plan).steps {
		if s == nil || im.IsUnknown(i) {
			continue
		}
		field := row.FieldByIndex(s.field)
		var err error
		if im.Values[i] == nil {
			err = setNull(field)
		} else {
			err = s.read(im.Values[i], field)
		}
		if err != nil {
			return fmt.Errorf("column %s of %s, into field %s: %w", im.Shape.Columns[i], im.Shape.Name(), s.name, err)
		}
	}
	return nil
}

func (d *decoder) plan(shape *hooks.Shape) *plan {
	p := &plan{steps: make([]*step, len(shape.Columns))}
	fields := map[string]column{}
	for _, c := range columnsOf(d.row) {
		fields[c.name] = c
	}
	for i, name := range shape.Columns {
		if c, ok := fields[name]; ok {
			p.steps[i] = &step{name: c.field.Name, field: c.field.Index, read: d.reader(c.field.Type, shape.Types[i])}
			delete(fields, name)
		}
	}
	for _, name := range shape.Generated {
		delete(fields, name)
	}
	if !d.strict {
		return p
	}
	for _, c := range columnsOf(d.row) { // in the struct's order
		if _, missing := fields[c.name]; missing && !c.optional {
			p.err = fmt.Errorf("this event's row of %s has no column %s, which field %s stands for: the column came after the event, or is gone; "+
				"tag the field `db:%q`, and it stays zero there", shape.Name(), c.name, c.field.Name, c.name+",optional")
			break
		}
	}
	return p
}
