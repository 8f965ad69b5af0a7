package db

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
)

// Client is an application that users log in to, or that asks for tokens. Its secret stands in a table of its own, see
// [ClientSecrets].
type Client = dbsqlc.AuthClient

// CreateClient is what a new client is made of; ClientID may be left empty. The name is trimmed. It is a first party's unless
// said, authenticates by client_secret_post, and has the page of its own on. Settings (JWTConfiguration, RefreshToken, Addons
// and so on) and ClientMetadata are JSON objects.
type CreateClient struct {
	ClientID                           string          `json:"client_id"`
	Name                               string          `json:"name"`
	Description                        string          `json:"description"`
	AppType                            string          `json:"app_type"`
	LogoURI                            string          `json:"logo_uri"`
	IsFirstParty                       Optional[bool]  `json:"is_first_party"`
	OIDCConformant                     bool            `json:"oidc_conformant"`
	Callbacks                          []string        `json:"callbacks"`
	AllowedOrigins                     []string        `json:"allowed_origins"`
	WebOrigins                         []string        `json:"web_origins"`
	AllowedLogoutURLs                  []string        `json:"allowed_logout_urls"`
	ClientAliases                      []string        `json:"client_aliases"`
	AllowedClients                     []string        `json:"allowed_clients"`
	GrantTypes                         []string        `json:"grant_types"`
	TokenEndpointAuthMethod            string          `json:"token_endpoint_auth_method"`
	IsTokenEndpointIPHeaderTrusted     bool            `json:"is_token_endpoint_ip_header_trusted"`
	JWTConfiguration                   json.RawMessage `json:"jwt_configuration"`
	RefreshToken                       json.RawMessage `json:"refresh_token"`
	Addons                             json.RawMessage `json:"addons"`
	Mobile                             json.RawMessage `json:"mobile"`
	NativeSocialLogin                  json.RawMessage `json:"native_social_login"`
	OIDCLogout                         json.RawMessage `json:"oidc_logout"`
	DefaultOrganization                json.RawMessage `json:"default_organization"`
	InitiateLoginURI                   string          `json:"initiate_login_uri"`
	CrossOriginAuthentication          bool            `json:"cross_origin_authentication"`
	CrossOriginLoc                     string          `json:"cross_origin_loc"`
	SSO                                bool            `json:"sso"`
	SSODisabled                        bool            `json:"sso_disabled"`
	CustomLoginPageOn                  Optional[bool]  `json:"custom_login_page_on"`
	CustomLoginPage                    string          `json:"custom_login_page"`
	FormTemplate                       string          `json:"form_template"`
	OrganizationUsage                  *string         `json:"organization_usage"`
	OrganizationRequireBehavior        *string         `json:"organization_require_behavior"`
	RequirePushedAuthorizationRequests bool            `json:"require_pushed_authorization_requests"`
	RequireProofOfPossession           bool            `json:"require_proof_of_possession"`
	ClientMetadata                     json.RawMessage `json:"client_metadata"`
}

// UpdateClient changes the fields that are present; lists, settings and metadata are replaced as a whole.
type UpdateClient struct {
	Name                               Optional[string]          `json:"name"`
	Description                        Optional[string]          `json:"description"`
	AppType                            Optional[string]          `json:"app_type"`
	LogoURI                            Optional[string]          `json:"logo_uri"`
	IsFirstParty                       Optional[bool]            `json:"is_first_party"`
	OIDCConformant                     Optional[bool]            `json:"oidc_conformant"`
	Callbacks                          Optional[[]string]        `json:"callbacks"`
	AllowedOrigins                     Optional[[]string]        `json:"allowed_origins"`
	WebOrigins                         Optional[[]string]        `json:"web_origins"`
	AllowedLogoutURLs                  Optional[[]string]        `json:"allowed_logout_urls"`
	ClientAliases                      Optional[[]string]        `json:"client_aliases"`
	AllowedClients                     Optional[[]string]        `json:"allowed_clients"`
	GrantTypes                         Optional[[]string]        `json:"grant_types"`
	TokenEndpointAuthMethod            Optional[string]          `json:"token_endpoint_auth_method"`
	IsTokenEndpointIPHeaderTrusted     Optional[bool]            `json:"is_token_endpoint_ip_header_trusted"`
	JWTConfiguration                   Optional[json.RawMessage] `json:"jwt_configuration"`
	RefreshToken                       Optional[json.RawMessage] `json:"refresh_token"`
	Addons                             Optional[json.RawMessage] `json:"addons"`
	Mobile                             Optional[json.RawMessage] `json:"mobile"`
	NativeSocialLogin                  Optional[json.RawMessage] `json:"native_social_login"`
	OIDCLogout                         Optional[json.RawMessage] `json:"oidc_logout"`
	DefaultOrganization                Optional[json.RawMessage] `json:"default_organization"`
	InitiateLoginURI                   Optional[string]          `json:"initiate_login_uri"`
	CrossOriginAuthentication          Optional[bool]            `json:"cross_origin_authentication"`
	CrossOriginLoc                     Optional[string]          `json:"cross_origin_loc"`
	SSO                                Optional[bool]            `json:"sso"`
	SSODisabled                        Optional[bool]            `json:"sso_disabled"`
	CustomLoginPageOn                  Optional[bool]            `json:"custom_login_page_on"`
	CustomLoginPage                    Optional[string]          `json:"custom_login_page"`
	FormTemplate                       Optional[string]          `json:"form_template"`
	OrganizationUsage                  Optional[string]          `json:"organization_usage"`
	OrganizationRequireBehavior        Optional[string]          `json:"organization_require_behavior"`
	RequirePushedAuthorizationRequests Optional[bool]            `json:"require_pushed_authorization_requests"`
	RequireProofOfPossession           Optional[bool]            `json:"require_proof_of_possession"`
	ClientMetadata                     Optional[json.RawMessage] `json:"client_metadata"`
}

