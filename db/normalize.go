package db

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// The rules that entities' normalize functions are made of.

func required(entity, field, value string) error {
	if value == "" {
		return &Invalid{Entity: entity, Field: field, Reason: "must not be empty"}
	}
	return nil
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
		return &Invalid{Entity: entity, Field: field, Reason: reason}
	}
	return nil
}

// oneOf refuses a value that is not among those that there are; nil is none.
func oneOf(entity, field string, value *string, of ...string) error {
	if value == nil || slices.Contains(of, *value) {
		return nil
	}
	return &Invalid{Entity: entity, Field: field, Reason: "must be one of " + strings.Join(of, ", ")}
}

// notNull makes an absent list an empty one: the column has no NULL.
func notNull(lists ...*[]string) {
	for _, l := range lists {
		if *l == nil {
			*l = []string{}
		}
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
