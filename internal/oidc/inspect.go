package oidc

import (
	"context"
	"errors"
	"net/http"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/flows"
)

// userInfo answers /userinfo. The token comes in the header, or in a form; never in the URL.
func (p *Provider) userInfo(w http.ResponseWriter, r *http.Request) {
	x := &exchange{w: w, r: r}
	r.URL.RawQuery = ""
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		p.fail(x, invalid("The body is no form, or too large."))
		return
	}
	if r.Header.Get("Authorization") == "" && r.Form.Get("access_token") == "" {
		w.Header().Set("Www-Authenticate", "Bearer")
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	p.through(x)
}

// UserInfo is op's.
func (s *server) UserInfo(ctx context.Context, r *op.Request[oidc.UserInfoRequest]) (*op.Response, error) {
	x := exchangeOf(ctx)
	info, claims, err := s.p.cfg.Flows.UserInfo(ctx, r.Data.AccessToken)
	if err != nil {
		return nil, x.fails(err)
	}
	client, err := s.p.cfg.Finder.Store.Clients.Get(ctx, claims.TenantID, claims.AuthorizedParty)
	switch {
	case err == nil:
		s.p.allow(x.w, x.r, &client)
	case !errors.Is(err, db.ErrNotFound): // a token of FullAuth's login is of no client
		return nil, x.fails(err)
	}
	return op.NewResponse(info), nil
}

// introspect answers /oauth/introspect (RFC 7662).
func (p *Provider) introspect(w http.ResponseWriter, r *http.Request) {
	if x, ok := p.begin(w, r); ok {
		p.through(x)
	}
}

// Introspect is op's. A client that keeps a secret may ask about access tokens of its tenant, as APIs do, and about its own refresh tokens.
func (s *server) Introspect(ctx context.Context, r *op.Request[op.IntrospectionRequest]) (*op.Response, error) {
	x := exchangeOf(ctx)
	if err := s.p.authenticate(ctx, x, r.Data.ClientCredentials); err != nil {
		return nil, x.fails(err)
	}
	i, err := s.p.cfg.Flows.Inspect(ctx, x.caller.Tenant.ID, r.Data.Token)
	if err != nil {
		return nil, x.fails(err)
	}
	if !i.Active || i.Refresh && i.ClientID != x.caller.Client.ClientID {
		return op.NewResponse(inspection{}), nil
	}
	out := inspection{
		Active: true, Scope: i.Scope, ClientID: i.ClientID, Subject: i.Subject, Audience: i.Audience, Issuer: i.Issuer, ID: i.ID, SessionID: i.SessionID,
		Expires: i.Expires.Unix(), IssuedAt: i.IssuedAt.Unix(), TokenType: "Bearer",
	}
	if i.Refresh {
		out.TokenType = flows.GrantRefreshToken
	}
	return op.NewResponse(out), nil
}

// inspection is what introspection tells; of a token that isn't active, only that.
type inspection struct {
	Active    bool     `json:"active"`
	Scope     string   `json:"scope,omitempty"`
	ClientID  string   `json:"client_id,omitempty"`
	TokenType string   `json:"token_type,omitempty"`
	Expires   int64    `json:"exp,omitempty"`
	IssuedAt  int64    `json:"iat,omitempty"`
	Subject   string   `json:"sub,omitempty"`
	Audience  []string `json:"aud,omitempty"`
	Issuer    string   `json:"iss,omitempty"`
	ID        string   `json:"jti,omitempty"`
	SessionID string   `json:"sid,omitempty"`
}

// revoke answers /oauth/revoke (RFC 7009).
func (p *Provider) revoke(w http.ResponseWriter, r *http.Request) {
	x, ok := p.begin(w, r)
	if !ok {
		return
	}
	delete(r.Form, "grant_type") // op would check it
	delete(r.PostForm, "grant_type")
	p.through(x)
}

// Revocation is op's.
func (s *server) Revocation(ctx context.Context, r *op.ClientRequest[oidc.RevocationRequest]) (*op.Response, error) {
	x := exchangeOf(ctx)
	if err := s.p.cfg.Flows.Revoke(ctx, x.caller, r.Data.Token); err != nil {
		return nil, x.fails(err)
	}
	return op.NewResponse(nil), nil
}
