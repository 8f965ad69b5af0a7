package rowtext

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/latchkey-dev/latchkey/hooks"
)

// JSON makes an object of a row, its columns in order: numbers are numbers, json and jsonb are themselves, arrays are arrays,
// timestamps with a zone are RFC 3339 in UTC, and all else is Postgres' text. Numbers have as many digits as the row. A value
// that its type's form in JSON can't hold (NaN, infinity, years before Christ) is text. A column whose value is unknown is
// left out; keep may leave out others, or replace a value.
func JSON(im *hooks.Image, keep func(column string, value json.RawMessage) (json.RawMessage, bool)) (json.RawMessage, error) {
	if len(im.Values) != len(im.Shape.Columns) || len(im.Shape.Types) != len(im.Shape.Columns) {
		return nil, fmt.Errorf("a row of %s has %d values for %d columns", im.Shape.Name(), len(im.Values), len(im.Shape.Columns))
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for i, column := range im.Shape.Columns {
		if im.IsUnknown(i) {
			continue
		}
		value := json.RawMessage("null")
		if im.Values[i] != nil {
			value = jsonOf(im.Values[i], im.Shape.Types[i])
		}
		value, kept := keep(column, value)
		if !kept {
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.Write(jsonString([]byte(column)))
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func jsonOf(text []byte, oid uint32) json.RawMessage {
	switch oid {
	case pgtype.BoolOID:
		switch string(text) {
		case "t":
			return json.RawMessage("true")
		case "f":
			return json.RawMessage("false")
		}
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.OIDOID, pgtype.Float4OID, pgtype.Float8OID, pgtype.NumericOID:
		if len(text) > 0 && (text[0] == '-' || text[0] >= '0' && text[0] <= '9') && json.Valid(text) {
			return text
		}
	case pgtype.JSONOID, pgtype.JSONBOID:
		var b bytes.Buffer
		if json.Compact(&b, text) == nil {
			return b.Bytes()
		}
	case pgtype.TimestamptzOID:
		if t, err := parseTime(text); err == nil && t.Year() >= 0 && t.Year() <= 9999 {
			return jsonString([]byte(t.Format(time.RFC3339Nano)))
		}
	default:
		if element, ok := elementOf(oid); ok {
			if array, err := jsonArray(text, element); err == nil {
				return array
			}
		}
	}
	return jsonString(text)
}

func jsonArray(text []byte, element uint32) (json.RawMessage, error) {
	elements, err := divideArray(text, ',')
	if err != nil {
		return nil, err
	}
	b := []byte{'['}
	for i, e := range elements {
		if i > 0 {
			b = append(b, ',')
		}
		switch {
		case e.nested:
			inner, err := jsonArray(e.text, element)
			if err != nil {
				return nil, err
			}
			b = append(b, inner...)
		case e.null:
			b = append(b, "null"...)
		default:
			b = append(b, jsonOf(e.text, element)...)
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

// jsonString leaves <, > and & as they are. What isn't UTF-8, which no column of a UTF-8 database is, becomes U+FFFD.
func jsonString(text []byte) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(string(text)) // a string and a buffer can't fail
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
