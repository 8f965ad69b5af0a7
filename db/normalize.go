package db

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// The rules that entities' normalize functions are made of. Each gives an [Invalid] of its field, which every gathers.

func required(entity, field, value string) error {
	return rule(entity, field, value != "", "must not be empty")
}

// rule refuses what doesn't hold.
func rule(entity, field string, holds bool, reason string) error {
	if holds {
		return nil
	}
	return invalid(entity, field, reason)
}

// object gives a JSON column that the caller left out its default, and refuses what is no object.
func object(entity, field string, value *json.RawMessage) error {
	return jsonOf(entity, field, value, "{}", "must be a JSON object")
}

// array is object for arrays.
func array(entity, field string, value *json.RawMessage) error {
	return jsonOf(entity, field, value, "[]", "must be a JSON array")
}

func jsonOf(entity, field string, value *json.RawMessage, empty, reason string) error {
	trimmed := bytes.TrimLeft(*value, " \t\r\n")
	if len(trimmed) == 0 {
		*value = json.RawMessage(empty)
		return nil
	}
	if trimmed[0] != empty[0] || !json.Valid(trimmed) {
		return invalid(entity, field, reason)
	}
	return nil
}

// oneOf refuses a value that is not among those that there are; nil is none.
func oneOf(entity, field string, value *string, of ...string) error {
	if value == nil || slices.Contains(of, *value) {
		return nil
	}
	return invalid(entity, field, "must be one of "+strings.Join(of, ", "))
}

// notNull makes an absent list an empty one: the column has no NULL.
func notNull(lists ...*[]string) {
	for _, l := range lists {
		if *l == nil {
			*l = []string{}
		}
	}
}

// every makes one error of what rules found: an [Invalid] of all its fields.
func every(found ...error) error {
	var all *Invalid
	for _, err := range found {
		var wrong *Invalid
		switch {
		case err == nil:
		case !errors.As(err, &wrong):
			return err
		case all == nil:
			all = wrong
		default:
			all.Fields = append(all.Fields, wrong.Fields...)
		}
	}
	if all == nil {
		return nil
	}
	return all
}
