package authapi_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/auth0/go-auth0/authentication"
	"github.com/auth0/go-auth0/authentication/database"
	"github.com/auth0/go-auth0/authentication/passwordless"
)

// sdk is Auth0's own client, as it is, on the server.
func (r *rig) sdk() *authentication.Authentication {
	r.t.Helper()
	a, err := authentication.New(r.t.Context(), strings.TrimPrefix(r.server.URL, "https://"), authentication.WithClientID("app"),
		authentication.WithClient(r.server.Client()), authentication.WithNoRetries())
	r.ok(err)
	return a
}

func TestSDK(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	sdk, ctx := r.sdk(), t.Context()
	u, err := sdk.Database.Signup(ctx, database.SignupRequest{
		Connection: "db", Email: "ann@example.com", Password: secret, GivenName: "Ann", UserMetadata: &map[string]any{"plan": "free"},
	})
	r.ok(err)
	if u.ID == "" || u.Email != "ann@example.com" || u.EmailVerified || u.GivenName != "Ann" || (*u.UserMetadata)["plan"] != "free" {
		t.Errorf("signed up %+v", u)
	}
	var refused *authentication.Error
	_, err = sdk.Database.Signup(ctx, database.SignupRequest{Connection: "db", Email: "ann@example.com", Password: secret})
	if !errors.As(err, &refused) || refused.StatusCode != 409 || refused.Err != "user_exists" || refused.Message != "The user already exists." {
		t.Errorf("the second signup: %v", err)
	}
	_, err = sdk.Database.Signup(ctx, database.SignupRequest{Connection: "db", Email: "bob@example.com", Password: "short"})
	if !errors.As(err, &refused) || refused.StatusCode != 400 || refused.Err != "invalid_password" {
		t.Errorf("a short password: %v", err)
	}
	said, err := sdk.Database.ChangePassword(ctx, database.ChangePasswordRequest{Connection: "db", Email: "ann@example.com"})
	r.ok(err)
	if said != "We've just sent you an email to reset your password." {
		t.Errorf("it said %q", said)
	}
	r.mail("send_password_reset_email", "ann@example.com")
	sent, err := sdk.Passwordless.SendEmail(ctx, passwordless.SendEmailRequest{Email: "ann@example.com", Send: "code"})
	r.ok(err)
	if sent.ID == "" || sent.Email != "ann@example.com" || sent.EmailVerified {
		t.Errorf("started %+v", sent)
	}
	r.mail("send_login_code", "ann@example.com")
}