// Clients is the repository of clients. Deleting one takes its grants and its secret along.
type Clients = Repository[Client, string, CreateClient, UpdateClient]

// ClientsNamed reads the clients of an id, of all tenants: one, unless tenants chose the same id; two at most.
func (s *Store) ClientsNamed(ctx context.Context, clientID string) ([]Client, error) {
	clients, err := dbsqlc.New(s.pool).FindClients(ctx, clientID)
	return clients, failed(err, "find", "client")
}

// AllowsOrigin reports whether a web page of an origin may read answers that are nobody's in particular: whether a client of the tenant, or of
// any where that is empty, has it among its web_origins or allowed_origins.
func (s *Store) AllowsOrigin(ctx context.Context, tenantID, origin string) (bool, error) {
	allows, err := dbsqlc.New(s.pool).AllowsOrigin(ctx, tenantID, origin)
	return allows, failed(err, "find", "client of an origin")
}

func newClients(s *session, h *Hooks) *Clients {
	return &Clients{s: s, e: &entity[Client, string, CreateClient, UpdateClient]{
		name:  "client",
		hooks: h.Clients,
		list: listing{
			table: "auth.clients", tenant: "tenant_id", fallback: "client_id",
			filter: []string{"client_id", "name", "app_type", "is_first_party"},
			sort:   []string{"client_id", "name", "app_type", "created_at", "updated_at"},
		},
		create: createClient,
		update: updateClient,
		keep: func(c *Client, was Client) {
			c.TenantID, c.ClientID, c.CreatedAt = was.TenantID, was.ClientID, was.CreatedAt
		},
		normalize: normalizeClient,
		takes: func(tenantID, id string) []taken {
			return []taken{takenRows(h.ClientGrants, "tenant_id = $1 and client_id = $2", tenantID, id)}
		},
		get:  (*queries).GetClient,
		lock: (*queries).LockClient,
		insert: func(q *queries, ctx context.Context, c Client) (Client, error) {
			return q.InsertClient(ctx, dbsqlc.InsertClientParams(c))
		},
		change: func(q *queries, ctx context.Context, c Client) (Client, error) {
			return q.UpdateClient(ctx, dbsqlc.UpdateClientParams(c))
		},
		remove: (*queries).DeleteClient,
	}}
}

func createClient(tenantID string, now time.Time, in CreateClient) Client {
	c := Client{
		TenantID: tenantID, ClientID: in.ClientID,
		Name: in.Name, Description: in.Description, AppType: in.AppType, LogoURI: in.LogoURI, IsFirstParty: true,
		OIDCConformant: in.OIDCConformant, Callbacks: in.Callbacks, AllowedOrigins: in.AllowedOrigins, WebOrigins: in.WebOrigins,
		AllowedLogoutURLs: in.AllowedLogoutURLs, ClientAliases: in.ClientAliases, AllowedClients: in.AllowedClients,
		GrantTypes: in.GrantTypes, TokenEndpointAuthMethod: cmp.Or(in.TokenEndpointAuthMethod, "client_secret_post"),
		IsTokenEndpointIPHeaderTrusted: in.IsTokenEndpointIPHeaderTrusted, JWTConfiguration: in.JWTConfiguration,
		RefreshToken: in.RefreshToken, Addons: in.Addons, Mobile: in.Mobile, NativeSocialLogin: in.NativeSocialLogin,
		OIDCLogout: in.OIDCLogout, DefaultOrganization: in.DefaultOrganization, InitiateLoginURI: in.InitiateLoginURI,
		CrossOriginAuthentication: in.CrossOriginAuthentication, CrossOriginLoc: in.CrossOriginLoc, SSO: in.SSO,
		SSODisabled: in.SSODisabled, CustomLoginPageOn: true, CustomLoginPage: in.CustomLoginPage, FormTemplate: in.FormTemplate,
		OrganizationUsage: in.OrganizationUsage, OrganizationRequireBehavior: in.OrganizationRequireBehavior,
		RequirePushedAuthorizationRequests: in.RequirePushedAuthorizationRequests, RequireProofOfPossession: in.RequireProofOfPossession,
		ClientMetadata: in.ClientMetadata,
		CreatedAt:      now, UpdatedAt: now,
	}
	if c.ClientID == "" {
		c.ClientID = newIDOf("", 32)
	}
	in.IsFirstParty.apply(&c.IsFirstParty)
	in.CustomLoginPageOn.apply(&c.CustomLoginPageOn)
	return c
}

