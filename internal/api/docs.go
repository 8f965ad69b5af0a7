package api

import (
	"bytes"
	"cmp"
	_ "embed" // the page's template
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
)

const (
	docsPath    = "/docs"
	openAPIPath = "/openapi.json"
)

//go:embed docs.html
var docsTemplate string

// addDocs makes the description for programs and for people: both are made once, now.
func (s *server) addDocs(r chi.Router) error {
	doc := s.api.OpenAPI()
	text, err := json.Marshal(doc)
	if err != nil {
		return fmt.Errorf("api: describe the routes: %w", err)
	}
	page, err := docsPage(doc)
	if err != nil {
		return fmt.Errorf("api: describe the routes: %w", err)
	}
	r.Get(openAPIPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(text) // the client may be gone
	})
	r.Get(docsPath, func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		// Nothing is loaded, nothing runs; the one style is the page's own.
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		_, _ = w.Write(page)
	})
	return nil
}

// The page in parts.
type (
	docsModel struct {
		Title, About string
		Sections     []docsSection
		Schemas      []docsSchema
	}
	docsSection struct {
		Name, About string
		Operations  []docsOperation
	}
	docsOperation struct {
		ID, Method, Path, Summary, Scope string
		About                            template.HTML
		Parameters                       []docsField
		Body                             string // the schema's name
		Answers                          []docsAnswer
		Errors                           string // the statuses, whose body is a Problem
	}
	docsAnswer struct{ Status, About, Schema string }
	docsSchema struct {
		Name, About string
		Fields      []docsField
	}
	docsField struct {
		Name, Where, Type, About string
		Required                 bool
	}
)

func docsPage(doc *huma.OpenAPI) ([]byte, error) {
	t, err := template.New("docs").Parse(docsTemplate)
	if err != nil {
		return nil, err
	}
	m := docsModel{Title: doc.Info.Title, About: doc.Info.Description}
	for _, tag := range doc.Tags {
		section := docsSection{Name: tag.Name, About: tag.Description}
		for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
			item := doc.Paths[path]
			for _, op := range []*huma.Operation{item.Get, item.Post, item.Patch, item.Put, item.Delete} {
				if op != nil && slices.Contains(op.Tags, tag.Name) {
					section.Operations = append(section.Operations, docsOf(op))
				}
			}
		}
		m.Sections = append(m.Sections, section)
	}
	for _, name := range slices.Sorted(maps.Keys(doc.Components.Schemas.Map())) {
		schema := doc.Components.Schemas.Map()[name]
		m.Schemas = append(m.Schemas, docsSchema{Name: name, About: schema.Description, Fields: docsFields(schema)})
	}
	var b bytes.Buffer
	if err := t.Execute(&b, m); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func docsOf(op *huma.Operation) docsOperation {
	d := docsOperation{ID: op.OperationID, Method: op.Method, Path: op.Path, Summary: op.Summary, About: inCode(op.Description)}
	for _, requirement := range op.Security {
		d.Scope = strings.Join(requirement[bearerScheme], " ")
	}
	for _, p := range op.Parameters {
		if p.In == "header" && (p.Name == tenantHeader || p.Name == requestIDHeader) {
			continue // of every operation: the head says so
		}
		d.Parameters = append(d.Parameters, docsField{Name: p.Name, Where: p.In, Type: typeName(p.Schema), About: cmp.Or(p.Description, p.Schema.Description), Required: p.Required})
	}
	if op.RequestBody != nil && op.RequestBody.Content["application/json"] != nil {
		d.Body = typeName(op.RequestBody.Content["application/json"].Schema)
	}
	var failures []string
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		if status >= "400" {
			failures = append(failures, status)
			continue
		}
		answer := docsAnswer{Status: status, About: op.Responses[status].Description}
		if content := op.Responses[status].Content["application/json"]; content != nil && content.Schema != nil {
			answer.Schema = typeName(content.Schema)
		}
		d.Answers = append(d.Answers, answer)
	}
	d.Errors = strings.Join(failures, ", ")
	return d
}

func docsFields(schema *huma.Schema) []docsField {
	var fields []docsField
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		p := schema.Properties[name]
		fields = append(fields, docsField{Name: name, Type: typeName(p), About: p.Description, Required: slices.Contains(schema.Required, name)})
	}
	return fields
}

// typeName is a schema in a few words; that of a named one is its name.
func typeName(s *huma.Schema) string {
	if s == nil {
		return ""
	}
	name := s.Type
	switch {
	case s.Ref != "":
		return s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
	case len(s.OneOf) > 0:
		var all []string
		for _, one := range s.OneOf {
			all = append(all, typeName(one))
		}
		return strings.Join(all, " or ")
	case len(s.Enum) > 0:
		var all []string
		for _, value := range s.Enum {
			all = append(all, fmt.Sprint(value))
		}
		name = strings.Join(all, ", ")
	case s.Type == huma.TypeArray:
		name = "list of " + typeName(s.Items)
	case s.Format == "date-time":
		name = "time"
	}
	if s.Nullable {
		name += " or null"
	}
	return name
}

// inCode sets what stands in backquotes.
func inCode(text string) template.HTML {
	var b strings.Builder
	for i, part := range strings.Split(text, "`") {
		if i%2 == 1 {
			b.WriteString("<code>" + template.HTMLEscapeString(part) + "</code>")
		} else {
			b.WriteString(template.HTMLEscapeString(part))
		}
	}
	return template.HTML(b.String()) // every part is escaped
}
