package oidc

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/flows"
	"github.com/latchkey-dev/latchkey/internal/token"
)

// logout answers /oidc/logout (OpenID Connect RP-Initiated Logout 1.0).
func (p *Provider) logout(w http.ResponseWriter, r *http.Request) {
	x := &exchange{w: w, r: r}
	if err := p.readLogout(x); err != nil {
		p.show(w, r, err)
		return
	}
	p.through(x)
}

func (p *Provider) readLogout(x *exchange) error {
	x.r.Body = http.MaxBytesReader(x.w, x.r.Body, maxBody)
	if err := x.r.ParseForm(); err != nil {
		return invalid("The request can't be read: it is no query and no form, or too large.")
	}
	for name, values := range x.r.Form {
		if len(values) > 1 {
			return invalid("%s is there more than once.", name)
		}
	}
	return nil
}

// EndSession is op's. The session ends whether or not the browser may be sent where it wants to: who logs out is logged out. But for one thing:
// a hint that names another user than the one who is logged in ends nothing.
func (s *server) EndSession(ctx context.Context, r *op.Request[oidc.EndSessionRequest]) (*op.Redirect, error) {
	p, x, ask := s.p, exchangeOf(ctx), r.Data
	var hint token.Claims
	var err error
	if ask.IdTokenHint != "" {
		if hint, err = p.cfg.Tokens.ReadHint(ctx, ask.IdTokenHint); errors.Is(err, token.ErrInvalid) {
			err = invalid("id_token_hint is no ID token that was issued here.")
		}
		if err == nil && ask.ClientID != "" && ask.ClientID != hint.Audience[0] {
			err = invalid("client_id is another than the one that id_token_hint was issued to.")
		}
	}
	id := ask.ClientID
	if id == "" && len(hint.Audience) > 0 {
		id = hint.Audience[0]
	}
	if err == nil {
		x.caller, err = p.cfg.Finder.Caller(x.r, id)
	}
	if err == nil && hint.TenantID != "" && hint.TenantID != x.caller.Tenant.ID {
		err = invalid("id_token_hint was issued for another tenant.")
	}
	to := ask.PostLogoutRedirectURI
	if err == nil {
		err = p.end(ctx, x, hint.Subject, to)
	}
	if err == nil && to != "" && ask.State != "" {
		to = withQuery(to, url.Values{"state": {ask.State}})
	}
	x.answer = func() { p.loggedOut(x, to, err) }
	return op.NewRedirect(""), nil
}

// end ends the browser's session, if it may be sent to the URL then: no link ends one that leads nowhere.
func (p *Provider) end(ctx context.Context, x *exchange, subject, to string) error {
	allowed := x.caller.Tenant.AllowedLogoutURLs
	if x.caller.Client != nil {
		allowed = slices.Concat(x.caller.Client.AllowedLogoutURLs, allowed)
	}
	if to != "" && !slices.Contains(allowed, to) {
		return &flows.Refused{Code: codeInvalidRequest, Description: "The URL to return to is none of the allowed_logout_urls: it has to be one of them, character by character."}
	}
	cookies, tenant := p.cfg.Finder.Cookies, x.caller.Tenant.ID
	s, err := p.cfg.Flows.Session(ctx, tenant, cookies.Browser(x.r, tenant).Session)
	switch {
	case errors.Is(err, db.ErrNotFound):
		cookies.EndSession(x.w, tenant)
	case err != nil:
		return err
	case subject == "" || subject == s.UserID:
		if err := p.cfg.Flows.Logout(ctx, x.caller, s); err != nil {
			return err
		}
		cookies.EndSession(x.w, tenant)
	}
	return nil
}

func (p *Provider) loggedOut(x *exchange, to string, err error) {
	switch {
	case err != nil:
		p.show(x.w, x.r, err)
	case to != "":
		redirect(x.w, to)
	default:
		plain(x.w, http.StatusOK, "You are logged out.")
	}
}
