package db

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
)

// Tenant owns all other rows. Its key is the id alone.
type Tenant = dbsqlc.AuthTenant

// CreateTenant is what a new tenant is made of. The id is the caller's to choose; the language is "en" unless said,
// and the only one of EnabledLocales; sessions last 168 hours, 72 without use.
type CreateTenant struct {
	ID                    string          `json:"id"`
	FriendlyName          string          `json:"friendly_name"`
	Audience              string          `json:"audience"`
	DefaultAudience       string          `json:"default_audience"`
	SenderEmail           string          `json:"sender_email"`
	SenderName            string          `json:"sender_name"`
	SupportEmail          string          `json:"support_email"`
	SupportURL            string          `json:"support_url"`
	PictureURL            string          `json:"picture_url"`
	Language              string          `json:"language"`
	EnabledLocales        []string        `json:"enabled_locales"`
	DefaultDirectory      string          `json:"default_directory"`
	DefaultRedirectionURI string          `json:"default_redirection_uri"`
	AllowedLogoutURLs     []string        `json:"allowed_logout_urls"`
	SessionLifetime       float64         `json:"session_lifetime"`      // hours
	IdleSessionLifetime   float64         `json:"idle_session_lifetime"` // hours
	SessionCookie         json.RawMessage `json:"session_cookie"`
	Sessions              json.RawMessage `json:"sessions"`
	OIDCLogout            json.RawMessage `json:"oidc_logout"`
	UniversalLogin        json.RawMessage `json:"universal_login"`
	ErrorPage             json.RawMessage `json:"error_page"`
	Flags                 json.RawMessage `json:"flags"`
	Metadata              json.RawMessage `json:"metadata"`
}

// UpdateTenant changes the fields that are present; lists and JSON objects are replaced as a whole.
type UpdateTenant struct {
	FriendlyName          Optional[string]          `json:"friendly_name"`
	Audience              Optional[string]          `json:"audience"`
	DefaultAudience       Optional[string]          `json:"default_audience"`
	SenderEmail           Optional[string]          `json:"sender_email"`
	SenderName            Optional[string]          `json:"sender_name"`
	SupportEmail          Optional[string]          `json:"support_email"`
	SupportURL            Optional[string]          `json:"support_url"`
	PictureURL            Optional[string]          `json:"picture_url"`
	Language              Optional[string]          `json:"language"`
	EnabledLocales        Optional[[]string]        `json:"enabled_locales"`
	DefaultDirectory      Optional[string]          `json:"default_directory"`
	DefaultRedirectionURI Optional[string]          `json:"default_redirection_uri"`
	AllowedLogoutURLs     Optional[[]string]        `json:"allowed_logout_urls"`
	SessionLifetime       Optional[float64]         `json:"session_lifetime"`
	IdleSessionLifetime   Optional[float64]         `json:"idle_session_lifetime"`
	SessionCookie         Optional[json.RawMessage] `json:"session_cookie"`
	Sessions              Optional[json.RawMessage] `json:"sessions"`
	OIDCLogout            Optional[json.RawMessage] `json:"oidc_logout"`
	UniversalLogin        Optional[json.RawMessage] `json:"universal_login"`
	ErrorPage             Optional[json.RawMessage] `json:"error_page"`
	Flags                 Optional[json.RawMessage] `json:"flags"`
	Metadata              Optional[json.RawMessage] `json:"metadata"`
}

// Tenants is the repository of tenants: a [Repository] whose methods take no tenant.
type Tenants struct {
	r Repository[Tenant, string, CreateTenant, UpdateTenant]
}

// Get is [Repository.Get].
func (t *Tenants) Get(ctx context.Context, id string) (Tenant, error) { return t.r.Get(ctx, "", id) }

// Create is [Repository.Create].
func (t *Tenants) Create(ctx context.Context, in CreateTenant) (Tenant, error) {
	return t.r.Create(ctx, "", in)
}

// Update is [Repository.Update].
func (t *Tenants) Update(ctx context.Context, id string, in UpdateTenant) (Tenant, error) {
	return t.r.Update(ctx, "", id, in)
}

// Delete is [Repository.Delete]; everything of the tenant goes with it. The before-hooks of all those rows run, so where
// such hooks are registered, those tables' rows of the tenant are in memory.
func (t *Tenants) Delete(ctx context.Context, id string) error { return t.r.Delete(ctx, "", id) }

// List is [Repository.List].
func (t *Tenants) List(ctx context.Context, o ListOptions) (Page[Tenant], error) {
	return t.r.List(ctx, "", o)
}

