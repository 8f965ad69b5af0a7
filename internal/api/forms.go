package api

import (
	"context"
	"encoding/json"
	"time"

	"github.com/latchkey-dev/latchkey/db"
)

type form struct {
	ID           string          `json:"id"`
	Name         string          `json:"name"`
	Nodes        []anyJSONObject `json:"nodes" nullable:"false"`
	Start        anyJSONObject   `json:"start"`
	Ending       anyJSONObject   `json:"ending"`
	Style        anyJSONObject   `json:"style"`
	Languages    anyJSONObject   `json:"languages"`
	Messages     anyJSONObject   `json:"messages"`
	Translations anyJSONObject   `json:"translations"`
	CreatedAt    time.Time       `json:"created_at"`
	UpdatedAt    time.Time       `json:"updated_at"`
}

func formJSON(f *db.Form) form {
	nodes := []anyJSONObject{}
	_ = json.Unmarshal(f.Nodes, &nodes) // an array, says the table
	return form{
		ID: f.ID, Name: f.Name, Nodes: nodes, Start: anyJSONObject(f.Start), Ending: anyJSONObject(f.Ending), Style: anyJSONObject(f.Style),
		Languages: anyJSONObject(f.Languages), Messages: anyJSONObject(f.Messages), Translations: anyJSONObject(f.Translations),
		CreatedAt: f.CreatedAt.UTC(), UpdatedAt: f.UpdatedAt.UTC(),
	}
}

type newForm struct {
	Name         string       `json:"name" pattern:"\\S" patternDescription:"more than spaces" maxLength:"150"`
	Nodes        []freeObject `json:"nodes,omitempty" maxItems:"500"`
	Start        freeObject   `json:"start,omitempty"`
	Ending       freeObject   `json:"ending,omitempty"`
	Style        freeObject   `json:"style,omitempty"`
	Languages    freeObject   `json:"languages,omitempty"`
	Messages     freeObject   `json:"messages,omitempty"`
	Translations freeObject   `json:"translations,omitempty"`
}

type changedForm struct {
	Name         maybe[string]       `json:"name,omitempty" nullable:"false" pattern:"\\S" patternDescription:"more than spaces" maxLength:"150"`
	Nodes        maybe[[]freeObject] `json:"nodes,omitempty" maxItems:"500"`
	Start        maybe[freeObject]   `json:"start,omitempty"`
	Ending       maybe[freeObject]   `json:"ending,omitempty"`
	Style        maybe[freeObject]   `json:"style,omitempty"`
	Languages    maybe[freeObject]   `json:"languages,omitempty"`
	Messages     maybe[freeObject]   `json:"messages,omitempty"`
	Translations maybe[freeObject]   `json:"translations,omitempty"`
}

type formsInput struct{ Listing }

func (s *server) addForms() {
	forms := s.cfg.Store.Forms
	r := &resource[db.Form, form]{
		s: s, name: "form", plural: "forms", path: "/forms", tag: tagForms, key: "id",
		filter: []string{"id", "name"}, sort: []string{"id", "name", "created_at", "updated_at"},
		list: ofTenant(forms.List), get: ofTenant(forms.Get), show: plainly(formJSON), keyOf: func(f *db.Form) string { return f.ID },
	}
	addReads[db.Form, form, formsInput](r)
	addCreate(r, "", func(ctx context.Context, c *caller, b *newForm) (db.Form, error) {
		return forms.Create(ctx, c.tenant, db.CreateForm{
			Name: b.Name, Nodes: arrayOf(b.Nodes), Start: json.RawMessage(b.Start), Ending: json.RawMessage(b.Ending), Style: json.RawMessage(b.Style),
			Languages: json.RawMessage(b.Languages), Messages: json.RawMessage(b.Messages), Translations: json.RawMessage(b.Translations),
		})
	})
	addUpdate(r, "Each field is replaced as a whole.", func(ctx context.Context, c *caller, id string, b *changedForm) (db.Form, error) {
		in := db.UpdateForm{
			Name: b.Name.Optional, Start: rawObject(b.Start), Ending: rawObject(b.Ending), Style: rawObject(b.Style), Languages: rawObject(b.Languages),
			Messages: rawObject(b.Messages), Translations: rawObject(b.Translations),
		}
		if nodes, ok := b.Nodes.or(nil).Get(); ok {
			in.Nodes = db.Set(arrayOf(nodes))
		}
		return forms.Update(ctx, c.tenant, id, in)
	})
	addDelete(r, "Hooks that name it stay, and show nothing.", func(ctx context.Context, c *caller, id string) error {
		return forms.Delete(ctx, c.tenant, id)
	})
}

func arrayOf(list []freeObject) json.RawMessage {
	objects := make([]json.RawMessage, len(list))
	for i := range list {
		objects[i] = json.RawMessage(list[i])
	}
	text, _ := json.Marshal(objects) // each was read as JSON
	return text
}
