package api

import (
	"context"
	"net/http"

	"github.com/latchkey-dev/latchkey/db"
)

// enabledConnection is a connection that an organization's users log in by.
type enabledConnection struct {
	ConnectionID            string                  `json:"connection_id"`
	AssignMembershipOnLogin bool                    `json:"assign_membership_on_login"`
	ShowAsButton            bool                    `json:"show_as_button"`
	IsSignupEnabled         bool                    `json:"is_signup_enabled"`
	Connection              enabledConnectionDetail `json:"connection"`
}

type enabledConnectionDetail struct {
	Name     string `json:"name"`
	Strategy string `json:"strategy"`
}

type newEnabledConnection struct {
	ConnectionID            string `json:"connection_id" minLength:"1" maxLength:"100"`
	AssignMembershipOnLogin bool   `json:"assign_membership_on_login,omitempty"`
	ShowAsButton            *bool  `json:"show_as_button,omitempty" nullable:"true" doc:"True unless given."`
	IsSignupEnabled         bool   `json:"is_signup_enabled,omitempty"`
}

func (b *newEnabledConnection) row(organization string) db.CreateOrganizationConnection {
	in := db.CreateOrganizationConnection{
		OrganizationConnectionRef: db.OrganizationConnectionRef{OrganizationID: organization, ConnectionID: b.ConnectionID},
		AssignMembershipOnLogin:   b.AssignMembershipOnLogin, IsSignupEnabled: b.IsSignupEnabled,
	}
	if b.ShowAsButton != nil {
		in.ShowAsButton = db.Set(*b.ShowAsButton)
	}
	return in
}

type changedEnabledConnection struct {
	AssignMembershipOnLogin maybe[bool] `json:"assign_membership_on_login,omitempty"`
	ShowAsButton            maybe[bool] `json:"show_as_button,omitempty"`
	IsSignupEnabled         maybe[bool] `json:"is_signup_enabled,omitempty"`
}

// The inputs that name a connection of an organization.
type (
	enabledInput struct {
		ID           string `path:"id" maxLength:"600"`
		ConnectionID string `path:"connection_id" maxLength:"600"`
	}
	enabledChange struct {
		ID           string `path:"id" maxLength:"600"`
		ConnectionID string `path:"connection_id" maxLength:"600"`
		Body         changedEnabledConnection
	}
)

func (in *enabledInput) ref() db.OrganizationConnectionRef {
	return db.OrganizationConnectionRef{OrganizationID: in.ID, ConnectionID: in.ConnectionID}
}

func (s *server) addOrganizationConnections() {
	links := s.cfg.Store.OrganizationConnections
	r := &resource[db.OrganizationConnection, enabledConnection]{
		s: s, name: "organization-connection", plural: "enabled_connections", path: "/organizations/{id}/enabled_connections", tag: tagOrganizations,
		show: s.showEnabled,
	}
	addMemberList(r, "list-organization-connections", "read:organization_connections", "List the connections of an organization", s.hasOrganization,
		func(ctx context.Context, c *caller, id string, o db.ListOptions) (db.Page[db.OrganizationConnection], error) {
			o.Filter = append(o.Filter, db.Equal("organization_id", id))
			return links.List(ctx, c.tenant, o)
		})
	answer := func(ctx context.Context, c *caller, row db.OrganizationConnection, err error) (*shown[enabledConnection], error) {
		if err != nil {
			return nil, err
		}
		out, err := r.shown(ctx, c, &row)
		return &shown[enabledConnection]{out}, err
	}
	add(s, operation{
		id: "add-organization-connection", method: http.MethodPost, path: r.path, scope: "create:organization_connections", tag: tagOrganizations,
		summary: "Add a connection to an organization", status: http.StatusCreated, errors: []int{http.StatusConflict}, change: true,
	}, func(ctx context.Context, c *caller, in *changed[newEnabledConnection]) (*shown[enabledConnection], error) {
		if err := s.hasOrganization(ctx, c, in.ID); err != nil {
			return nil, err
		}
		row, err := links.Create(ctx, c.tenant, in.Body.row(in.ID))
		return answer(ctx, c, row, err)
	})
	one := r.path + "/{connection_id}"
	add(s, operation{
		id: "get-organization-connection", method: http.MethodGet, path: one, scope: "read:organization_connections", tag: tagOrganizations,
		summary: "Get a connection of an organization",
	}, func(ctx context.Context, c *caller, in *enabledInput) (*shown[enabledConnection], error) {
		row, err := links.Get(ctx, c.tenant, in.ref())
		return answer(ctx, c, row, err)
	})
	add(s, operation{
		id: "update-organization-connection", method: http.MethodPatch, path: one, scope: "update:organization_connections", tag: tagOrganizations,
		summary: "Change a connection of an organization", change: true, about: "What is absent stays, null clears.",
	}, func(ctx context.Context, c *caller, in *enabledChange) (*shown[enabledConnection], error) {
		row, err := links.Update(ctx, c.tenant, db.OrganizationConnectionRef{OrganizationID: in.ID, ConnectionID: in.ConnectionID}, db.UpdateOrganizationConnection{
			AssignMembershipOnLogin: in.Body.AssignMembershipOnLogin.Optional, ShowAsButton: in.Body.ShowAsButton.or(true), IsSignupEnabled: in.Body.IsSignupEnabled.Optional,
		})
		return answer(ctx, c, row, err)
	})
	add(s, operation{
		id: "remove-organization-connection", method: http.MethodDelete, path: one, scope: "delete:organization_connections", tag: tagOrganizations,
		summary: "Remove a connection from an organization", status: http.StatusNoContent, change: true,
	}, func(ctx context.Context, c *caller, in *enabledInput) (*nothing, error) {
		return &nothing{}, links.Delete(ctx, c.tenant, in.ref())
	})
}

// showEnabled reads the connections themselves, for all of a page at once.
func (s *server) showEnabled(ctx context.Context, c *caller, rows []db.OrganizationConnection) ([]enabledConnection, error) {
	list, ids := make([]enabledConnection, len(rows)), make([]string, len(rows))
	if len(rows) == 0 {
		return list, nil
	}
	for i := range rows {
		ids[i] = rows[i].ConnectionID
	}
	page, err := s.cfg.Store.Connections.List(ctx, c.tenant, db.ListOptions{PerPage: 100, Filter: []db.Filter{db.OneOf("id", ids...)}})
	if err != nil {
		return nil, err
	}
	found := map[string]enabledConnectionDetail{}
	for i := range page.Rows {
		found[page.Rows[i].ID] = enabledConnectionDetail{page.Rows[i].Name, page.Rows[i].Strategy}
	}
	for i := range rows {
		row := &rows[i]
		list[i] = enabledConnection{
			ConnectionID: row.ConnectionID, AssignMembershipOnLogin: row.AssignMembershipOnLogin, ShowAsButton: row.ShowAsButton,
			IsSignupEnabled: row.IsSignupEnabled, Connection: found[row.ConnectionID],
		}
	}
	return list, nil
}
