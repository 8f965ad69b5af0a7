package oidc

import (
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/latchkey-dev/latchkey/internal/flows"
)

// client is a client as op sees it.
type client struct{ flows.Caller }

// checkedRedirect stands for a redirect URI that was found to be the client's: op's own check is more lenient, and unescapes it once more.
const checkedRedirect = "https://checked.invalid/"

var _ op.Client = (*client)(nil)

func (c *client) GetID() string                       { return c.Client.ClientID }
func (c *client) RedirectURIs() []string              { return []string{checkedRedirect} }
func (c *client) PostLogoutRedirectURIs() []string    { return nil }
func (c *client) ApplicationType() op.ApplicationType { return op.ApplicationTypeWeb }
func (c *client) AuthMethod() oidc.AuthMethod {
	return oidc.AuthMethod(c.Client.TokenEndpointAuthMethod)
}

func (c *client) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}
func (c *client) LoginURL(state string) string        { return pageLogin + "?state=" + state }
func (c *client) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }
func (c *client) IDTokenLifetime() time.Duration      { return 0 }
func (c *client) DevMode() bool                       { return true } // http and custom schemes are callbacks too
func (c *client) IsScopeAllowed(string) bool          { return true }
func (c *client) ClockSkew() time.Duration            { return 0 }

func (c *client) IDTokenUserinfoClaimsAssertion() bool { return false }

// GrantTypes are those that the client may use, of those that op knows.
func (c *client) GrantTypes() (may []oidc.GrantType) {
	for _, grant := range []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken, oidc.GrantTypeClientCredentials} {
		if flows.Allows(c.Client, string(grant)) {
			may = append(may, grant)
		}
	}
	return may
}

// RestrictAdditionalIdTokenScopes is of op's own tokens, of which there are none.
func (c *client) RestrictAdditionalIdTokenScopes() func([]string) []string { //nolint:staticcheck // op's name
	return func(scopes []string) []string { return scopes }
}

// RestrictAdditionalAccessTokenScopes is of op's own tokens, of which there are none.
func (c *client) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return func(scopes []string) []string { return scopes }
}
