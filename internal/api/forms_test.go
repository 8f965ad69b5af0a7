package api_test

import (
	"testing"

	"github.com/auth0/go-auth0"
	"github.com/auth0/go-auth0/management"
)

func TestSDKForms(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	m, ctx := r.sdk(), t.Context()
	f := &management.Form{
		Name: auth0.String("a"), Languages: &management.FormLanguages{Primary: auth0.String("en")}, Start: &map[string]any{"next_node": "step"},
		Nodes: []any{map[string]any{"id": "step", "type": "STEP"}}, Ending: &map[string]any{"resume_flow": true}, Style: &map[string]any{"css": ""},
		Messages: &management.FormMessages{Errors: &map[string]any{"a": "b"}}, Translations: &map[string]any{"fr": map[string]any{"a": "c"}},
	}
	r.ok(m.Form.Create(ctx, f))
	other := &management.Form{Name: auth0.String("b")}
	r.ok(m.Form.Create(ctx, other))
	r.ok(m.Form.Create(ctx, &management.Form{Name: auth0.String("c")}))
	got, err := m.Form.Read(ctx, f.GetID())
	r.ok(err)
	r.equal("its start", (*got.Start)["next_node"], "step")
	r.equal("its node", got.Nodes[0].(map[string]any)["type"], "STEP")
	r.equal("its language", got.Languages.GetPrimary(), "en")
	r.equal("its message", (*got.Messages.Errors)["a"], "b")
	r.ok(m.Form.Update(ctx, f.GetID(), &management.Form{Name: auth0.String("changed"), Nodes: []any{}, Style: &map[string]any{"css": "x"}}))
	got, err = m.Form.Read(ctx, f.GetID())
	r.ok(err)
	r.equal("its name", got.GetName(), "changed")
	r.equal("its style", (*got.Style)["css"], "x")
	r.equal("its ending", (*got.Ending)["resume_flow"], true)
	all := paged(r, func(o ...management.RequestOption) ([]*management.Form, bool, error) {
		l, err := m.Form.List(ctx, o...)
		return l.Forms, l.HasNext(), err
	})
	r.equal("the number of forms", len(all), 3)
	r.ok(m.Form.Delete(ctx, f.GetID()))
	_, err = m.Form.Read(ctx, f.GetID())
	r.gone(err)
	r.as("PATCH", "/api/v2/forms/"+other.GetID(), `{"nodes": null, "start": null}`).want(t, 200, `"nodes":[]`)
	r.as("POST", "/api/v2/forms", `{"name": " "}`).want(t, 400, "name")
	r.as("POST", "/api/v2/forms", `{"name": "x", "nodes": ["a"], "start": []}`).want(t, 400, "nodes[0]").want(t, 400, "start")
}
