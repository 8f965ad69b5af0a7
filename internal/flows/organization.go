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

// organizationOf is the organization that a login is in, by id or name. The user logs in by a connection of the organization's, and is a member of it,
// or becomes one where the connection is for that. nil where none is asked for.
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
	if len(found.Rows) == 0 {
		return nil, errNotOf()
	}
	in := &found.Rows[0]
	by, err := f.cfg.Store.OrganizationConnections.Get(ctx, c.Tenant.ID, db.OrganizationConnectionRef{OrganizationID: in.ID, ConnectionID: who.Connection.ID})
	if errors.Is(err, db.ErrNotFound) {
		return nil, errNotOf()
	}
	if err != nil {
		return nil, err
	}
	is, err := f.isMember(ctx, c.Tenant.ID, in.ID, who.User.UserID)
	if err == nil && !is {
		if !by.AssignMembershipOnLogin {
			return nil, errNotOf()
		}
		_, err = f.cfg.Store.OrganizationMembers.Assign(ctx, c.Tenant.ID, in.ID, who.User.UserID)
	}
	return in, err
}

// stillOf is the organization of a login that was in it: whoever was removed since isn't made a member again.
func (f *Flows) stillOf(ctx context.Context, tenantID, id, userID string) (*db.Organization, error) {
	in, err := f.cfg.Store.Organizations.Get(ctx, tenantID, id)
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return nil, err
	}
	is := false
	if err == nil {
		if is, err = f.isMember(ctx, tenantID, id, userID); err != nil {
			return nil, err
		}
	}
	if !is {
		return nil, errNotOf()
	}
	return &in, nil
}

func (f *Flows) isMember(ctx context.Context, tenantID, id, userID string) (bool, error) {
	o := db.ListOptions{PerPage: 1, Filter: []db.Filter{db.Equal("organization_id", id), db.Equal("user_id", userID)}}
	members, err := f.cfg.Store.OrganizationMembers.List(ctx, tenantID, o)
	return len(members.Rows) > 0, err
}

// errNotOf is the same for an organization that there isn't.
func errNotOf() error {
	return &Refused{"access_denied", "The user isn't part of the organization."}
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
