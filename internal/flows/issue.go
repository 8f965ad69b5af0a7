package flows

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/token"
)

// Tokens is what a grant gives. Those that the scope doesn't ask for are empty.
type Tokens struct {
	AccessToken  string
	IDToken      string // with openid
	RefreshToken string // with offline_access
	TokenType    string
	Scope        string // names, with spaces between them: what was given of what was asked for
	ExpiresIn    int64  // seconds, of the access token
}

const (
	bearer          = "Bearer"
	idTokenLifetime = 36_000 // seconds, as Auth0 has it
	offlineAccess   = "offline_access"
)

// Issue gives the tokens of a grant to the caller's client: an access token for the audience, and for /userinfo too where openid was asked
// for; with openid an ID token; with offline_access a refresh token, if the client may have one (grant_types) and the resource server
// allows it. Scopes that the user or the resource server doesn't have are left out. No hook runs.
//
// Errors: [Refused], for an audience that there isn't.
func (f *Flows) Issue(ctx context.Context, c Caller, g Grant) (Tokens, error) {
	tokens, err := f.issue(ctx, c, &g)
	if err != nil {
		return Tokens{}, fmt.Errorf("flows: issue: %w", err)
	}
	return tokens, nil
}

func (f *Flows) issue(ctx context.Context, c Caller, g *Grant) (out Tokens, err error) {
	t, err := f.target(ctx, c, g.Audience)
	if err != nil {
		return out, err
	}
	scope, permissions, err := f.granted(ctx, c, t, g)
	if err != nil {
		return out, err
	}
	if g.RefreshToken && mayRefresh(c.Client, t) && slices.Contains(g.Scope, offlineAccess) {
		scope = append(scope, offlineAccess)
		if out.RefreshToken, err = f.firstRefreshToken(ctx, c, g, scope); err != nil {
			return out, err
		}
	}
	lifetime := t.lifetime(c.Client)
	out.TokenType, out.Scope, out.ExpiresIn = bearer, strings.Join(scope, " "), int64(lifetime.Seconds())
	openID := slices.Contains(scope, "openid")
	audience := []string{t.audience}
	if openID && t.audience != f.userInfoAudience() {
		audience = append(audience, f.userInfoAudience())
	}
	claims := token.Claims{
		Subject: g.User.UserID, AuthorizedParty: g.ClientID, Audience: audience, TenantID: c.Tenant.ID, Scope: out.Scope, Permissions: permissions,
		SessionID: g.SessionID, Grant: g.ID, OrganizationID: g.OrganizationID, Expires: f.cfg.Now().Add(lifetime), Private: g.AccessToken, Type: t.header(),
	}
	if out.AccessToken, err = f.cfg.Tokens.Mint(ctx, claims); err != nil || !openID || c.Client == nil {
		return out, err
	}
	out.IDToken, err = f.idToken(ctx, c, g, scope, out.AccessToken)
	return out, err
}

// idToken makes the ID token (OpenID Connect Core 1.0, 2): with the claims that the scope asks for, and those of PostLogin's hooks.
func (f *Flows) idToken(ctx context.Context, c Caller, g *Grant, scope []string, accessToken string) (string, error) {
	private, err := claimsOf(&g.User, scope)
	if err != nil {
		return "", err
	}
	maps.Copy(private, g.IDToken)
	var methods []string
	for _, m := range g.Methods {
		methods = append(methods, m.Name)
	}
	for name, value := range map[string]interface{}{"nonce": g.Nonce, "auth_time": g.AuthenticatedAt.Unix(), "amr": methods} {
		if value == "" || name == "amr" && methods == nil {
			continue
		}
		if private[name], err = json.Marshal(value); err != nil {
			return "", err
		}
	}
	return f.cfg.Tokens.Mint(ctx, token.Claims{
		Subject: g.User.UserID, AuthorizedParty: g.ClientID, Audience: []string{g.ClientID}, TenantID: c.Tenant.ID, SessionID: g.SessionID,
		OrganizationID: g.OrganizationID, Expires: f.cfg.Now().Add(idLifetime(c.Client)), AccessToken: accessToken, Private: private,
	})
}

func idLifetime(client *db.Client) time.Duration {
	settings := struct {
		Lifetime int64 `json:"lifetime_in_seconds"`
	}{}
	if json.Unmarshal(client.JWTConfiguration, &settings) != nil || settings.Lifetime <= 0 {
		settings.Lifetime = idTokenLifetime
	}
	return seconds(settings.Lifetime)
}
