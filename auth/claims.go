package auth

import (
	"fmt"
	"slices"
	"strings"
)

// TokenClaims is the part of an API that adds claims to a token.
type TokenClaims struct {
	said *said
	of   func(*said) *Members
}

// SetCustomClaim adds a claim to the token, or replaces one that a hook added. A name with a namespace, such as
// https://example.com/roles, meets no other claim. Those that say what a token is, and for whom, are the server's: setting one
// (sub, aud, scope, ...) fails the hook. The value is whatever encoding/json makes JSON of, hence any; if that fails, so does the hook.
func (c TokenClaims) SetCustomClaim(name string, value any) {
	if name == "" || reservedClaim(name) {
		c.said.wrong(fmt.Errorf("auth: claim %q is set by the server alone: give yours another name, such as https://example.com/%s", name, name))
		return
	}
	c.said.set(c.of, "claim", name, value)
}

// reservedClaim tells the claims that no hook sets, in whatever case: there are readers who don't mind it.
func reservedClaim(name string) bool {
	return slices.Contains([]string{
		// RFC 7519, section 4.1
		"iss", "sub", "aud", "exp", "nbf", "iat", "jti",
		// OpenID Connect Core 1.0, sections 2, 3.1.3.6 and 3.3.2.11; s_hash: Financial-grade API, part 2, section 5.1
		"auth_time", "nonce", "acr", "amr", "azp", "at_hash", "c_hash", "s_hash", "sub_jwk",
		// OpenID Connect Back-Channel Logout 1.0, section 2.4; RFC 8417, section 2.2
		"sid", "events", "toe", "txn",
		// RFC 8693, section 4; RFC 7800, section 3.1; RFC 7662, section 2.2; RFC 9396, section 9
		"scope", "client_id", "act", "may_act", "cnf", "active", "token_type", "username", "authorization_details",
		// Auth0's, and our own
		"permissions", "gty", "org_id", "org_name", "tenant_id", "grant",
	}, strings.ToLower(name))
}
