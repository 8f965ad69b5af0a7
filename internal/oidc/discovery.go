package oidc

import (
	"context"
	"net/http"
	"slices"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/latchkey-dev/latchkey/internal/flows"
	"github.com/latchkey-dev/latchkey/internal/token"
)

// configuration is what discovery tells, with what the library doesn't know.
type configuration struct {
	oidc.DiscoveryConfiguration

	IssInAnswer bool `json:"authorization_response_iss_parameter_supported"` // RFC 9207
}

func (p *Provider) discover(w http.ResponseWriter, r *http.Request) {
	p.allowAny(w, r)
	if err := r.ParseForm(); err != nil {
		refuse(w, invalid("The query can't be read."))
		return
	}
	p.through(&exchange{w: w, r: r})
}

// Discovery is op's.
func (s *server) Discovery(ctx context.Context, _ *op.Request[struct{}]) (*op.Response, error) {
	c, err := s.p.configuration(ctx)
	if err != nil {
		return nil, exchangeOf(ctx).fails(err)
	}
	return op.NewResponse(c), nil
}

func (p *Provider) configuration(ctx context.Context) (*configuration, error) {
	keys, err := p.cfg.Tokens.JWKS(ctx)
	if err != nil {
		return nil, err
	}
	var algorithms []string
	for i := range keys.Keys {
		if alg := keys.Keys[i].Algorithm; !slices.Contains(algorithms, alg) {
			algorithms = append(algorithms, alg)
		}
	}
	if !slices.Contains(algorithms, token.RS256) {
		algorithms = append(algorithms, token.RS256) // which every provider has to name
	}
	issuer := p.cfg.Tokens.URL()
	at := func(path string) string { return issuer + path[1:] }
	withSecret := []oidc.AuthMethod{oidc.AuthMethodPost, oidc.AuthMethodBasic}
	return &configuration{IssInAnswer: true, DiscoveryConfiguration: oidc.DiscoveryConfiguration{
		Issuer: issuer, AuthorizationEndpoint: at(pathAuthorize), TokenEndpoint: at(pathToken), UserinfoEndpoint: at(pathUserInfo), JwksURI: at(pathKeys),
		RevocationEndpoint: at(pathRevoke), IntrospectionEndpoint: at(pathIntrospect), EndSessionEndpoint: at(pathLogout),
		ScopesSupported:        []string{"openid", "profile", "email", "address", "phone", "offline_access"},
		ResponseTypesSupported: []string{"code"},
		ResponseModesSupported: []string{modeQuery, modeFormPost},
		GrantTypesSupported: []oidc.GrantType{
			oidc.GrantTypeCode, oidc.GrantTypeRefreshToken, oidc.GrantTypeClientCredentials, flows.GrantPassword, flows.GrantPasswordRealm, flows.GrantOTP,
		},
		SubjectTypesSupported:                     []string{"public"},
		IDTokenSigningAlgValuesSupported:          algorithms,
		TokenEndpointAuthMethodsSupported:         append(withSecret, oidc.AuthMethodNone),
		RevocationEndpointAuthMethodsSupported:    append(withSecret, oidc.AuthMethodNone),
		IntrospectionEndpointAuthMethodsSupported: withSecret,
		CodeChallengeMethodsSupported:             []oidc.CodeChallengeMethod{oidc.CodeChallengeMethodS256},
		ClaimsSupported:                           []string{"sub", "iss", "aud", "exp", "iat", "auth_time", "amr", "nonce", "sid", "name", "given_name", "family_name", "nickname", "picture", "email", "email_verified"},
		ClaimTypesSupported:                       []string{"normal"},
	}}, nil
}
