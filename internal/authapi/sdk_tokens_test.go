package authapi_test

import (
	"errors"
	"testing"

	"github.com/auth0/go-auth0/authentication"
	"github.com/auth0/go-auth0/authentication/oauth"
	"github.com/auth0/go-auth0/authentication/passwordless"

	"github.com/latchkey-dev/latchkey/db"
)

// Auth0's own client gets tokens by a password and by a code, refreshes and revokes them, and asks who the user is.
func TestSDKTokens(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ann()
	r.env.SQL(`update auth.clients set grant_types = '{password,refresh_token,http://auth0.com/oauth/grant-type/passwordless/otp}' where client_id = 'app'`)
	sdk, ctx := r.sdk(), t.Context()
	tokens, err := sdk.OAuth.LoginWithPassword(ctx, oauth.LoginWithPasswordRequest{Username: "ann@example.com", Password: secret, Scope: "openid email offline_access"}, oauth.IDTokenValidationOptions{})
	r.ok(err)
	if tokens.AccessToken == "" || tokens.IDToken == "" || tokens.RefreshToken == "" || tokens.TokenType != "Bearer" || tokens.ExpiresIn <= 0 {
		t.Errorf("given %+v", tokens)
	}
	var refused *authentication.Error
	_, err = sdk.OAuth.LoginWithPassword(ctx, oauth.LoginWithPasswordRequest{Username: "ann@example.com", Password: another}, oauth.IDTokenValidationOptions{})
	if !errors.As(err, &refused) || refused.Err != "invalid_grant" {
		t.Errorf("a wrong password: %v", err)
	}
	next, err := sdk.OAuth.RefreshToken(ctx, oauth.RefreshTokenRequest{RefreshToken: tokens.RefreshToken}, oauth.IDTokenValidationOptions{})
	r.ok(err)
	info, err := sdk.UserInfo(ctx, next.AccessToken)
	r.ok(err)
	if info.Email != "ann@example.com" || info.Sub == "" {
		t.Errorf("it is %+v", info)
	}
	r.ok(sdk.OAuth.RevokeRefreshToken(ctx, oauth.RevokeRefreshTokenRequest{Token: next.RefreshToken}))
	if _, err := sdk.OAuth.RefreshToken(ctx, oauth.RefreshTokenRequest{RefreshToken: next.RefreshToken}, oauth.IDTokenValidationOptions{}); err == nil {
		t.Error("a revoked token was refreshed")
	}

	_, err = sdk.Passwordless.SendEmail(ctx, passwordless.SendEmailRequest{Email: "bob@example.com", Send: "code"})
	r.ok(err)
	code := passwordless.LoginWithEmailRequest{Email: "bob@example.com", Code: r.mail("send_login_code", "bob@example.com"), Scope: "openid email"}
	bob, err := sdk.Passwordless.LoginWithEmail(ctx, code, oauth.IDTokenValidationOptions{})
	r.ok(err)
	if info, err := sdk.UserInfo(ctx, bob.AccessToken); err != nil || info.Email != "bob@example.com" || !info.EmailVerified {
		t.Errorf("it is %+v, %v", info, err)
	}
	if _, err := sdk.Passwordless.LoginWithEmail(ctx, code, oauth.IDTokenValidationOptions{}); err == nil {
		t.Error("a code logged in twice")
	}
}

// A client gets a token in its own name.
func TestSDKClientCredentials(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.env.SQL(`insert into auth.clients (tenant_id, client_id, name, grant_types) values ('test', 'job', 'Job', '{client_credentials}')`)
	r.env.SQL(`insert into auth.resource_servers (tenant_id, identifier, scopes) values ('test', 'https://orders/', '[{"value":"read:orders"}]')`)
	r.env.SQL(`insert into auth.client_grants (tenant_id, client_id, audience, scope) values ('test', 'job', 'https://orders/', '{read:orders}')`)
	client, err := r.env.Store.Clients.Get(t.Context(), "test", "job")
	r.ok(err)
	_, err = r.env.Store.ClientSecrets.Put(t.Context(), "test", "job", r.finder.Keys.Seal([]byte("s3cret"), db.ClientSecretName(&client)))
	r.ok(err)
	sdk := r.sdk()
	ask := oauth.LoginWithClientCredentialsRequest{ClientAuthentication: oauth.ClientAuthentication{ClientID: "job", ClientSecret: "s3cret"}, Audience: "https://orders/"}
	tokens, err := sdk.OAuth.LoginWithClientCredentials(t.Context(), ask, oauth.IDTokenValidationOptions{})
	r.ok(err)
	if tokens.AccessToken == "" || tokens.RefreshToken != "" {
		t.Errorf("given %+v", tokens)
	}
	ask.ClientSecret = "another"
	if _, err := sdk.OAuth.LoginWithClientCredentials(t.Context(), ask, oauth.IDTokenValidationOptions{}); err == nil {
		t.Error("a wrong secret did")
	}
}
