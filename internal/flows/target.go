package flows

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/token"
)

const (
	// userInfoLifetime is that of access tokens for /userinfo alone.
	userInfoLifetime = 24 * time.Hour
	// managementLifetime is that of tokens for the management API where no resource server says another.
	managementLifetime = 24 * time.Hour
	// appTypeBrowser is that of applications that run in a browser: token_lifetime_for_web is for them.
	appTypeBrowser = "spa"
	// appTypeNative is that of applications that are installed.
	appTypeNative = "native"
)

// userInfoAudience is the audience of access tokens for /userinfo.
func (f *Flows) userInfoAudience() string { return f.cfg.Tokens.URL() + "userinfo" }

// target is what access tokens are asked for.
type target struct {
	audience string
	server   *db.ResourceServer // nil: /userinfo, or the management API
}

// target finds what an audience is of; none is the tenant's default, and else /userinfo. Errors: [Refused].
func (f *Flows) target(ctx context.Context, c Caller, audience string) (target, error) {
	if audience == "" {
		audience = c.Tenant.DefaultAudience
	}
	if audience == "" || audience == f.userInfoAudience() {
		return target{audience: f.userInfoAudience()}, nil
	}
	page, err := f.cfg.Store.ResourceServers.List(ctx, c.Tenant.ID, db.ListOptions{Filter: []db.Filter{db.Equal("identifier", audience)}})
	switch {
	case err != nil:
		return target{}, err
	case len(page.Rows) == 0:
		return target{}, &Refused{"access_denied", fmt.Sprintf("There is no resource server of the audience %q.", audience)}
	}
	return target{audience: audience, server: &page.Rows[0]}, nil
}

// lifetime is how long an access token lives.
func (t target) lifetime(client *db.Client) time.Duration {
	switch {
	case t.server == nil:
		return userInfoLifetime
	case client != nil && client.AppType == appTypeBrowser:
		return seconds(t.server.TokenLifetimeForWeb)
	}
	return seconds(t.server.TokenLifetime)
}

// seconds is a setting as a token's lifetime.
func seconds[N int32 | int64](n N) time.Duration {
	return min(time.Duration(n), token.MaxLifetime/time.Second) * time.Second
}

// header is the typ of the tokens, by the resource server's token_dialect.
func (t target) header() string {
	if t.server != nil && strings.HasPrefix(t.server.TokenDialect, "rfc9068_profile") {
		return token.AccessTokenType
	}
	return ""
}

// identityScopes are those that ask for claims about the user, and not for a right at a resource server.
func identityScopes() []string { return []string{"openid", "profile", "email", "address", "phone"} }

// granted are the scopes that a user gets of those that it asked for: those about itself, and of the resource server's those that it has.
// Where the resource server enforces policies, the user gets those that it has the permission for, and permissions is all of these if
// its token_dialect has them in tokens. The management API's are always enforced: or anyone could manage the tenant who can log in.
func (f *Flows) granted(ctx context.Context, c Caller, t target, g *Grant) (scope, permissions []string, err error) {
	var has []string
	if t.server != nil {
		if has, err = scopesOf(t.server); err != nil {
			return nil, nil, err
		}
		if t.server.EnforcePolicies || t.audience == f.cfg.Tokens.Audience() || t.audience == c.Tenant.Audience {
			if permissions, err = f.permissions(ctx, c.Tenant.ID, t.audience, g); err != nil {
				return nil, nil, err
			}
			has = slices.DeleteFunc(has, func(name string) bool { return !slices.Contains(permissions, name) })
		}
		if !strings.HasSuffix(t.server.TokenDialect, "_authz") {
			permissions = nil
		}
	}
	for _, name := range g.Scope {
		if !slices.Contains(scope, name) && (slices.Contains(identityScopes(), name) || slices.Contains(has, name)) {
			scope = append(scope, name)
		}
	}
	return scope, permissions, nil
}

// scopesOf lists the names of a resource server's scopes.
func scopesOf(server *db.ResourceServer) ([]string, error) {
	var scopes []struct {
		Value string `json:"value"`
	}
	if err := json.Unmarshal(server.Scopes, &scopes); err != nil {
		return nil, fmt.Errorf("flows: scopes of resource server %s: %w", server.ID, err)
	}
	var names []string
	for _, s := range scopes {
		names = append(names, s.Value)
	}
	return names, nil
}

// permissions lists what the user may do at a resource server: by itself, by its roles, and by those of its membership.
func (f *Flows) permissions(ctx context.Context, tenantID, audience string, g *Grant) ([]string, error) {
	rows, err := all(func(o db.ListOptions) (db.Page[db.EffectivePermission], error) {
		o.Filter = []db.Filter{db.Equal("resource_server_identifier", audience)}
		return f.cfg.Store.UserPermissions.Effective(ctx, tenantID, g.User.UserID, o)
	})
	if err != nil {
		return nil, err
	}
	names := []string{}
	for i := range rows {
		names = append(names, rows[i].PermissionName)
	}
	if g.OrganizationID == "" {
		return names, nil
	}
	roles, err := f.memberRoles(ctx, tenantID, g.OrganizationID, g.User.UserID)
	if err != nil {
		return nil, err
	}
	for i := range roles {
		refs, err := f.cfg.Store.RolePermissions.List(ctx, tenantID, roles[i].ID)
		if err != nil {
			return nil, err
		}
		for _, ref := range refs {
			if ref.ResourceServerIdentifier == audience && !slices.Contains(names, ref.PermissionName) {
				names = append(names, ref.PermissionName)
			}
		}
	}
	return names, nil
}
