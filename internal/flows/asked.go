package flows

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"

	"github.com/latchkey-dev/latchkey/db"
)

// The grant types of clients (RFC 6749, and Auth0's).
const (
	GrantAuthorizationCode = "authorization_code"
	GrantRefreshToken      = "refresh_token"
	GrantClientCredentials = "client_credentials"
	GrantPassword          = "password"
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
	case !slices.Contains(c.Client.Callbacks, req.RedirectURI):
		return &Refused{InvalidCallback, "The redirect_uri is none of the client's callbacks: it has to be one of them, character by character."}
	case req.ResponseType != "code":
		return &Refused{"unsupported_response_type", "response_type has to be code."}
	case !allows(c.Client, GrantAuthorizationCode):
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

// allows reports whether a client may use a grant. One that names none may use all but the password's, which has to be turned on.
func allows(client *db.Client, grant string) bool {
	return slices.Contains(client.GrantTypes, grant) || len(client.GrantTypes) == 0 && grant != GrantPassword
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
