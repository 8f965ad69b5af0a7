package rowtext

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/latchkey-dev/latchkey/hooks"
)

// AppendJSON appends a row as an object, its columns in order: numbers are numbers, json and jsonb are themselves, arrays are
// arrays, timestamps with a zone are RFC 3339 in UTC, and all else is Postgres' text. Numbers have as many digits as the row. A
// value that its type's form in JSON can't hold (NaN, infinity, years before Christ) is text. A column whose value is unknown
// is left out; keep may leave out others, or have a value changed.
func AppendJSON(b []byte, im *hooks.Image, keep func(column string) (kept bool, change func(json.RawMessage) json.RawMessage)) ([]byte, error) {
	if len(im.Values) != len(im.Shape.Columns) || len(im.Shape.Types) != len(im.Shape.Columns) {
		return b, fmt.Errorf("a row of %s has %d values for %d columns", im.Shape.Name(), len(im.Values), len(im.Shape.Columns))
	}
	b = append(b, '{')
	first := true
	for i, column := range im.Shape.Columns {
		if im.IsUnknown(i) {
			continue
		}
		kept, change := keep(column)
		if !kept {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(AppendString(b, column), ':')
		switch text := im.Values[i]; {
		case change != nil && text != nil:
			b = append(b, change(appendValue(nil, text, im.Shape.Types[i]))...)
		case text == nil:
			b = append(b, "null"...)
		default:
			b = appendValue(b, text, im.Shape.Types[i])
		}
	}
	return append(b, '}'), nil
}

func appendValue(b, text []byte, oid uint32) []byte {
	switch oid {
	case pgtype.BoolOID:
		switch string(text) {
		case "t":
			return append(b, "true"...)
		case "f":
			return append(b, "false"...)
		}
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.OIDOID, pgtype.Float4OID, pgtype.Float8OID, pgtype.NumericOID:
		if len(text) > 0 && (text[0] == '-' || text[0] >= '0' && text[0] <= '9') && json.Valid(text) {
			return append(b, text...)
		}
	case pgtype.JSONOID, pgtype.JSONBOID:
		compact := bytes.NewBuffer(b)
		if json.Compact(compact, text) == nil {
			return compact.Bytes()
		}
	case pgtype.TimestamptzOID:
		if t, err := parseTime(text); err == nil && t.Year() >= 0 && t.Year() <= 9999 {
			return append(t.AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
		}
	default:
		if element, ok := elementOf(oid); ok {
			if array, err := appendArray(b, text, element); err == nil {
				return array
			}
		}
	}
	return AppendString(b, text)
}

func appendArray(b, text []byte, element uint32) ([]byte, error) {
	elements, err := divideArray(text, ',')
	if err != nil {
		return b, err
	}
	b = append(b, '[')
	for i, e := range elements {
		if i > 0 {
			b = append(b, ',')
		}
		switch {
		case e.nested:
			if b, err = appendArray(b, e.text, element); err != nil {
				return b, err
			}
		case e.null:
			b = append(b, "null"...)
		default:
			b = appendValue(b, e.text, element)
		}
	}
	return append(b, ']'), nil
}

// elementOf has the arrays of Postgres' own types; those of an enum, say, stay text, for nobody here knows what they are.
func elementOf(array uint32) (element uint32, ok bool) {
	switch array {
	case pgtype.TextArrayOID, pgtype.VarcharArrayOID, pgtype.BPCharArrayOID, pgtype.NameArrayOID, pgtype.UUIDArrayOID, pgtype.DateArrayOID,
		pgtype.TimestampArrayOID, pgtype.InetArrayOID, pgtype.CIDRArrayOID, pgtype.ByteaArrayOID:
		return pgtype.TextOID, true
	case pgtype.BoolArrayOID:
		return pgtype.BoolOID, true
	case pgtype.Int2ArrayOID, pgtype.Int4ArrayOID, pgtype.Int8ArrayOID, pgtype.Float4ArrayOID, pgtype.Float8ArrayOID, pgtype.NumericArrayOID:
		return pgtype.NumericOID, true
	case pgtype.TimestamptzArrayOID:
		return pgtype.TimestamptzOID, true
	case pgtype.JSONArrayOID, pgtype.JSONBArrayOID:
		return pgtype.JSONBOID, true
	}
	return 0, false
}

// AppendString appends text as JSON has it, with <, > and & as they are. What isn't UTF-8, which no column of a UTF-8 database
// is, becomes U+FFFD.
func AppendString[S ~string | ~[]byte](b []byte, text S) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return appendQuoted(b, string(text))
		}
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
}

func appendQuoted(b []byte, text string) []byte {
	w := bytes.NewBuffer(b)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // a string and a buffer can't fail
	return bytes.TrimSuffix(w.Bytes(), []byte("\n"))
}
