package api

import (
	"context"
	"encoding/json"
	"time"

	"github.com/latchkey-dev/latchkey/db"
)

type role struct {
	ID          string        `json:"id"`
	Name        string        `json:"name"`
	Description string        `json:"description"`
	Metadata    anyJSONObject `json:"metadata"`
	CreatedAt   time.Time     `json:"created_at"`
	UpdatedAt   time.Time     `json:"updated_at"`
}

func roleJSON(r *db.Role) role {
	return role{
		ID: r.ID, Name: r.Name, Description: r.Description, Metadata: anyJSONObject(r.Metadata), CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
	}
}

type newRole struct {
	Name        string     `json:"name" pattern:"\\S" patternDescription:"more than spaces" maxLength:"280"`
	Description string     `json:"description,omitempty" maxLength:"1000"`
	Metadata    freeObject `json:"metadata,omitempty"`
}

type changedRole struct {
	Name        maybe[string]     `json:"name,omitempty" nullable:"false" pattern:"\\S" patternDescription:"more than spaces" maxLength:"280"`
	Description maybe[string]     `json:"description,omitempty" maxLength:"1000"`
	Metadata    maybe[freeObject] `json:"metadata,omitempty" doc:"Replaced as a whole."`
}

type rolesInput struct {
	Listing

	NameFilter string `query:"name_filter" maxLength:"280" doc:"Part of a name."`
}

func (in *rolesInput) filters() []db.Filter {
	if in.NameFilter == "" {
		return nil
	}
	return []db.Filter{db.Contains("name", in.NameFilter)}
}

func (s *server) roles() *resource[db.Role, role] {
	roles := s.cfg.Store.Roles
	return &resource[db.Role, role]{
		s: s, name: "role", plural: "roles", path: "/roles", tag: tagRoles, key: "id",
		filter: []string{"id", "name", "description"}, sort: []string{"id", "name", "created_at", "updated_at"},
		list: ofTenant(roles.List), get: ofTenant(roles.Get), show: plainly(roleJSON), keyOf: func(r *db.Role) string { return r.ID },
	}
}

func (s *server) addRoles() {
	roles, r := s.cfg.Store.Roles, s.roles()
	addReads[db.Role, role, rolesInput](r)
	addCreate(r, "", func(ctx context.Context, c *caller, b *newRole) (db.Role, error) {
		return roles.Create(ctx, c.tenant, db.CreateRole{Name: b.Name, Description: b.Description, Metadata: json.RawMessage(b.Metadata)})
	})
	addUpdate(r, "", func(ctx context.Context, c *caller, id string, b *changedRole) (db.Role, error) {
		return roles.Update(ctx, c.tenant, id, db.UpdateRole{Name: b.Name.Optional, Description: b.Description.Optional, Metadata: rawObject(b.Metadata)})
	})
	addDelete(r, "Its permissions, and its assignments to users, go with it.", func(ctx context.Context, c *caller, id string) error {
		return roles.Delete(ctx, c.tenant, id)
	})
}
