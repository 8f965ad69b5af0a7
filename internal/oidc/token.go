package oidc

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/latchkey-dev/latchkey/internal/flows"
)

// token answers /oauth/token.
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Pragma", "no-cache")
	if p.limit != nil && p.limit.OnLimit(w, r, p.cfg.Finder.Address(r)) {
		refuse(w, &flows.Refused{Code: codeTooMany, Description: "Too many requests from this address within a minute: wait, and send fewer."})
		return
	}
	x, ok := p.begin(w, r)
	if !ok {
		return
	}
	switch grant := r.PostForm.Get("grant_type"); grant {
	case flows.GrantPassword, flows.GrantPasswordRealm, flows.GrantOTP:
		p.byPassword(x, grant)
	case flows.GrantAuthorizationCode, flows.GrantRefreshToken, flows.GrantClientCredentials, "":
		p.through(x)
	default:
		refuse(w, &flows.Refused{Code: "unsupported_grant_type", Description: "There is no such grant_type here."})
	}
}

// begin reads the body of a request that a client makes, and who the client says that it is.
func (p *Provider) begin(w http.ResponseWriter, r *http.Request) (*exchange, bool) {
	x := &exchange{w: w, r: r}
	if err := readForm(w, r); err != nil {
		p.fail(x, err)
		return x, false
	}
	if _, _, x.basic = r.BasicAuth(); x.basic && r.PostForm.Get("client_secret") != "" {
		p.fail(x, invalid("The client authenticates in two ways: use one."))
		return x, false
	}
	return x, true
}

// VerifyClient is op's.
func (s *server) VerifyClient(ctx context.Context, r *op.Request[op.ClientCredentials]) (op.Client, error) {
	x := exchangeOf(ctx)
	if err := s.p.authenticate(ctx, x, r.Data); err != nil {
		return nil, x.fails(err)
	}
	grant := x.r.PostForm.Get("grant_type")
	if grant != "" && !flows.Allows(x.caller.Client, grant) {
		return nil, x.fails(s.p.notAllowed(ctx, x, grant))
	}
	return &client{x.caller}, nil
}

// authenticate finds out which client it is, and whether it is that.
func (p *Provider) authenticate(ctx context.Context, x *exchange, as *op.ClientCredentials) (err error) {
	switch {
	case as.ClientAssertion != "":
		return &flows.Refused{Code: codeInvalidClient, Description: "client_assertion isn't supported: use client_secret."}
	case as.ClientID == "":
		return &flows.Refused{Code: codeInvalidClient, Description: "client_id is missing, in the body or by HTTP Basic."}
	}
	if x.caller, err = p.cfg.Finder.Caller(x.r, as.ClientID); err != nil {
		return err
	}
	p.allow(x.w, x.r, x.caller.Client)
	if err = p.cfg.Finder.Authenticate(ctx, x.caller, as.ClientSecret); err != nil {
		if grant := x.r.PostForm.Get("grant_type"); grant != "" {
			p.cfg.Flows.NotExchanged(ctx, x.caller, grant, "The client was refused: "+p.refused(x.r, err).Description)
		}
	}
	return err
}

func (p *Provider) notAllowed(ctx context.Context, x *exchange, grant string) error {
	no := &flows.Refused{Code: "unauthorized_client", Description: "The client's grant_types don't have " + grant + "."}
	p.cfg.Flows.NotExchanged(ctx, x.caller, grant, no.Description)
	return no
}

// credentials are those that op reads by itself for its own grants.
func credentials(r *http.Request) (as op.ClientCredentials, err error) {
	form := r.PostForm
	as = op.ClientCredentials{ClientID: form.Get("client_id"), ClientSecret: form.Get("client_secret"), ClientAssertion: form.Get("client_assertion")}
	if id, secret, basic := r.BasicAuth(); basic {
		if as.ClientID, err = url.QueryUnescape(id); err == nil {
			as.ClientSecret, err = url.QueryUnescape(secret)
		}
	}
	if err != nil {
		err = &flows.Refused{Code: codeInvalidClient, Description: "The Authorization header can't be read."}
	}
	return as, err
}

// CodeExchange is op's.
func (s *server) CodeExchange(ctx context.Context, r *op.ClientRequest[oidc.AccessTokenRequest]) (*op.Response, error) {
	x := exchangeOf(ctx)
	return x.tokens(s.p.cfg.Flows.Redeem(ctx, x.caller, r.Data.Code, r.Data.RedirectURI, r.Data.CodeVerifier))
}

// RefreshToken is op's.
func (s *server) RefreshToken(ctx context.Context, r *op.ClientRequest[oidc.RefreshTokenRequest]) (*op.Response, error) {
	x := exchangeOf(ctx)
	return x.tokens(s.p.cfg.Flows.Refresh(ctx, x.caller, r.Data.RefreshToken, r.Data.Scopes))
}

// ClientCredentialsExchange is op's.
func (s *server) ClientCredentialsExchange(ctx context.Context, _ *op.ClientRequest[oidc.ClientCredentialsRequest]) (*op.Response, error) {
	x := exchangeOf(ctx)
	form := x.r.PostForm
	return x.tokens(s.p.cfg.Flows.ClientCredentials(ctx, x.caller, form.Get("audience"), strings.Fields(form.Get("scope"))))
}

// tokens makes op's answer of what a flow gave.
func (x *exchange) tokens(t flows.Tokens, err error) (*op.Response, error) {
	if err != nil {
		return nil, x.fails(err)
	}
	return op.NewResponse(answerOf(t)), nil
}

// tokenAnswer is what the token endpoint answers (RFC 6749, 5.1).
type tokenAnswer struct {
	AccessToken  string `json:"access_token"`
	IDToken      string `json:"id_token,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope"`
	ExpiresIn    int64  `json:"expires_in"`
	TokenType    string `json:"token_type"`
}

func answerOf(t flows.Tokens) *tokenAnswer {
	return &tokenAnswer{
		AccessToken: t.AccessToken, IDToken: t.IDToken, RefreshToken: t.RefreshToken, Scope: t.Scope, ExpiresIn: t.ExpiresIn, TokenType: t.TokenType,
	}
}
