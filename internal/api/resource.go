package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/latchkey-dev/latchkey/db"
)

// resource is what sets one kind of rows apart: how they are read and written, and what is shown of them. The operations
// are the same for all, and each resource has those that are added to it.
type resource[Row, Shown any] struct {
	s      *server
	name   string // "role": of the operations create-role, get-role, and so on
	plural string // "roles": what a list with totals calls it, and the last part of its scopes
	path   string // "/roles"
	tag    string
	reads  []string // scopes that let read as well
	key    string   // the column that tells one from another within the tenant: checkpoints go by it
	filter []string
	sort   []string

	list  func(ctx context.Context, c *caller, o db.ListOptions) (db.Page[Row], error)
	get   func(ctx context.Context, c *caller, id string) (Row, error)
	keyOf func(*Row) string
	show  func(ctx context.Context, c *caller, rows []Row) ([]Shown, error)
}

// one is what is in a path.
type one struct {
	ID string `path:"id" maxLength:"600"`
}

type (
	created[Body any] struct{ Body Body }
	changed[Body any] struct {
		ID   string `path:"id" maxLength:"600"`
		Body Body
	}
	selected struct {
		ID string `path:"id" maxLength:"600"`
		Selection
	}
	shown[Body any] struct{ Body Body }
	nothing         struct{}
)

// plainly shows rows that need nothing else.
func plainly[Row, Shown any](show func(*Row) Shown) func(context.Context, *caller, []Row) ([]Shown, error) {
	return func(_ context.Context, _ *caller, rows []Row) ([]Shown, error) {
		list := make([]Shown, len(rows))
		for i := range rows {
			list[i] = show(&rows[i])
		}
		return list, nil
	}
}

// addReads adds the list and the read of one. The list's input has what all lists have, and filters of its own.
func addReads[Row, Shown, In any, P listInput[In]](r *resource[Row, Shown]) {
	add(r.s, operation{
		id: "list-" + strings.ReplaceAll(r.plural, "_", "-"), method: http.MethodGet, path: r.path, scope: r.scope("read"), also: r.reads, tag: r.tag, summary: "List " + r.named(r.plural),
		answer: r.s.listOf(typeOf[Shown](), r.plural),
	}, func(ctx context.Context, c *caller, in *In) (*listOutput, error) {
		return r.page(ctx, c, P(in).listing(), P(in).filters())
	})
	add(r.s, operation{
		id: "get-" + r.name, method: http.MethodGet, path: r.path + "/{id}", scope: r.scope("read"), also: r.reads, tag: r.tag, summary: "Get " + r.a(),
		answer: r.s.oneOf(typeOf[Shown]()),
	}, func(ctx context.Context, c *caller, in *selected) (*listOutput, error) {
		row, err := r.get(ctx, c, in.ID)
		if err != nil {
			return nil, err
		}
		out, err := r.shown(ctx, c, &row)
		if err != nil {
			return nil, err
		}
		member, err := in.of(out)
		if err != nil {
			return nil, err
		}
		return r.s.list(member), nil
	})
}

func addCreate[Row, Shown, Body any](r *resource[Row, Shown], about string, create func(ctx context.Context, c *caller, body *Body) (Row, error)) {
	add(r.s, operation{
		id: "create-" + r.name, method: http.MethodPost, path: r.path, scope: r.scope("create"), tag: r.tag, summary: "Create " + r.a(),
		status: http.StatusCreated, errors: []int{http.StatusConflict}, change: true, about: about,
	}, func(ctx context.Context, c *caller, in *created[Body]) (*shown[Shown], error) {
		row, err := create(ctx, c, &in.Body)
		if err != nil {
			return nil, err
		}
		out, err := r.shown(ctx, c, &row)
		return &shown[Shown]{out}, err
	})
}

func addUpdate[Row, Shown, Body any](r *resource[Row, Shown], about string, update func(ctx context.Context, c *caller, id string, body *Body) (Row, error)) {
	add(r.s, operation{
		id: "update-" + r.name, method: http.MethodPatch, path: r.path + "/{id}", scope: r.scope("update"), tag: r.tag, summary: "Change " + r.a(),
		errors: []int{http.StatusConflict}, change: true, about: "What is absent stays, null clears. " + about,
	}, func(ctx context.Context, c *caller, in *changed[Body]) (*shown[Shown], error) {
		row, err := update(ctx, c, in.ID, &in.Body)
		if err != nil {
			return nil, err
		}
		out, err := r.shown(ctx, c, &row)
		return &shown[Shown]{out}, err
	})
}

