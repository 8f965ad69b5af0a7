package api

import (
	"context"
	"net/http"

	"github.com/latchkey-dev/latchkey/db"
)

// settings is a tenant as it is answered.
type settings struct {
	FriendlyName    string        `json:"friendly_name"`
	PictureURL      string        `json:"picture_url"`
	SupportEmail    string        `json:"support_email"`
	SupportURL      string        `json:"support_url"`
	DefaultAudience string        `json:"default_audience"`
	EnabledLocales  []string      `json:"enabled_locales" nullable:"false"`
	Flags           anyJSONObject `json:"flags"`
	Audience        string        `json:"audience" doc:"Of the tokens that webhooks are sent with."`
	SenderEmail     string        `json:"sender_email"`
	SenderName      string        `json:"sender_name"`
	Metadata        anyJSONObject `json:"metadata"`
}

func settingsJSON(t *db.Tenant) settings {
	return settings{
		FriendlyName: t.FriendlyName, PictureURL: t.PictureURL, SupportEmail: t.SupportEmail, SupportURL: t.SupportURL, DefaultAudience: t.DefaultAudience,
		EnabledLocales: []string{t.Language}, Flags: anyJSONObject(t.Flags), Audience: t.Audience, SenderEmail: t.SenderEmail, SenderName: t.SenderName,
		Metadata: anyJSONObject(t.Metadata),
	}
}

type changedSettings struct {
	FriendlyName    maybe[string]     `json:"friendly_name,omitempty" maxLength:"200"`
	PictureURL      maybe[string]     `json:"picture_url,omitempty" maxLength:"2048"`
	SupportEmail    maybe[string]     `json:"support_email,omitempty" maxLength:"320"`
	SupportURL      maybe[string]     `json:"support_url,omitempty" maxLength:"2048"`
	DefaultAudience maybe[string]     `json:"default_audience,omitempty" maxLength:"600"`
	EnabledLocales  maybe[[]string]   `json:"enabled_locales,omitempty" minItems:"1" maxItems:"1" doc:"One: the language."`
	Flags           maybe[freeObject] `json:"flags,omitempty" doc:"Replaced as a whole."`
	Audience        maybe[string]     `json:"audience,omitempty" maxLength:"600"`
	SenderEmail     maybe[string]     `json:"sender_email,omitempty" maxLength:"320"`
	SenderName      maybe[string]     `json:"sender_name,omitempty" maxLength:"200"`
	Metadata        maybe[freeObject] `json:"metadata,omitempty" doc:"Replaced as a whole."`
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
		member, err := in.of(settingsJSON(&row))
		return s.list(member), err
	})
	add(s, operation{
		id: "update-tenant-settings", method: http.MethodPatch, path: "/tenants/settings", scope: "update:tenant_settings", tag: tagTenant,
		summary: "Change the tenant's settings", change: true, about: "What is absent stays, null clears.",
	}, func(ctx context.Context, c *caller, in *created[changedSettings]) (*shown[settings], error) {
		b := &in.Body
		update := db.UpdateTenant{
			FriendlyName: b.FriendlyName.Optional, PictureURL: b.PictureURL.Optional, SupportEmail: b.SupportEmail.Optional, SupportURL: b.SupportURL.Optional,
			DefaultAudience: b.DefaultAudience.Optional, Flags: rawObject(b.Flags), Audience: b.Audience.Optional, SenderEmail: b.SenderEmail.Optional,
			SenderName: b.SenderName.Optional, Metadata: rawObject(b.Metadata),
		}
		if locales, _ := b.EnabledLocales.or([]string{"en"}).Get(); len(locales) > 0 {
			update.Language = db.Set(locales[0])
		}
		row, err := tenants.Update(ctx, c.tenant, update)
		if err != nil {
			return nil, err
		}
		return &shown[settings]{settingsJSON(&row)}, nil
	})
}
