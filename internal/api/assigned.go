package api

import (
	"cmp"
	"context"
	"net/http"
	"strings"

	"github.com/latchkey-dev/latchkey/db"
)

// permissionRef names one in bodies.
type permissionRef struct {
	Server string `json:"resource_server_identifier" minLength:"1" maxLength:"600"`
	Name   string `json:"permission_name" minLength:"1" maxLength:"280"`
}

type permissionRefs struct {
	Permissions []permissionRef `json:"permissions" minItems:"1" maxItems:"1000" nullable:"false"`
}

func (p permissionRefs) refs() []db.PermissionRef {
	refs := make([]db.PermissionRef, len(p.Permissions))
	for i, ref := range p.Permissions {
		refs[i] = db.PermissionRef{ResourceServerIdentifier: ref.Server, PermissionName: ref.Name}
	}
	return refs
}

// members is a change of what belongs to a row: the same body adds and removes.
type members[Body any] struct {
	path, scope, tag string
	removes          string // the scope of removing, where that is another
	alsoAdds         string // scopes that do as well, if there are some
	alsoRemoves      string
	id, what         string // "role-permissions", "permissions of a role"
	status           int    // of adding
	add, remove      func(ctx context.Context, c *caller, id string, body *Body) error
}

func addMembers[Body any](s *server, m members[Body]) {
	add(s, operation{
		id: "add-" + m.id, method: http.MethodPost, path: m.path, scope: m.scope, also: strings.Fields(m.alsoAdds), tag: m.tag, summary: "Add " + m.what, status: m.status, change: true,
		about: "Those that are there already stay.",
	}, func(ctx context.Context, c *caller, in *changed[Body]) (*nothing, error) {
		return &nothing{}, m.add(ctx, c, in.ID, &in.Body)
	})
	add(s, operation{
		id: "remove-" + m.id, method: http.MethodDelete, path: m.path, scope: cmp.Or(m.removes, m.scope), also: strings.Fields(m.alsoRemoves), tag: m.tag, summary: "Remove " + m.what,
		status: http.StatusNoContent, change: true, about: "Those that aren't there are passed over.",
	}, func(ctx context.Context, c *caller, in *changed[Body]) (*nothing, error) {
		return &nothing{}, m.remove(ctx, c, in.ID, &in.Body)
	})
}

// membersInput is what lists of what belongs to a row are asked with.
type membersInput struct {
	ID string `path:"id" maxLength:"600"`
	Listing
}

// addMemberList adds the list of what belongs to a row, which has to be there.
func addMemberList[Row, Shown any](r *resource[Row, Shown], id, scope, summary string, has func(ctx context.Context, c *caller, id string) error,
	list func(ctx context.Context, c *caller, id string, o db.ListOptions) (db.Page[Row], error), also ...string,
) {
	add(r.s, operation{
		id: id, method: http.MethodGet, path: r.path, scope: scope, also: also, tag: r.tag, summary: summary, answer: r.s.listOf(typeOf[Shown](), r.plural),
	}, func(ctx context.Context, c *caller, in *membersInput) (*listOutput, error) {
		if err := in.plain(); err != nil {
			return nil, err
		}
		if err := has(ctx, c, in.ID); err != nil {
			return nil, err
		}
		its := *r
		its.list = func(ctx context.Context, c *caller, o db.ListOptions) (db.Page[Row], error) {
			return list(ctx, c, in.ID, o)
		}
		return its.page(ctx, c, &in.Listing, nil)
	})
}