func addDelete[Row, Shown any](r *resource[Row, Shown], about string, remove func(ctx context.Context, c *caller, id string) error) {
	add(r.s, operation{
		id: "delete-" + r.name, method: http.MethodDelete, path: r.path + "/{id}", scope: r.scope("delete"), tag: r.tag, summary: "Delete " + r.a(),
		status: http.StatusNoContent, change: true, about: about,
	}, func(ctx context.Context, c *caller, in *one) (*nothing, error) {
		return &nothing{}, remove(ctx, c, in.ID)
	})
}

// named is a name as people read it.
func (r *resource[Row, Shown]) named(name string) string {
	return strings.NewReplacer("_", " ", "-", " ").Replace(name)
}

// a is one of them: a role, an organization.
func (r *resource[Row, Shown]) a() string {
	if strings.HasPrefix(r.name, "o") {
		return "an " + r.named(r.name)
	}
	return "a " + r.named(r.name)
}

func (r *resource[Row, Shown]) scope(verb string) string { return verb + ":" + scopeName(r.plural) }

func (r *resource[Row, Shown]) shown(ctx context.Context, c *caller, row *Row) (Shown, error) {
	list, err := r.show(ctx, c, []Row{*row})
	if err != nil {
		var none Shown
		return none, err
	}
	return list[0], nil
}

// page answers a list by pages, or from a checkpoint on.
func (r *resource[Row, Shown]) page(ctx context.Context, c *caller, in *Listing, filters []db.Filter) (*listOutput, error) {
	o, err := in.options(r.filter, r.sort)
	if err != nil {
		return nil, err
	}
	o.Filter = append(o.Filter, filters...)
	checkpoint := in.From != "" || in.Take != 0
	if checkpoint {
		if o, err = in.checkpoint(o, r.key); err != nil {
			return nil, err
		}
	}
	page, err := r.list(ctx, c, o)
	if err != nil {
		return nil, err
	}
	rows, err := r.show(ctx, c, page.Rows)
	if err != nil {
		return nil, err
	}
	list, err := selectAll(&in.Selection, rows)
	if err != nil {
		return nil, err
	}
	switch {
	case checkpoint:
		answer := map[string]interface{}{r.plural: list}
		if n := len(page.Rows); n == o.PerPage && r.keyOf != nil {
			answer["next"] = r.keyOf(&page.Rows[n-1])
		}
		return r.s.list(answer), nil
	case in.Totals:
		return r.s.list(map[string]interface{}{
			r.plural: list, "start": page.Start, "limit": page.Limit, "length": len(list), "total": page.Total,
		}), nil
	}
	return r.s.list(list), nil
}

// listOf describes a list in its three forms.
func (s *server) listOf(row typ, plural string) *huma.Response {
	items := &huma.Schema{Type: huma.TypeArray, Items: s.partial(row)}
	number := &huma.Schema{Type: huma.TypeInteger}
	object := func(required []string, properties map[string]*huma.Schema) *huma.Schema {
		properties[plural] = items
		return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: false, Required: append(required, plural), Properties: properties}
	}
	return &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{OneOf: []*huma.Schema{
		items,
		object([]string{"start", "limit", "length", "total"}, map[string]*huma.Schema{"start": number, "limit": number, "length": number, "total": number}),
		object(nil, map[string]*huma.Schema{"next": {Type: huma.TypeString}}),
	}}}}}
}

func (s *server) oneOf(row typ) *huma.Response {
	return &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{"application/json": {Schema: s.partial(row)}}}
}

// partial is the schema of a row of which the parameter fields may leave anything out.
func (s *server) partial(row typ) *huma.Schema {
	schemas := s.api.OpenAPI().Components.Schemas
	ref := schemas.Schema(row, true, "")
	if ref.Ref != "" {
		schemas.SchemaFromRef(ref.Ref).Required = nil
	}
	return ref
}

// ofTenant is a repository's read for a caller: of its tenant.
func ofTenant[In, Out any](read func(ctx context.Context, tenantID string, in In) (Out, error)) func(context.Context, *caller, In) (Out, error) {
	return func(ctx context.Context, c *caller, in In) (Out, error) { return read(ctx, c.tenant, in) }
}