func updateClient(c *Client, now time.Time, in UpdateClient) {
	in.Name.apply(&c.Name)
	in.Description.apply(&c.Description)
	in.AppType.apply(&c.AppType)
	in.LogoURI.apply(&c.LogoURI)
	in.IsFirstParty.apply(&c.IsFirstParty)
	in.OIDCConformant.apply(&c.OIDCConformant)
	in.Callbacks.apply(&c.Callbacks)
	in.AllowedOrigins.apply(&c.AllowedOrigins)
	in.WebOrigins.apply(&c.WebOrigins)
	in.AllowedLogoutURLs.apply(&c.AllowedLogoutURLs)
	in.ClientAliases.apply(&c.ClientAliases)
	in.AllowedClients.apply(&c.AllowedClients)
	in.GrantTypes.apply(&c.GrantTypes)
	in.TokenEndpointAuthMethod.apply(&c.TokenEndpointAuthMethod)
	in.IsTokenEndpointIPHeaderTrusted.apply(&c.IsTokenEndpointIPHeaderTrusted)
	in.JWTConfiguration.apply(&c.JWTConfiguration)
	in.RefreshToken.apply(&c.RefreshToken)
	in.Addons.apply(&c.Addons)
	in.Mobile.apply(&c.Mobile)
	in.NativeSocialLogin.apply(&c.NativeSocialLogin)
	in.OIDCLogout.apply(&c.OIDCLogout)
	in.DefaultOrganization.apply(&c.DefaultOrganization)
	in.InitiateLoginURI.apply(&c.InitiateLoginURI)
	in.CrossOriginAuthentication.apply(&c.CrossOriginAuthentication)
	in.CrossOriginLoc.apply(&c.CrossOriginLoc)
	in.SSO.apply(&c.SSO)
	in.SSODisabled.apply(&c.SSODisabled)
	in.CustomLoginPageOn.apply(&c.CustomLoginPageOn)
	in.CustomLoginPage.apply(&c.CustomLoginPage)
	in.FormTemplate.apply(&c.FormTemplate)
	in.OrganizationUsage.applyNull(&c.OrganizationUsage)
	in.OrganizationRequireBehavior.applyNull(&c.OrganizationRequireBehavior)
	in.RequirePushedAuthorizationRequests.apply(&c.RequirePushedAuthorizationRequests)
	in.RequireProofOfPossession.apply(&c.RequireProofOfPossession)
	in.ClientMetadata.apply(&c.ClientMetadata)
	c.UpdatedAt = now
}

func normalizeClient(c *Client) error {
	c.Name = strings.TrimSpace(c.Name)
	c.TokenEndpointAuthMethod = cmp.Or(c.TokenEndpointAuthMethod, "client_secret_post")
	notNull(&c.Callbacks, &c.AllowedOrigins, &c.WebOrigins, &c.AllowedLogoutURLs, &c.ClientAliases, &c.AllowedClients, &c.GrantTypes)
	return every(
		required("client", "name", c.Name),
		oneOf("client", "token_endpoint_auth_method", &c.TokenEndpointAuthMethod, "none", "client_secret_post", "client_secret_basic"),
		oneOf("client", "organization_usage", c.OrganizationUsage, "deny", "allow", "require"),
		oneOf("client", "organization_require_behavior", c.OrganizationRequireBehavior, "no_prompt", "pre_login_prompt", "post_login_prompt"),
		object("client", "jwt_configuration", &c.JWTConfiguration), object("client", "refresh_token", &c.RefreshToken),
		object("client", "addons", &c.Addons), object("client", "mobile", &c.Mobile),
		object("client", "native_social_login", &c.NativeSocialLogin), object("client", "oidc_logout", &c.OIDCLogout),
		object("client", "default_organization", &c.DefaultOrganization), object("client", "client_metadata", &c.ClientMetadata),
	)
}
