package db

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"time"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
)

// Organization is a group of a tenant's users.
type Organization = dbsqlc.AuthOrganization

// CreateOrganization is what a new organization is made of; ID may be left empty. The name is trimmed, lowercased and unique
// in its tenant; it is made of letters, digits, - and _. Branding and Metadata are JSON objects.
type CreateOrganization struct {
	ID          string          `json:"id"`
	Name        string          `json:"name"`
	DisplayName string          `json:"display_name"`
	Branding    json.RawMessage `json:"branding"`
	Metadata    json.RawMessage `json:"metadata"`
}

// UpdateOrganization changes the fields that are present. Branding and Metadata are replaced as a whole.
type UpdateOrganization struct {
	Name        Optional[string]          `json:"name"`
	DisplayName Optional[string]          `json:"display_name"`
	Branding    Optional[json.RawMessage] `json:"branding"`
	Metadata    Optional[json.RawMessage] `json:"metadata"`
}

// Organizations is the repository of organizations. Deleting one takes its members, their roles in it and its connections along.
type Organizations = Repository[Organization, string, CreateOrganization, UpdateOrganization]

func newOrganizations(s *session, h *Hooks) *Organizations {
	name := regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)
	return &Organizations{s: s, e: &entity[Organization, string, CreateOrganization, UpdateOrganization]{
		name:  "organization",
		hooks: h.Organizations,
		list:  organizationsListing(),
		create: func(tenantID string, now time.Time, in CreateOrganization) Organization {
			return Organization{
				TenantID: tenantID, ID: idOr(in.ID, "org_"), Name: in.Name, DisplayName: in.DisplayName, Branding: in.Branding,
				Metadata: in.Metadata, CreatedAt: now, UpdatedAt: now,
			}
		},
		update: func(o *Organization, now time.Time, in UpdateOrganization) {
			in.Name.apply(&o.Name)
			in.DisplayName.apply(&o.DisplayName)
			in.Branding.apply(&o.Branding)
			in.Metadata.apply(&o.Metadata)
			o.UpdatedAt = now
		},
		keep: func(o *Organization, was Organization) {
			o.TenantID, o.ID, o.CreatedAt = was.TenantID, was.ID, was.CreatedAt
		},
		normalize: func(o *Organization) error {
			o.Name = strings.ToLower(strings.TrimSpace(o.Name))
			return every(
				rule("organization", "name", name.MatchString(o.Name), "must be letters, digits, - and _, and begin with a letter or a digit"),
				object("organization", "branding", &o.Branding), object("organization", "metadata", &o.Metadata),
			)
		},
		takes: func(tenantID, id string) []taken {
			const its = "tenant_id = $1 and organization_id = $2"
			return []taken{
				takenRows(h.OrganizationMembers, its, tenantID, id).holding(),
				takenRows(h.OrganizationMemberRoles, its, tenantID, id),
				takenRows(h.OrganizationConnections, its, tenantID, id),
			}
		},
		get:  (*queries).GetOrganization,
		lock: (*queries).LockOrganization,
		insert: func(q *queries, ctx context.Context, o Organization) (Organization, error) {
			return q.InsertOrganization(ctx, dbsqlc.InsertOrganizationParams(o))
		},
		change: func(q *queries, ctx context.Context, o Organization) (Organization, error) {
			return q.UpdateOrganization(ctx, dbsqlc.UpdateOrganizationParams(o))
		},
		remove: (*queries).DeleteOrganization,
	}}
}

func organizationsListing() listing {
	return listing{
		table: "auth.organizations", tenant: "tenant_id", fallback: "id",
		filter: []string{"id", "name", "display_name"}, sort: []string{"id", "name", "display_name", "created_at", "updated_at"},
	}
}