func newTenants(s *session, h *Hooks) *Tenants {
	return &Tenants{Repository[Tenant, string, CreateTenant, UpdateTenant]{s: s, e: &entity[Tenant, string, CreateTenant, UpdateTenant]{
		name:  "tenant",
		hooks: h.Tenants,
		list: listing{
			table: "auth.tenants", fallback: "id",
			filter: []string{"id", "friendly_name"}, sort: []string{"id", "friendly_name", "created_at", "updated_at"},
		},
		create: func(_ string, now time.Time, in CreateTenant) Tenant {
			return Tenant{
				ID: in.ID, FriendlyName: in.FriendlyName, Audience: in.Audience, DefaultAudience: in.DefaultAudience,
				SenderEmail: in.SenderEmail, SenderName: in.SenderName, SupportEmail: in.SupportEmail, SupportURL: in.SupportURL,
				PictureURL: in.PictureURL, Language: cmp.Or(in.Language, "en"), EnabledLocales: in.EnabledLocales,
				DefaultDirectory: in.DefaultDirectory, DefaultRedirectionURI: in.DefaultRedirectionURI, AllowedLogoutURLs: in.AllowedLogoutURLs,
				SessionLifetime: cmp.Or(in.SessionLifetime, 168), IdleSessionLifetime: cmp.Or(in.IdleSessionLifetime, 72),
				SessionCookie: in.SessionCookie, Sessions: in.Sessions, OIDCLogout: in.OIDCLogout, UniversalLogin: in.UniversalLogin, ErrorPage: in.ErrorPage,
				Flags: in.Flags, Metadata: in.Metadata,
				CreatedAt: now, UpdatedAt: now,
			}
		},
		update: func(t *Tenant, now time.Time, in UpdateTenant) {
			in.FriendlyName.apply(&t.FriendlyName)
			in.Audience.apply(&t.Audience)
			in.DefaultAudience.apply(&t.DefaultAudience)
			in.SenderEmail.apply(&t.SenderEmail)
			in.SenderName.apply(&t.SenderName)
			in.SupportEmail.apply(&t.SupportEmail)
			in.SupportURL.apply(&t.SupportURL)
			in.PictureURL.apply(&t.PictureURL)
			in.Language.apply(&t.Language)
			in.EnabledLocales.apply(&t.EnabledLocales)
			in.DefaultDirectory.apply(&t.DefaultDirectory)
			in.DefaultRedirectionURI.apply(&t.DefaultRedirectionURI)
			in.AllowedLogoutURLs.apply(&t.AllowedLogoutURLs)
			in.SessionLifetime.apply(&t.SessionLifetime)
			in.IdleSessionLifetime.apply(&t.IdleSessionLifetime)
			in.SessionCookie.apply(&t.SessionCookie)
			in.Sessions.apply(&t.Sessions)
			in.OIDCLogout.apply(&t.OIDCLogout)
			in.UniversalLogin.apply(&t.UniversalLogin)
			in.ErrorPage.apply(&t.ErrorPage)
			in.Flags.apply(&t.Flags)
			in.Metadata.apply(&t.Metadata)
			t.UpdatedAt = now
		},
		keep: func(t *Tenant, was Tenant) { t.ID, t.CreatedAt = was.ID, was.CreatedAt },
		normalize: func(t *Tenant) error {
			notNull(&t.AllowedLogoutURLs)
			if len(t.EnabledLocales) == 0 {
				t.EnabledLocales = []string{t.Language}
			}
			return every(
				required("tenant", "id", t.ID),
				object("tenant", "session_cookie", &t.SessionCookie), object("tenant", "sessions", &t.Sessions),
				object("tenant", "oidc_logout", &t.OIDCLogout), object("tenant", "universal_login", &t.UniversalLogin),
				object("tenant", "error_page", &t.ErrorPage), object("tenant", "flags", &t.Flags), object("tenant", "metadata", &t.Metadata),
			)
		},
		takes: func(_, id string) []taken {
			const all = "tenant_id = $1"
			return []taken{
				takenRows(h.Users, all, id).holding(),
				takenRows(h.Roles, all, id).holding(),
				takenRows(h.ResourceServers, all, id).holding(),
				takenRows(h.Permissions, all, id).holding(),
				takenRows(h.UserRoles, all, id),
				takenRows(h.UserPermissions, all, id),
				takenPermissions(h.RolePermissions, all, id),
				takenRows(h.Connections, all, id),
				takenRows(h.Clients, all, id).holding(),
				takenRows(h.ClientGrants, all, id),
				takenRows(h.Organizations, all, id).holding(),
				takenRows(h.OrganizationMembers, all, id).holding(),
				takenRows(h.OrganizationMemberRoles, all, id),
				takenRows(h.OrganizationConnections, all, id),
				takenRows(h.Forms, all, id),
				takenRows(h.AuthEvents, all, id),
			}
		},
		get:  func(q *queries, ctx context.Context, _, id string) (Tenant, error) { return q.GetTenant(ctx, id) },
		lock: func(q *queries, ctx context.Context, _, id string) (Tenant, error) { return q.LockTenant(ctx, id) },
		insert: func(q *queries, ctx context.Context, t Tenant) (Tenant, error) {
			return q.InsertTenant(ctx, dbsqlc.InsertTenantParams(t))
		},
		change: func(q *queries, ctx context.Context, t Tenant) (Tenant, error) {
			return q.UpdateTenant(ctx, dbsqlc.UpdateTenantParams(t))
		},
		remove: func(q *queries, ctx context.Context, _, id string) (int64, error) { return q.DeleteTenant(ctx, id) },
	}}}
}
