package flows

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/token"
)

// Log lines of tokens that clients get in their own name.
const (
	logClient       = "seccft"
	logClientFailed = "feccft"

	logPasswordGrantFailed = "fepft"
)

// ClientCredentials gives a client a token in its own name (RFC 6749, 4.4): with the scopes that it asks for of those of its grant for the audience,
// all of them unless it asks for some. CredentialsExchange hooks run, with no transaction open. The caller has authenticated the client.
//
// Errors: [Refused]: unauthorized_client, invalid_scope, invalid_request; access_denied by a hook.
func (f *Flows) ClientCredentials(ctx context.Context, c Caller, audience string, scope []string) (Tokens, error) {
	tokens, err := f.clientCredentials(c.stamped(ctx), c, audience, scope)
	return tokens, f.exchanged(ctx, c, err, logClient, logClientFailed, "A client's credentials", nil)
}

func (f *Flows) clientCredentials(ctx context.Context, c Caller, audience string, asked []string) (Tokens, error) {
	switch {
	case c.Client == nil:
		return Tokens{}, errNoClient()
	case !Allows(c.Client, GrantClientCredentials), c.Client.TokenEndpointAuthMethod == publicClient:
		return Tokens{}, &Refused{"unauthorized_client", "The client's grant_types don't have client_credentials, or it has no secret."}
	}
	if audience == "" {
		if audience = c.Tenant.DefaultAudience; audience == "" {
			return Tokens{}, &Refused{"invalid_request", "audience is missing, and the tenant has no default_audience."}
		}
	}
	scope, err := f.clientScope(ctx, c, audience, asked)
	if err != nil {
		return Tokens{}, err
	}
	lifetime, kind, err := f.clientTarget(ctx, c, audience)
	if err != nil {
		return Tokens{}, err
	}
	private, err := f.exchangeClaims(ctx, c, audience, scope)
	if err != nil {
		return Tokens{}, err
	}
	out := Tokens{TokenType: bearer, ExpiresIn: int64(lifetime.Seconds()), Scope: strings.Join(scope, " ")}
	out.AccessToken, err = f.cfg.Tokens.Mint(ctx, token.Claims{
		Subject: c.Client.ClientID + clientSubject, AuthorizedParty: c.Client.ClientID, Audience: []string{audience}, TenantID: c.Tenant.ID,
		Scope: out.Scope, Expires: f.cfg.Now().Add(lifetime), Private: private, Type: kind,
	})
	return out, err
}

// clientScope is what of its grant the client asks for.
func (f *Flows) clientScope(ctx context.Context, c Caller, audience string, asked []string) ([]string, error) {
	o := db.ListOptions{Filter: []db.Filter{db.Equal("client_id", c.Client.ClientID), db.Equal("audience", audience)}}
	grants, err := f.cfg.Store.ClientGrants.List(ctx, c.Tenant.ID, o)
	switch {
	case err != nil:
		return nil, err
	case len(grants.Rows) == 0:
		return nil, &Refused{"unauthorized_client", "The client has no grant for this audience."}
	case len(asked) == 0:
		return grants.Rows[0].Scope, nil
	}
	for _, name := range asked {
		if !slices.Contains(grants.Rows[0].Scope, name) {
			return nil, &Refused{"invalid_scope", fmt.Sprintf("The client's grant doesn't have the scope %q.", name)}
		}
	}
	return asked, nil
}

// clientTarget is how long a client's token lives, and its typ. The management API needs no resource server.
func (f *Flows) clientTarget(ctx context.Context, c Caller, audience string) (time.Duration, string, error) {
	page, err := f.cfg.Store.ResourceServers.List(ctx, c.Tenant.ID, db.ListOptions{Filter: []db.Filter{db.Equal("identifier", audience)}})
	switch {
	case err != nil:
		return 0, "", err
	case len(page.Rows) > 0:
		t := target{audience: audience, server: &page.Rows[0]}
		return seconds(t.server.TokenLifetime), t.header(), nil
	case audience == f.cfg.Tokens.Audience():
		return managementLifetime, "", nil
	}
	return 0, "", &Refused{"unauthorized_client", "There is no resource server of this audience any more."}
}

// exchangeClaims are those of the hooks, and gty, by which Auth0's libraries know such a token.
func (f *Flows) exchangeClaims(ctx context.Context, c Caller, audience string, scope []string) (auth.Members, error) {
	claims := auth.Members{"gty": []byte(`"client-credentials"`)}
	if !f.cfg.Hooks.HasCredentialsExchange() {
		return claims, nil
	}
	client, err := f.hookClient(ctx, c)
	if err != nil {
		return nil, err
	}
	out, err := f.cfg.Hooks.RunCredentialsExchange(ctx, &auth.CredentialsExchange{
		Tenant: auth.Tenant{ID: c.Tenant.ID}, Client: client, Audience: audience, Scopes: scope, Request: c.Request,
	})
	for name, value := range out.AccessToken {
		claims[name] = value
	}
	return claims, err
}

// NotExchanged writes the line of a client that was refused at the token endpoint before there was anything to exchange: it couldn't show who it
// is, or may not use the grant.
func (f *Flows) NotExchanged(ctx context.Context, c Caller, grant, description string) {
	kind := map[string]string{
		GrantAuthorizationCode: logCodeFailed, GrantRefreshToken: logRefreshFailed, GrantPassword: logPasswordGrantFailed,
		GrantPasswordRealm: logPasswordGrantFailed, GrantOTP: logPasswordGrantFailed,
	}[grant]
	if kind == "" {
		kind = logClientFailed
	}
	f.logLine(ctx, c, kind, description, logOf{})
}
