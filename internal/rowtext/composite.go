package rowtext

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"sync"
)

// compositeReader reads a composite value into a struct, field by field in their order: its text has no names.
func (d *decoder) compositeReader(to reflect.Type) reader {
	columns := columnsOf(to)
	readers := sync.OnceValue(func() []reader { // at the first value, because a struct may hold others of its kind
		all := make([]reader, len(columns))
		for i, c := range columns {
			all[i] = d.reader(c.field.Type, 0)
		}
		return all
	})
	return func(text []byte, v reflect.Value) error {
		elements, err := divideComposite(text)
		if err != nil {
			return err
		}
		if len(elements) != len(columns) {
			return fmt.Errorf("the composite value has %d fields, and %s %d: they go by order", len(elements), to, len(columns))
		}
		reads := readers()
		for i, e := range elements {
			field := v.FieldByIndex(columns[i].field.Index)
			if e.null {
				err = setNull(field)
			} else {
				err = reads[i](e.text, field)
			}
			if err != nil {
				return fmt.Errorf("field %s: %w", columns[i].field.Name, err)
			}
		}
		return nil
	}
}

var errNoComposite = errors.New("the value is of no composite type")

// divideComposite divides (a,"b ""c""",,d). Nothing at all is NULL.
func divideComposite(text []byte) ([]element, error) {
	if len(text) < 2 || text[0] != '(' || text[len(text)-1] != ')' {
		return nil, errNoComposite
	}
	var elements []element
	for rest := text[1 : len(text)-1]; ; {
		var e element
		if len(rest) > 0 && rest[0] == '"' {
			var err error
			if e.text, rest, err = unquote(rest, true); err != nil {
				return nil, err
			}
		} else {
			end := bytes.IndexByte(rest, ',')
			if end < 0 {
				end = len(rest)
			}
			e, rest = element{text: rest[:end], null: end == 0}, rest[end:]
		}
		elements = append(elements, e)
		if len(rest) == 0 {
			return elements, nil
		}
		if rest[0] != ',' {
			return nil, errNoComposite
		}
		rest = rest[1:]
	}
}
