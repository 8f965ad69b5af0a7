// Package rowtext reads row images, whose values are in Postgres' text form, into structs whose exported fields carry db
// tags, those of embedded structs included. Columns that the struct lacks are skipped, and fields that the row lacks stay
// zero: a row may be older or newer than the struct.
package rowtext

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/latchkey-dev/latchkey/hooks"
)

// Decoder reads rows into R. It is safe for concurrent use.
func Decoder[R any]() func(*hooks.Image) (R, error) {
	d := &decoder{row: reflect.TypeFor[R](), types: pgtype.NewMap()}
	return func(im *hooks.Image) (R, error) {
		var row R
		if im == nil {
			return row, fmt.Errorf("the event has no row image for %T", row)
		}
		return row, d.decode(im, reflect.ValueOf(&row).Elem())
	}
}

// Columns lists the db tags of a struct, in the order of its fields.
func Columns(row reflect.Type) []string {
	var columns []string
	for _, f := range tagged(row) {
		columns = append(columns, f.Tag.Get("db"))
	}
	return columns
}

// tagged lists the fields that stand for columns.
func tagged(row reflect.Type) []reflect.StructField {
	return slices.DeleteFunc(reflect.VisibleFields(row), func(f reflect.StructField) bool {
		tag := f.Tag.Get("db")
		return !f.IsExported() || tag == "" || tag == "-"
	})
}

type decoder struct {
	row   reflect.Type
	plans sync.Map // *hooks.Shape -> plan

	mu    sync.Mutex // pgtype.Map remembers what it planned
	types *pgtype.Map
}

// plan has an entry for each column: how to read it, and where to; nil for a column that the struct lacks.
type plan []*step

type step struct {
	field []int
	read  func(text []byte, into reflect.Value) error
}

func (d *decoder) decode(im *hooks.Image, row reflect.Value) error {
	p, ok := d.plans.Load(im.Shape)
	if !ok {
		p, _ = d.plans.LoadOrStore(im.Shape, d.plan(im.Shape))
	}
	for i, s := range p.(plan) {
		if s == nil || im.IsUnknown(i) {
			continue
		}
		field := row.FieldByIndex(s.field)
		if im.Values[i] == nil {
			if err := setNull(field); err != nil {
				return fmt.Errorf("column %s of %s: %w", im.Shape.Columns[i], im.Shape.Name(), err)
			}
			continue
		}
		if err := s.read(im.Values[i], field); err != nil {
			return fmt.Errorf("column %s of %s: %w", im.Shape.Columns[i], im.Shape.Name(), err)
		}
	}
	return nil
}

func (d *decoder) plan(shape *hooks.Shape) plan {
	fields := map[string]reflect.StructField{}
	for _, f := range tagged(d.row) {
		fields[f.Tag.Get("db")] = f
	}
	p := make(plan, len(shape.Columns))
	for i, column := range shape.Columns {
		if f, ok := fields[column]; ok {
			p[i] = &step{field: f.Index, read: d.reader(f.Type, shape.Types[i])}
		}
	}
	return p
}

// reader has the common types by hand, because every hook call pays for it, and pgtype for the rest.
func (d *decoder) reader(to reflect.Type, oid uint32) func([]byte, reflect.Value) error {
	switch {
	case to == reflect.TypeFor[json.RawMessage]():
		return func(text []byte, v reflect.Value) error { v.SetBytes(append([]byte(nil), text...)); return nil }
	case to == reflect.TypeFor[[]byte]() && oid == pgtype.ByteaOID:
		return readBytea
	case to == reflect.TypeFor[time.Time]() && oid == pgtype.TimestamptzOID:
		return readTime
	case to.Kind() == reflect.Pointer:
		inner := d.reader(to.Elem(), oid)
		return func(text []byte, v reflect.Value) error {
			v.Set(reflect.New(to.Elem()))
			return inner(text, v.Elem())
		}
	}
	switch to.Kind() {
	case reflect.String:
		return func(text []byte, v reflect.Value) error { v.SetString(string(text)); return nil }
	case reflect.Bool:
		return func(text []byte, v reflect.Value) error {
			if len(text) != 1 || text[0] != 't' && text[0] != 'f' {
				return fmt.Errorf("%q is no boolean", text)
			}
			v.SetBool(text[0] == 't')
			return nil
		}
	case reflect.Int, reflect.Int16, reflect.Int32, reflect.Int64:
		return func(text []byte, v reflect.Value) error {
			n, err := strconv.ParseInt(string(text), 10, to.Bits())
			v.SetInt(n)
			return err
		}
	}
	return func(text []byte, v reflect.Value) error {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.types.Scan(oid, pgtype.TextFormatCode, text, v.Addr().Interface())
	}
}

func readBytea(text []byte, v reflect.Value) error {
	if len(text) < 2 || string(text[:2]) != `\x` {
		return fmt.Errorf("bytea is not in hex")
	}
	b, err := hex.DecodeString(string(text[2:]))
	v.SetBytes(b)
	return err
}

func readTime(text []byte, v reflect.Value) error {
	t, err := parseTime(text)
	if err == nil {
		*v.Addr().Interface().(*time.Time) = t
	}
	return err
}

func setNull(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		v.SetZero()
		return nil
	default:
		return fmt.Errorf("NULL does not fit a %s: make the field a pointer", v.Type())
	}
}
