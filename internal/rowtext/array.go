package rowtext

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"

	"github.com/jackc/pgx/v5/pgtype"
)

// isList tells slices of values from slices of bytes, which are one value.
func isList(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8 && !readsItself(t)
}

// arrayReader reads an array into a slice, one of two dimensions into a slice of slices, and so on.
func (d *decoder) arrayReader(to reflect.Type, element uint32) reader {
	delimiter := byte(',')
	if element == pgtype.BoxOID {
		delimiter = ';'
	}
	var read, deeper reader
	if isList(to.Elem()) && element != pgtype.JSONBOID && element != pgtype.JSONOID {
		deeper = d.arrayReader(to.Elem(), element)
	} else {
		read = d.reader(to.Elem(), element)
	}
	return func(text []byte, v reflect.Value) error {
		elements, err := divideArray(text, delimiter)
		if err != nil {
			return err
		}
		list := reflect.MakeSlice(to, len(elements), len(elements))
		for i, e := range elements {
			switch into := list.Index(i); {
			case e.nested != (deeper != nil):
				return fmt.Errorf("the array's dimensions are not those of a %s", to)
			case e.nested:
				err = deeper(e.text, into)
			case e.null:
				err = setNull(into)
			default:
				err = read(e.text, into)
			}
			if err != nil {
				return fmt.Errorf("element %d: %w", i+1, err)
			}
		}
		v.Set(list)
		return nil
	}
}

// element is one of an array's, or a field of a composite value.
type element struct {
	text   []byte
	null   bool
	nested bool // an array itself
}

var errNoArray = errors.New("the value is no array")

// divideArray divides {a,"b \"c\"",NULL,{d,e}}. Bounds that don't begin at one stand before it, as [0:1]={a,b}.
func divideArray(text []byte, delimiter byte) ([]element, error) {
	if len(text) > 0 && text[0] == '[' {
		_, text, _ = bytes.Cut(text, []byte("="))
	}
	if len(text) < 2 || text[0] != '{' || text[len(text)-1] != '}' {
		return nil, errNoArray
	}
	rest := text[1 : len(text)-1]
	var elements []element
	for len(rest) > 0 || len(elements) > 0 {
		var e element
		switch {
		case len(rest) > 0 && rest[0] == '{':
			end, err := endOfArray(rest)
			if err != nil {
				return nil, err
			}
			e, rest = element{text: rest[:end], nested: true}, rest[end:]
		case len(rest) > 0 && rest[0] == '"':
			var err error
			if e.text, rest, err = unquote(rest, false); err != nil {
				return nil, err
			}
		default:
			end := bytes.IndexByte(rest, delimiter)
			if end < 0 {
				end = len(rest)
			}
			if end == 0 || bytes.ContainsAny(rest[:end], `{}"\`) { // these are written in quotes
				return nil, errNoArray
			}
			e, rest = element{text: rest[:end], null: bytes.EqualFold(rest[:end], []byte("null"))}, rest[end:]
		}
		elements = append(elements, e)
		if len(rest) == 0 {
			break
		}
		if rest[0] != delimiter {
			return nil, errNoArray
		}
		rest = rest[1:]
	}
	return elements, nil
}

// endOfArray finds where the array ends that text begins with.
func endOfArray(text []byte) (int, error) {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth == 0 {
				return i + 1, nil
			}
		}
	}
	return 0, errNoArray
}

// unquote reads the quoted text that rest begins with. A backslash takes the next byte as it is; within a composite value
// a quote is doubled as well.
func unquote(text []byte, doubled bool) (value, rest []byte, err error) {
	value = []byte{}
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			value = append(value, text[i])
		case c == '"' && doubled && i+1 < len(text) && text[i+1] == '"':
			i++
			value = append(value, '"')
		case c == '"':
			return value, text[i+1:], nil
		default:
			value = append(value, c)
		}
	}
	return nil, nil, errors.New("a quote is not closed")
}
