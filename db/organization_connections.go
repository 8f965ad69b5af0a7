package db

import (
	"context"
	"time"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
)

// OrganizationConnectionRef names a connection of an organization.
type OrganizationConnectionRef struct {
	OrganizationID string `json:"organization_id"`
	ConnectionID   string `json:"connection_id"`
}

// OrganizationConnection says that an organization's users log in by a connection.
type OrganizationConnection = dbsqlc.AuthOrganizationConnection

// CreateOrganizationConnection is what a new one is made of; organization and connection must exist. ShowAsButton is true
// unless said.
type CreateOrganizationConnection struct {
	OrganizationConnectionRef
	AssignMembershipOnLogin bool           `json:"assign_membership_on_login"`
	ShowAsButton            Optional[bool] `json:"show_as_button"`
	IsSignupEnabled         bool           `json:"is_signup_enabled"`
}

// UpdateOrganizationConnection changes the fields that are present.
type UpdateOrganizationConnection struct {
	AssignMembershipOnLogin Optional[bool] `json:"assign_membership_on_login"`
	ShowAsButton            Optional[bool] `json:"show_as_button"`
	IsSignupEnabled         Optional[bool] `json:"is_signup_enabled"`
}

// OrganizationConnections is the repository of the connections that organizations have.
type OrganizationConnections = Repository[OrganizationConnection, OrganizationConnectionRef, CreateOrganizationConnection, UpdateOrganizationConnection]

func newOrganizationConnections(s *session, h *Hooks) *OrganizationConnections {
	type ref = OrganizationConnectionRef
	return &OrganizationConnections{s: s, e: &entity[OrganizationConnection, ref, CreateOrganizationConnection, UpdateOrganizationConnection]{
		name:  "organization connection",
		hooks: h.OrganizationConnections,
		list: listing{
			table: "auth.organization_connections", tenant: "tenant_id", fallback: "organization_id, connection_id",
			filter: []string{"organization_id", "connection_id", "assign_membership_on_login"},
			sort:   []string{"organization_id", "connection_id", "created_at", "updated_at"},
		},
		create: func(tenantID string, now time.Time, in CreateOrganizationConnection) OrganizationConnection {
			c := OrganizationConnection{
				TenantID: tenantID, OrganizationID: in.OrganizationID, ConnectionID: in.ConnectionID,
				AssignMembershipOnLogin: in.AssignMembershipOnLogin, ShowAsButton: true, IsSignupEnabled: in.IsSignupEnabled,
				CreatedAt: now, UpdatedAt: now,
			}
			in.ShowAsButton.apply(&c.ShowAsButton)
			return c
		},
		update: func(c *OrganizationConnection, now time.Time, in UpdateOrganizationConnection) {
			in.AssignMembershipOnLogin.apply(&c.AssignMembershipOnLogin)
			in.ShowAsButton.apply(&c.ShowAsButton)
			in.IsSignupEnabled.apply(&c.IsSignupEnabled)
			c.UpdatedAt = now
		},
		keep: func(c *OrganizationConnection, was OrganizationConnection) {
			c.TenantID, c.OrganizationID, c.ConnectionID, c.CreatedAt = was.TenantID, was.OrganizationID, was.ConnectionID, was.CreatedAt
		},
		normalize: func(c *OrganizationConnection) error {
			return every(
				required("organization connection", "organization_id", c.OrganizationID),
				required("organization connection", "connection_id", c.ConnectionID),
			)
		},
		get: func(q *queries, ctx context.Context, tenantID string, id ref) (OrganizationConnection, error) {
			return q.GetOrganizationConnection(ctx, tenantID, id.OrganizationID, id.ConnectionID)
		},
		lock: func(q *queries, ctx context.Context, tenantID string, id ref) (OrganizationConnection, error) {
			return q.LockOrganizationConnection(ctx, tenantID, id.OrganizationID, id.ConnectionID)
		},
		insert: func(q *queries, ctx context.Context, c OrganizationConnection) (OrganizationConnection, error) {
			return q.InsertOrganizationConnection(ctx, dbsqlc.InsertOrganizationConnectionParams(c))
		},
		change: func(q *queries, ctx context.Context, c OrganizationConnection) (OrganizationConnection, error) {
			return q.UpdateOrganizationConnection(ctx, dbsqlc.UpdateOrganizationConnectionParams(c))
		},
		remove: func(q *queries, ctx context.Context, tenantID string, id ref) (int64, error) {
			return q.DeleteOrganizationConnection(ctx, tenantID, id.OrganizationID, id.ConnectionID)
		},
	}}
}
