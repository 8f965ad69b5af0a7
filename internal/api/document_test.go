package api_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// document is /openapi.json, as far as the tests check answers against it.
type document struct {
	OpenAPI string                           `json:"openapi"`
	Paths   map[string]map[string]*described `json:"paths"`
	Parts   struct {
		Schemas map[string]*schema `json:"schemas"`
	} `json:"components"`
}

type described struct {
	OperationID string `json:"operationId"`
	Security    []map[string][]string
	Responses   map[string]struct {
		Content map[string]struct {
			Schema *schema `json:"schema"`
		} `json:"content"`
	} `json:"responses"`
}

type schema struct {
	Ref        string             `json:"$ref"`
	Type       any                `json:"type"`
	Format     string             `json:"format"`
	Enum       []any              `json:"enum"`
	Pattern    string             `json:"pattern"`
	Properties map[string]*schema `json:"properties"`
	Required   []string           `json:"required"`
	Items      *schema            `json:"items"`
	Additional json.RawMessage    `json:"additionalProperties"`
	OneOf      []*schema          `json:"oneOf"`
}

func readDocument(t *testing.T, url string) *document {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/openapi.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return &d
}

// find is the operation of a path, which may be a pattern.
func (d *document) find(method, path string) *described {
	if item := d.Paths[path]; item != nil {
		return item[strings.ToLower(method)]
	}
	var best string
	for pattern := range d.Paths {
		if matches(pattern, path) && (best == "" || strings.Count(pattern, "{") < strings.Count(best, "{")) {
			best = pattern
		}
	}
	return d.Paths[best][strings.ToLower(method)]
}

func matches(pattern, path string) bool {
	p, q := strings.Split(pattern, "/"), strings.Split(path, "/")
	return len(p) == len(q) && !slices.ContainsFunc(p, func(part string) bool {
		i := slices.Index(p, part)
		return part != q[i] && !strings.HasPrefix(part, "{")
	})
}

// check says in what an answer differs from what is described; of what has no route, the shape of the error.
func (d *document) check(method, path string, a answer) string {
	if a.header.Get("X-Request-Id") == "" {
		return "it has no X-Request-Id"
	}
	op := d.find(method, path)
	if op == nil {
		if a.status < 400 {
			return "there is no such operation"
		}
		return d.json(&schema{Ref: "#/components/schemas/Problem"}, a.text)
	}
	response, ok := op.Responses[strconv.Itoa(a.status)]
	if !ok {
		return "the status isn't described"
	}
	kind, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	content, ok := response.Content[kind]
	switch {
	case !ok && len(response.Content) == 0 && a.text == "":
		return ""
	case !ok:
		return fmt.Sprintf("content of type %q isn't described", kind)
	case kind != "application/json":
		return ""
	}
	return d.json(content.Schema, a.text)
}

func (d *document) json(s *schema, text string) string {
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return err.Error()
	}
	return d.value(s, v, "body")
}

// value says what is wrong with a value; it is strict with fields that aren't described.
func (d *document) value(s *schema, v any, at string) string {
	switch {
	case s == nil:
		return at + " has no schema"
	case s.Ref != "":
		return d.value(d.Parts.Schemas[s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]], v, at)
	case len(s.OneOf) > 0:
		var complaints []string
		for _, option := range s.OneOf {
			complaint := d.value(option, v, at)
			if complaint == "" {
				return ""
			}
			complaints = append(complaints, complaint)
		}
		return strings.Join(complaints, ", or ")
	case s.Type != nil && !hasType(s.Type, v):
		return fmt.Sprintf("%s is %v, and should be of type %v", at, v, s.Type)
	case v != nil && len(s.Enum) > 0 && !slices.Contains(s.Enum, v):
		return fmt.Sprintf("%s is %v, and should be one of %v", at, v, s.Enum)
	}
	switch v := v.(type) {
	case string:
		return s.text(v, at)
	case []any:
		for i, item := range v {
			if complaint := d.value(s.Items, item, fmt.Sprintf("%s[%d]", at, i)); complaint != "" {
				return complaint
			}
		}
	case map[string]any:
		return d.object(s, v, at)
	}
	return ""
}

func (s *schema) text(v, at string) string {
	if s.Format == "date-time" {
		if _, err := time.Parse(time.RFC3339Nano, v); err != nil {
			return fmt.Sprintf("%s is no time: %v", at, err)
		}
	}
	if s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(v) {
		return fmt.Sprintf("%s is %q, which doesn't match %s", at, v, s.Pattern)
	}
	return ""
}

func (d *document) object(s *schema, v map[string]any, at string) string {
	for _, name := range s.Required {
		if _, ok := v[name]; !ok {
			return fmt.Sprintf("%s has no %s", at, name)
		}
	}
	for name, member := range v {
		property := s.Properties[name]
		if property == nil {
			switch string(s.Additional) {
			case "true":
				continue
			case "", "false":
				return fmt.Sprintf("%s has %s, which isn't described", at, name)
			}
			property = &schema{}
			if err := json.Unmarshal(s.Additional, property); err != nil {
				return err.Error()
			}
		}
		if complaint := d.value(property, member, at+"."+name); complaint != "" {
			return complaint
		}
	}
	return ""
}

func hasType(want any, v any) bool {
	types, ok := want.([]any)
	if !ok {
		types = []any{want}
	}
	return slices.ContainsFunc(types, func(t any) bool {
		switch v := v.(type) {
		case nil:
			return t == "null"
		case string:
			return t == "string"
		case bool:
			return t == "boolean"
		case float64:
			return t == "number" || t == "integer" && v == float64(int64(v))
		case []any:
			return t == "array"
		default:
			return t == "object"
		}
	})
}
