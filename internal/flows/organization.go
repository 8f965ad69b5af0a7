package flows

import (
	"context"
	"errors"
	"strings"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
)

// mayUseOrganization checks what the client's organization_usage says of a request.
func mayUseOrganization(client *db.Client, organization string) error {
	usage := "deny" // as Auth0 has it
	if client.OrganizationUsage != nil {
		usage = *client.OrganizationUsage
	}
	switch {
	case organization != "" && usage == "deny":
		return &Refused{"invalid_request", "The client's organization_usage allows no organization."}
	case organization == "" && usage == "require":
		return &Refused{"invalid_request", "organization is missing: the client's organization_usage requires one."}
	}
	return nil
}

// organizationOf is the organization that a login is in, by id or name: one that the user is a member of, or becomes one of because it
// logs in by a connection that the organization has for that. nil where none is asked for.
func (f *Flows) organizationOf(ctx context.Context, c Caller, named string, who *Authenticated) (*db.Organization, error) {
	if named == "" {
		return nil, nil //nolint:nilnil // no organization is an answer
	}
	column := "name"
	if strings.HasPrefix(named, "org_") {
		column = "id"
	}
	found, err := f.cfg.Store.Organizations.List(ctx, c.Tenant.ID, db.ListOptions{Filter: []db.Filter{db.Equal(column, named)}})
	if err != nil {
		return nil, err
	}
	no := &Refused{"access_denied", "The user isn't part of the organization."} // also of one that there isn't
	if len(found.Rows) == 0 {
		return nil, no
	}
	in := &found.Rows[0]
	o := db.ListOptions{Filter: []db.Filter{db.Equal("organization_id", in.ID), db.Equal("user_id", who.User.UserID)}}
	members, err := f.cfg.Store.OrganizationMembers.List(ctx, c.Tenant.ID, o)
	if err != nil || len(members.Rows) > 0 {
		return in, err
	}
	by, err := f.cfg.Store.OrganizationConnections.Get(ctx, c.Tenant.ID, db.OrganizationConnectionRef{OrganizationID: in.ID, ConnectionID: who.Connection.ID})
	if errors.Is(err, db.ErrNotFound) || err == nil && !by.AssignMembershipOnLogin {
		return nil, no
	}
	if err != nil {
		return nil, err
	}
	_, err = f.cfg.Store.OrganizationMembers.Assign(ctx, c.Tenant.ID, in.ID, who.User.UserID)
	return in, err
}

func (f *Flows) memberRoles(ctx context.Context, tenantID, organizationID, userID string) ([]db.Role, error) {
	return all(func(o db.ListOptions) (db.Page[db.Role], error) {
		return f.cfg.Store.OrganizationMemberRoles.Roles(ctx, tenantID, db.OrganizationMemberRef{OrganizationID: organizationID, UserID: userID}, o)
	})
}

func organizationFor(in *db.Organization) *auth.Organization {
	if in == nil {
		return nil
	}
	return &auth.Organization{ID: in.ID, Name: in.Name, DisplayName: in.DisplayName}
}
