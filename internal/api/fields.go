package api

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// fieldsOf describes a struct of the store by its json tags, for entities whose members are as the store has them. Members of
// types that aren't here are an error of ours, which the tests of the document find: nothing is allowed for them.
func fieldsOf(t reflect.Type, required []string, without ...string) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeObject, AdditionalProperties: false, Properties: map[string]*huma.Schema{}, Required: required}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name == "" || slices.Contains(without, name) {
			continue
		}
		member := fieldOf(t.Field(i).Type)
		if slices.Contains(required, name) {
			least := 1
			member.MinLength = &least
		}
		s.Properties[name] = member
	}
	s.PrecomputeMessages()
	return s
}

// notBlank refuses a text that is empty once it is trimmed.
func notBlank(member *huma.Schema) {
	member.MinLength, member.Pattern, member.PatternDescription = nil, `\S`, "more than spaces"
}

// choices are the values that a member may have.
func choices(member *huma.Schema, of ...interface{}) { member.Enum = of }

func fieldOf(t reflect.Type) *huma.Schema {
	if get, is := t.MethodByName("Get"); is && t.Kind() == reflect.Struct { // an Optional
		s := fieldOf(get.Type.Out(0))
		s.Nullable = true
		return s
	}
	switch t {
	case typeOf[json.RawMessage]():
		return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
	case typeOf[time.Time]():
		return &huma.Schema{Type: huma.TypeString, Format: "date-time"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		s := fieldOf(t.Elem())
		s.Nullable = true
		return s
	case reflect.Slice:
		return &huma.Schema{Type: huma.TypeArray, Items: fieldOf(t.Elem())}
	case reflect.Float64:
		return &huma.Schema{Type: huma.TypeNumber}
	case reflect.Bool:
		return &huma.Schema{Type: huma.TypeBoolean}
	case reflect.String:
		return &huma.Schema{Type: huma.TypeString}
	}
	return &huma.Schema{Not: &huma.Schema{}}
}
