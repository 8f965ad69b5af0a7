package rowtext

import (
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// reader has the common types by hand, because every hook call pays for it, and pgtype for the rest. What the oid's type
// is nobody may know, as of an enum, or of what is inside a composite type: then the field's type decides.
func (d *decoder) reader(to reflect.Type, oid uint32) reader {
	known, ok := d.types.TypeForOID(oid)
	switch {
	case readsItself(to):
		return d.byPgtype(to, oid)
	case to == reflect.TypeFor[json.RawMessage]():
		return func(text []byte, v reflect.Value) error { v.SetBytes(append([]byte(nil), text...)); return nil }
	case to == reflect.TypeFor[[]byte]() && oid == pgtype.ByteaOID:
		return readBytea
	case to == reflect.TypeFor[[]byte]() && oid == 0:
		return readMaybeBytea
	case to == reflect.TypeFor[time.Time]() && oid == pgtype.TimestamptzOID:
		return readTime
	case to == reflect.TypeFor[time.Time]() && !ok:
		return readAnyTime
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
		if oid == pgtype.BoolOID || !ok {
			return readBool
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if oid == pgtype.Int4OID || oid == pgtype.Int8OID || oid == pgtype.Int2OID || !ok {
			return func(text []byte, v reflect.Value) error {
				n, err := strconv.ParseInt(string(text), 10, to.Bits())
				v.SetInt(n)
				return err
			}
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if oid == pgtype.Int4OID || oid == pgtype.Int8OID || oid == pgtype.Int2OID || !ok {
			return func(text []byte, v reflect.Value) error {
				n, err := strconv.ParseUint(string(text), 10, to.Bits())
				v.SetUint(n)
				return err
			}
		}
	case reflect.Float32, reflect.Float64:
		if oid == pgtype.Float4OID || oid == pgtype.Float8OID || oid == pgtype.NumericOID || !ok {
			return func(text []byte, v reflect.Value) error {
				n, err := strconv.ParseFloat(string(text), to.Bits())
				v.SetFloat(n)
				return err
			}
		}
	case reflect.Slice:
		if codec, isArray := codecOf(known).(*pgtype.ArrayCodec); isArray && isList(to) {
			return d.arrayReader(to, codec.ElementType.OID)
		}
		if !ok && isList(to) {
			return d.arrayReader(to, 0)
		}
	case reflect.Struct:
		if !ok {
			return d.compositeReader(to)
		}
	}
	return d.byPgtype(to, oid)
}

func codecOf(t *pgtype.Type) pgtype.Codec {
	if t == nil {
		return nil
	}
	return t.Codec
}

func (d *decoder) byPgtype(to reflect.Type, oid uint32) reader {
	if _, known := d.types.TypeForOID(oid); !known && reflect.PointerTo(to).Implements(reflect.TypeFor[pgtype.ArraySetter]()) {
		oid = pgtype.TextArrayOID // the elements are someone's own type, in text form
	}
	return func(text []byte, v reflect.Value) error {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.types.Scan(oid, pgtype.TextFormatCode, text, v.Addr().Interface())
	}
}

// readsItself reports whether a type brings its own way of being read, as those of pgtype do.
func readsItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	for _, way := range []reflect.Type{
		reflect.TypeFor[sql.Scanner](), reflect.TypeFor[pgtype.TextScanner](), reflect.TypeFor[pgtype.ArraySetter](),
		reflect.TypeFor[pgtype.RangeScanner](), reflect.TypeFor[pgtype.MultirangeSetter](), reflect.TypeFor[pgtype.CompositeIndexScanner](),
	} {
		if p.Implements(way) {
			return true
		}
	}
	return false
}

// isValue tells structs that are one value from those that are made of columns.
func isValue(t reflect.Type) bool { return t == reflect.TypeFor[time.Time]() || readsItself(t) }

func readBool(text []byte, v reflect.Value) error {
	if len(text) != 1 || text[0] != 't' && text[0] != 'f' {
		return fmt.Errorf("%q is no boolean", text)
	}
	v.SetBool(text[0] == 't')
	return nil
}

func readBytea(text []byte, v reflect.Value) error {
	if len(text) < 2 || string(text[:2]) != `\x` {
		return errors.New("bytea is not in hex")
	}
	b, err := hex.DecodeString(string(text[2:]))
	v.SetBytes(b)
	return err
}

// readMaybeBytea is for a value within another, of which only its text tells the type.
func readMaybeBytea(text []byte, v reflect.Value) error {
	if readBytea(text, v) != nil {
		v.SetBytes(append([]byte(nil), text...))
	}
	return nil
}

func readTime(text []byte, v reflect.Value) error {
	t, err := parseTime(text)
	if err == nil {
		*v.Addr().Interface().(*time.Time) = t
	}
	return err
}

// readAnyTime reads a timestamp with or without a zone, or a date.
func readAnyTime(text []byte, v reflect.Value) error {
	t, err := parseTime(text)
	for _, layout := range []string{"2006-01-02 15:04:05.999999999", "2006-01-02"} {
		if err != nil {
			t, err = time.Parse(layout, string(text))
		}
	}
	if err == nil {
		*v.Addr().Interface().(*time.Time) = t
	}
	return err
}

func setNull(v reflect.Value) error {
	if v.Kind() != reflect.Pointer {
		if scanner, ok := v.Addr().Interface().(sql.Scanner); ok {
			return scanner.Scan(nil)
		}
	}
	switch {
	case v.Kind() == reflect.Pointer, v.Kind() == reflect.Slice, v.Kind() == reflect.Map, v.Kind() == reflect.Interface, readsItself(v.Type()):
		v.SetZero()
		return nil
	default:
		return fmt.Errorf("NULL does not fit a %s: make the field a pointer", v.Type())
	}
}
