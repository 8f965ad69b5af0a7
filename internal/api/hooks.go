package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/latchkey-dev/latchkey/db"
)

type hooksInput struct {
	Paging

	TriggerID string `query:"trigger_id" maxLength:"200" doc:"Only those of this trigger."`
}

type hookPage struct {
	Hooks  []hook `json:"hooks" nullable:"false"`
	Start  int    `json:"start"`
	Limit  int    `json:"limit"`
	Length int    `json:"length"`
	Total  int    `json:"total"`
}

type (
	createInput struct{ Body newHook }
	hookInput   struct {
		ID string `path:"hook_id" maxLength:"100"`
	}
	updateInput struct {
		ID   string `path:"hook_id" maxLength:"100"`
		Body changedHook
	}
	hookOutput   struct{ Body hook }
	deleteOutput struct {
		ContentType string `header:"Content-Type"`
		Body        []byte
	}
)

func hookFilters() []string {
	return []string{"hook_id", "name", "trigger_id", "url", "form_id", "page_id", "permission_required", "enabled", "priority", "on_error", "status"}
}

func hookSorts() []string {
	return []string{"hook_id", "name", "trigger_id", "url", "enabled", "priority", "status", "created_at", "updated_at"}
}

func (s *server) addHooks() {
	add(s, operation{
		id: "create-hook", method: http.MethodPost, path: "/hooks", scope: "create:hooks", tag: tagHooks, summary: "Create a hook",
		status: http.StatusCreated, errors: []int{http.StatusConflict}, change: true,
		about: "A webhook (`url`), a form (`form_id`) or a page (`page_id`). It is for what commits from now on. The answer has the webhook's `secret`, this once.",
	}, s.createHook)
	add(s, operation{
		id: "list-hooks", method: http.MethodGet, path: "/hooks", scope: "read:hooks", tag: tagHooks, summary: "List hooks",
		about: "In the order in which they are asked: priority descending, then the oldest first.", answer: s.listAnswer(typeOf[[]hook](), typeOf[hookPage]()),
	}, s.listHooks)
	add(s, operation{id: "get-hook", method: http.MethodGet, path: "/hooks/{hook_id}", scope: "read:hooks", tag: tagHooks, summary: "Get a hook"}, s.getHook)
	add(s, operation{
		id: "update-hook", method: http.MethodPatch, path: "/hooks/{hook_id}", scope: "update:hooks", tag: tagHooks, summary: "Change a hook", change: true,
		about: "What is absent stays, null clears. A hook that is switched on again begins with what commits from then on.",
	}, s.updateHook)
	add(s, operation{
		id: "delete-hook", method: http.MethodDelete, path: "/hooks/{hook_id}", scope: "delete:hooks", tag: tagHooks, summary: "Delete a hook", change: true,
		answer: &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{"text/plain": {Schema: &huma.Schema{Type: huma.TypeString}}}},
	}, s.deleteHook)
}

func (s *server) createHook(ctx context.Context, c *caller, in *createInput) (*hookOutput, error) {
	b := &in.Body
	create := db.CreateTenantHook{
		HookID: b.HookID, Name: b.Name, TriggerID: b.TriggerID, URL: b.URL, FormID: b.FormID, PageID: b.PageID, PermissionRequired: b.PermissionRequired,
		Priority: b.Priority, WhenChanged: b.WhenChanged, OnError: valueOf(b.OnError), TimeoutMS: b.TimeoutMS, RateLimit: b.RateLimit, Metadata: json.RawMessage(b.Metadata),
	}
	if b.Enabled != nil {
		create.Enabled = db.Set(*b.Enabled)
	}
	row, secret, err := s.maker.Create(ctx, c.tenant, create, b.Headers, b.Secret)
	if err != nil {
		return nil, err
	}
	out := s.hookAnswer(&row, b.Headers)
	if secret != nil {
		shown := secret.Reveal()
		out.Secret = &shown
	}
	return &hookOutput{out}, nil
}

func (s *server) listHooks(ctx context.Context, c *caller, in *hooksInput) (*listOutput, error) {
	o, err := in.options(hookFilters(), hookSorts())
	if err != nil {
		return nil, err
	}
	if in.TriggerID != "" {
		o.Filter = append(o.Filter, db.Equal("trigger_id", in.TriggerID))
	}
	page, err := s.cfg.Store.TenantHooks.List(ctx, c.tenant, o)
	if err != nil {
		return nil, err
	}
	var webhooks []string
	for i := range page.Rows {
		if page.Rows[i].URL != nil {
			webhooks = append(webhooks, page.Rows[i].HookID)
		}
	}
	headers, err := s.headersOf(ctx, c.tenant, webhooks...)
	if err != nil {
		return nil, err
	}
	list := make([]hook, len(page.Rows))
	for i := range page.Rows {
		list[i] = s.hookAnswer(&page.Rows[i], headers[page.Rows[i].HookID])
	}
	if !in.Totals {
		return s.list(list), nil
	}
	return s.list(hookPage{Hooks: list, Start: page.Start, Limit: page.Limit, Length: len(list), Total: page.Total}), nil
}

func (s *server) getHook(ctx context.Context, c *caller, in *hookInput) (*hookOutput, error) {
	row, err := s.hookRow(ctx, c, in.ID)
	if err != nil {
		return nil, err
	}
	return s.shown(ctx, c, &row)
}

// hookRow reads a hook of the caller's tenant.
func (s *server) hookRow(ctx context.Context, c *caller, id string) (db.TenantHook, error) {
	return s.cfg.Store.TenantHooks.Get(ctx, c.tenant, id)
}

func (s *server) shown(ctx context.Context, c *caller, row *db.TenantHook) (*hookOutput, error) {
	headers, err := s.headersOf(ctx, c.tenant, row.HookID)
	if err != nil {
		return nil, err
	}
	return &hookOutput{s.hookAnswer(row, headers[row.HookID])}, nil
}

func (s *server) updateHook(ctx context.Context, c *caller, in *updateInput) (*hookOutput, error) {
	b := &in.Body
	row, err := s.maker.Update(ctx, c.tenant, in.ID, db.UpdateTenantHook{
		Name: b.Name.Optional, TriggerID: b.TriggerID.Optional, URL: b.URL.Optional, FormID: b.FormID.Optional, PageID: b.PageID.Optional,
		PermissionRequired: b.PermissionRequired.Optional, Enabled: b.Enabled.or(true), Priority: b.Priority.Optional, WhenChanged: b.WhenChanged.Optional,
		OnError: b.OnError.or("deny"), TimeoutMS: b.TimeoutMS.Optional, RateLimit: b.RateLimit.Optional, Metadata: rawObject(b.Metadata),
	}, b.Headers.Optional)
	if err != nil {
		return nil, err
	}
	return s.shown(ctx, c, &row)
}

func (s *server) deleteHook(ctx context.Context, c *caller, in *hookInput) (*deleteOutput, error) {
	if err := s.cfg.Store.TenantHooks.Delete(ctx, c.tenant, in.ID); err != nil {
		return nil, err
	}
	return &deleteOutput{"text/plain; charset=utf-8", []byte("OK")}, nil
}

func valueOf(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
