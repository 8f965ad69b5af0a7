package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/latchkey-dev/latchkey/db"
)

type organization struct {
	ID          string        `json:"id"`
	Name        string        `json:"name"`
	DisplayName string        `json:"display_name"`
	Branding    anyJSONObject `json:"branding"`
	Metadata    anyJSONObject `json:"metadata"`
}

func organizationJSON(o *db.Organization) organization {
	return organization{ID: o.ID, Name: o.Name, DisplayName: o.DisplayName, Branding: anyJSONObject(o.Branding), Metadata: anyJSONObject(o.Metadata)}
}

type newOrganization struct {
	Name               string                 `json:"name" pattern:"^\\s*[A-Za-z0-9][A-Za-z0-9_-]*\\s*$" patternDescription:"letters, digits, - and _, beginning with a letter or a digit" maxLength:"50" doc:"Kept in lower case."`
	DisplayName        string                 `json:"display_name,omitempty" maxLength:"255"`
	Branding           freeObject             `json:"branding,omitempty"`
	Metadata           freeObject             `json:"metadata,omitempty"`
	EnabledConnections []newEnabledConnection `json:"enabled_connections,omitempty" maxItems:"50"`
}

type changedOrganization struct {
	Name        maybe[string]     `json:"name,omitempty" nullable:"false" pattern:"^\\s*[A-Za-z0-9][A-Za-z0-9_-]*\\s*$" patternDescription:"letters, digits, - and _, beginning with a letter or a digit" maxLength:"50"`
	DisplayName maybe[string]     `json:"display_name,omitempty" maxLength:"255"`
	Branding    maybe[freeObject] `json:"branding,omitempty" doc:"Replaced as a whole."`
	Metadata    maybe[freeObject] `json:"metadata,omitempty" doc:"Replaced as a whole."`
}

type organizationsInput struct{ Listing }

func (s *server) organizations() *resource[db.Organization, organization] {
	organizations := s.cfg.Store.Organizations
	return &resource[db.Organization, organization]{
		s: s, name: "organization", plural: "organizations", path: "/organizations", tag: tagOrganizations, key: "id",
		filter: []string{"id", "name", "display_name"}, sort: []string{"id", "name", "display_name", "created_at", "updated_at"},
		list: ofTenant(organizations.List), get: ofTenant(organizations.Get), show: plainly(organizationJSON), keyOf: func(o *db.Organization) string { return o.ID },
	}
}

func (s *server) addOrganizations() {
	organizations, r := s.cfg.Store.Organizations, s.organizations()
	addReads[db.Organization, organization, organizationsInput](r)
	addCreate(r, "", s.createOrganization)
	addUpdate(r, "", func(ctx context.Context, c *caller, id string, b *changedOrganization) (db.Organization, error) {
		return organizations.Update(ctx, c.tenant, id, db.UpdateOrganization{
			Name: b.Name.Optional, DisplayName: b.DisplayName.Optional, Branding: rawObject(b.Branding), Metadata: rawObject(b.Metadata),
		})
	})
	addDelete(r, "Its members, their roles in it and its connections go with it.", func(ctx context.Context, c *caller, id string) error {
		return organizations.Delete(ctx, c.tenant, id)
	})
	add(s, operation{
		id: "get-organization-by-name", method: http.MethodGet, path: "/organizations/name/{id}", scope: "read:organizations", tag: tagOrganizations,
		summary: "Get an organization by its name", answer: s.oneOf(typeOf[organization]()),
	}, func(ctx context.Context, c *caller, in *selected) (*listOutput, error) {
		page, err := organizations.List(ctx, c.tenant, db.ListOptions{Filter: []db.Filter{db.Equal("name", in.ID)}})
		if err != nil {
			return nil, err
		}
		if len(page.Rows) == 0 {
			return nil, db.ErrNotFound
		}
		member, err := in.of(organizationJSON(&page.Rows[0]))
		return s.list(member), err
	})
	theirs := s.organizations()
	theirs.path, theirs.tag = "/users/{id}/organizations", tagUsers
	addMemberList(theirs, "list-user-organizations", "read:organizations", "List the organizations of a user", s.hasUser,
		func(ctx context.Context, c *caller, id string, o db.ListOptions) (db.Page[db.Organization], error) {
			return s.cfg.Store.OrganizationMembers.Organizations(ctx, c.tenant, id, o)
		})
}

func (s *server) createOrganization(ctx context.Context, c *caller, b *newOrganization) (row db.Organization, err error) {
	in := db.CreateOrganization{Name: b.Name, DisplayName: b.DisplayName, Branding: json.RawMessage(b.Branding), Metadata: json.RawMessage(b.Metadata)}
	if len(b.EnabledConnections) == 0 {
		return s.cfg.Store.Organizations.Create(ctx, c.tenant, in)
	}
	err = s.cfg.Store.InTx(ctx, func(tx *db.Tx) error {
		if row, err = tx.Organizations.Create(ctx, c.tenant, in); err != nil {
			return err
		}
		for i := range b.EnabledConnections {
			if _, err := tx.OrganizationConnections.Create(ctx, c.tenant, b.EnabledConnections[i].row(row.ID)); err != nil {
				return err
			}
		}
		return nil
	})
	return row, err
}

func (s *server) hasOrganization(ctx context.Context, c *caller, id string) error {
	_, err := s.cfg.Store.Organizations.Get(ctx, c.tenant, id)
	return err
}
