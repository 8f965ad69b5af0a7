package db

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
)

// Form is steps that a login shows its user; a [TenantHook] names it by its id.
type Form = dbsqlc.AuthForm

// CreateForm is what a new form is made of; ID may be left empty. Nodes is a JSON array, all else but the name a JSON object.
type CreateForm struct {
	ID           string          `json:"id"`
	Name         string          `json:"name"`
	Nodes        json.RawMessage `json:"nodes"`
	Start        json.RawMessage `json:"start"`
	Ending       json.RawMessage `json:"ending"`
	Style        json.RawMessage `json:"style"`
	Languages    json.RawMessage `json:"languages"`
	Messages     json.RawMessage `json:"messages"`
	Translations json.RawMessage `json:"translations"`
}

// UpdateForm changes the fields that are present, each as a whole.
type UpdateForm struct {
	Name         Optional[string]          `json:"name"`
	Nodes        Optional[json.RawMessage] `json:"nodes"`
	Start        Optional[json.RawMessage] `json:"start"`
	Ending       Optional[json.RawMessage] `json:"ending"`
	Style        Optional[json.RawMessage] `json:"style"`
	Languages    Optional[json.RawMessage] `json:"languages"`
	Messages     Optional[json.RawMessage] `json:"messages"`
	Translations Optional[json.RawMessage] `json:"translations"`
}

// Forms is the repository of forms. Hooks that name a deleted one stay, and show nothing.
type Forms = Repository[Form, string, CreateForm, UpdateForm]

func newForms(s *session, h *Hooks) *Forms {
	return &Forms{s: s, e: &entity[Form, string, CreateForm, UpdateForm]{
		name:  "form",
		hooks: h.Forms,
		list: listing{
			table: "auth.forms", tenant: "tenant_id", fallback: "id",
			filter: []string{"id", "name"}, sort: []string{"id", "name", "created_at", "updated_at"},
		},
		create: func(tenantID string, now time.Time, in CreateForm) Form {
			return Form{
				TenantID: tenantID, ID: idOr(in.ID, "form_"), Name: in.Name, Nodes: in.Nodes, Start: in.Start, Ending: in.Ending, Style: in.Style,
				Languages: in.Languages, Messages: in.Messages, Translations: in.Translations, CreatedAt: now, UpdatedAt: now,
			}
		},
		update: func(f *Form, now time.Time, in UpdateForm) {
			in.Name.apply(&f.Name)
			in.Nodes.apply(&f.Nodes)
			in.Start.apply(&f.Start)
			in.Ending.apply(&f.Ending)
			in.Style.apply(&f.Style)
			in.Languages.apply(&f.Languages)
			in.Messages.apply(&f.Messages)
			in.Translations.apply(&f.Translations)
			f.UpdatedAt = now
		},
		keep: func(f *Form, was Form) { f.TenantID, f.ID, f.CreatedAt = was.TenantID, was.ID, was.CreatedAt },
		normalize: func(f *Form) error {
			f.Name = strings.TrimSpace(f.Name)
			return every(
				required("form", "name", f.Name), array("form", "nodes", &f.Nodes),
				object("form", "start", &f.Start), object("form", "ending", &f.Ending), object("form", "style", &f.Style),
				object("form", "languages", &f.Languages), object("form", "messages", &f.Messages), object("form", "translations", &f.Translations),
			)
		},
		get:  (*queries).GetForm,
		lock: (*queries).LockForm,
		insert: func(q *queries, ctx context.Context, f Form) (Form, error) {
			return q.InsertForm(ctx, dbsqlc.InsertFormParams(f))
		},
		change: func(q *queries, ctx context.Context, f Form) (Form, error) {
			return q.UpdateForm(ctx, dbsqlc.UpdateFormParams(f))
		},
		remove: (*queries).DeleteForm,
	}}
}
