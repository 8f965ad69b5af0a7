package flows

import (
	"context"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/latchkey-dev/latchkey/db"
)

// The grant types of clients (RFC 6749, and Auth0's).
const (
	GrantAuthorizationCode = "authorization_code"
	GrantRefreshToken      = "refresh_token"
	GrantClientCredentials = "client_credentials"
	GrantPassword          = "password"
	GrantPasswordRealm     = "http://auth0.com/oauth/grant-type/password-realm"
	GrantOTP               = "http://auth0.com/oauth/grant-type/passwordless/otp"
)

// InvalidCallback is the code of a [Refused] about a redirect URI that isn't the client's: nothing is sent there.
const InvalidCallback = "invalid_callback"

// publicClient is the token_endpoint_auth_method of clients that can't keep a secret.
const publicClient = "none"

// mayAsk checks an authorization request.
func (f *Flows) mayAsk(ctx context.Context, c Caller, req *AuthorizationRequest) error {
	switch {
	case c.Client == nil || req.ClientID != c.Client.ClientID:
		return &Refused{"unauthorized_client", "There is no such client."}
	case !MayReturnTo(c.Client, req.RedirectURI):
		return &Refused{InvalidCallback, "The redirect_uri is none of the client's callbacks: it has to be one of them, character by character."}
	case req.ResponseType != "code":
		return &Refused{"unsupported_response_type", "response_type has to be code."}
	case !Allows(c.Client, GrantAuthorizationCode):
		return &Refused{"unauthorized_client", "The client's grant_types don't have authorization_code."}
	case req.Silent() && len(req.Prompt) > 1:
		return &Refused{"invalid_request", "prompt has none, and something else."}
	case req.MaxAge != nil && *req.MaxAge < 0:
		return &Refused{"invalid_request", "max_age is negative."}
	}
	if err := mayChallenge(c.Client, req); err != nil {
		return err
	}
	if err := mayUseOrganization(c.Client, req.Organization); err != nil {
		return err
	}
	_, err := f.target(ctx, c, req.Audience)
	return err
}

// MayReturnTo reports whether a redirect URI is one of the client's callbacks, character by character. A native application that listens on
// loopback gets its port from the system, so there the port may be any (RFC 8252, 7.3); that is for the addresses, and not for localhost.
func MayReturnTo(client *db.Client, uri string) bool {
	to, err := url.Parse(uri)
	if err != nil || !to.IsAbs() || strings.Contains(uri, "#") || slices.Contains([]string{"javascript", "data", "vbscript", "file", "blob"}, to.Scheme) {
		return false
	}
	if slices.Contains(client.Callbacks, uri) {
		return true
	}
	portless, loopback := withoutPort(uri)
	return client.AppType == appTypeNative && loopback && slices.ContainsFunc(client.Callbacks, func(callback string) bool {
		other, loopback := withoutPort(callback)
		return loopback && portless == other
	})
}

// withoutPort takes the port out of a URI of a loopback address.
func withoutPort(uri string) (string, bool) {
	parts := regexp.MustCompile(`^(http://(?:127\.0\.0\.1|\[::1\]))(?::[0-9]{1,5})?((?:[/?].*)?)$`).FindStringSubmatch(uri)
	if parts == nil {
		return "", false
	}
	return parts[1] + parts[2], true
}

// Allows reports whether a client may use a grant. One that names none may use those of RFC 6749 but the password's; that, and Auth0's, have to
// be turned on.
func Allows(client *db.Client, grant string) bool {
	usual := []string{GrantAuthorizationCode, GrantRefreshToken, GrantClientCredentials}
	return slices.Contains(client.GrantTypes, grant) || len(client.GrantTypes) == 0 && slices.Contains(usual, grant)
}

// mayChallenge checks what PKCE (RFC 7636) asks of a request: a challenge by S256. plain would show the verifier. A client that keeps a
// secret may go without if its client_metadata say {"pkce": "optional"}, for libraries that know no PKCE; and then a code that was asked
// for with a challenge still needs its verifier, and one without takes none.
func mayChallenge(client *db.Client, req *AuthorizationRequest) error {
	switch {
	case req.CodeChallenge == "" && req.CodeChallengeMethod != "":
		return &Refused{"invalid_request", "code_challenge_method is there, and code_challenge isn't."}
	case req.CodeChallenge == "" && client.TokenEndpointAuthMethod != publicClient && pkceOptional(client):
		return nil
	case req.CodeChallenge == "":
		return &Refused{"invalid_request", "code_challenge is missing: PKCE is required."}
	case req.CodeChallengeMethod != "S256":
		return &Refused{"invalid_request", "code_challenge_method has to be S256."}
	case !regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`).MatchString(req.CodeChallenge):
		return &Refused{"invalid_request", "code_challenge is no SHA-256 in base64url: it has 43 characters."}
	}
	return nil
}

func pkceOptional(client *db.Client) bool {
	var metadata struct {
		PKCE string `json:"pkce"`
	}
	return json.Unmarshal(client.ClientMetadata, &metadata) == nil && metadata.PKCE == "optional"
}
