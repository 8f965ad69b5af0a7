package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/latchkey-dev/latchkey/db"
)

// A tenant's settings are the members of its row.
type (
	settings        db.Tenant
	changedSettings db.UpdateTenant
)

// Schema implements huma.SchemaProvider.
func (settings) Schema(huma.Registry) *huma.Schema {
	return fieldsOf(typeOf[db.Tenant](), nil, "id", "created_at", "updated_at")
}

// Schema implements huma.SchemaProvider.
func (changedSettings) Schema(huma.Registry) *huma.Schema {
	return fieldsOf(typeOf[db.UpdateTenant](), nil)
}

// MarshalJSON implements json.Marshaler.
func (s settings) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		db.Tenant
		ID        string `json:"id,omitempty"` // these hide the row's
		CreatedAt string `json:"created_at,omitempty"`
		UpdatedAt string `json:"updated_at,omitempty"`
	}{Tenant: db.Tenant(s)})
}

func (s *server) addTenantSettings() {
	tenants := s.cfg.Store.Tenants
	add(s, operation{
		id: "get-tenant-settings", method: http.MethodGet, path: "/tenants/settings", scope: "read:tenant_settings", tag: tagTenant, summary: "Get the tenant's settings",
		answer: s.oneOf(typeOf[settings]()),
	}, func(ctx context.Context, c *caller, in *struct{ Selection }) (*listOutput, error) {
		row, err := tenants.Get(ctx, c.tenant)
		if err != nil {
			return nil, err
		}
		member, err := in.of(settings(row))
		return s.list(member), err
	})
	add(s, operation{
		id: "update-tenant-settings", method: http.MethodPatch, path: "/tenants/settings", scope: "update:tenant_settings", tag: tagTenant,
		summary: "Change the tenant's settings", change: true, about: "What is absent stays, null clears. Lists and objects are replaced as a whole.",
	}, func(ctx context.Context, c *caller, in *created[changedSettings]) (*shown[settings], error) {
		row, err := tenants.Update(ctx, c.tenant, db.UpdateTenant(in.Body))
		if err != nil {
			return nil, err
		}
		return &shown[settings]{settings(row)}, nil
	})
}
