package oidc

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/latchkey-dev/latchkey/internal/flows"
)

// The response modes.
const (
	modeQuery    = "query"
	modeFormPost = "form_post"
)

// authorize answers /authorize: a login begins, or the session that the browser has will do.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		p.show(w, r, invalid("The request can't be read: it is no query and no form, or too large."))
		return
	}
	x := &exchange{w: w, r: r}
	x.answer = func() { p.show(w, r, x.err) } // until it is known where an error may be sent
	for _, name := range []string{"client_id", "redirect_uri"} {
		if len(r.Form[name]) > 1 {
			x.err = invalid("%s is there more than once.", name)
			x.answer()
			return
		}
	}
	if x.caller, x.err = p.cfg.Finder.Caller(r, r.Form.Get("client_id")); x.err == nil {
		x.err = mayReturn(x, r.Form.Get("redirect_uri"))
	}
	if x.err != nil {
		x.answer()
		return
	}
	x.asked = request(r.Form)
	x.answer = nil
	if err := checkForm(r.Form, &x.asked); err != nil {
		p.toApplication(w, r, &x.asked, refusal(p.refused(r, err)))
		return
	}
	x.r = r.Clone(r.Context())
	x.r.Form = url.Values{ // what is left for op to read; the rest is ours
		"client_id": {x.asked.ClientID}, "redirect_uri": {checkedRedirect}, "response_type": {x.asked.ResponseType}, "scope": {"openid"},
	}
	p.through(x)
}

// mayReturn checks what has to be right before anything is sent to the redirect URI.
func mayReturn(x *exchange, redirect string) error {
	switch {
	case x.caller.Client == nil:
		return invalid("client_id is missing.")
	case redirect == "":
		return invalid("redirect_uri is missing.")
	case !flows.MayReturnTo(x.caller.Client, redirect):
		return &flows.Refused{Code: flows.InvalidCallback, Description: "The redirect_uri is none of the client's callbacks: it has to be one of them, character by character."}
	}
	return nil
}

// request reads what is asked for.
func request(form url.Values) flows.AuthorizationRequest {
	req := flows.AuthorizationRequest{
		ClientID: form.Get("client_id"), RedirectURI: form.Get("redirect_uri"), ResponseType: form.Get("response_type"), ResponseMode: form.Get("response_mode"),
		Scope: strings.Fields(form.Get("scope")), Audience: form.Get("audience"), State: form.Get("state"), Nonce: form.Get("nonce"),
		CodeChallenge: form.Get("code_challenge"), CodeChallengeMethod: form.Get("code_challenge_method"), Prompt: strings.Fields(form.Get("prompt")),
		LoginHint: form.Get("login_hint"), ScreenHint: form.Get("screen_hint"), Connection: form.Get("connection"), Organization: form.Get("organization"),
		UILocales: form.Get("ui_locales"), ACRValues: form.Get("acr_values"),
	}
	if !form.Has("scope") {
		req.Scope = []string{"openid", "profile", "email"} // as Auth0 has it
	}
	return req
}

// checkForm checks what only a request over HTTP can have wrong.
func checkForm(form url.Values, req *flows.AuthorizationRequest) error {
	mode := req.ResponseMode
	if mode != modeFormPost {
		req.ResponseMode = "" // an error goes by the query
	}
	for name, values := range form {
		if len(values) > 1 {
			return invalid("%s is there more than once.", name)
		}
	}
	switch {
	case form.Has("request"):
		return &flows.Refused{Code: "request_not_supported", Description: "The parameter request isn't supported."}
	case form.Has("request_uri"):
		return &flows.Refused{Code: "request_uri_not_supported", Description: "The parameter request_uri isn't supported."}
	case form.Has("registration"):
		return &flows.Refused{Code: "registration_not_supported", Description: "The parameter registration isn't supported."}
	case req.ResponseType == "":
		return invalid("response_type is missing.")
	case req.ResponseType != "code":
		return &flows.Refused{Code: "unsupported_response_type", Description: "response_type has to be code."}
	case !slices.Contains([]string{"", modeQuery, modeFormPost}, mode):
		return invalid("response_mode has to be query or form_post.")
	}
	if text := form.Get("max_age"); text != "" {
		seconds, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return invalid("max_age is no number of seconds.")
		}
		age := int(seconds)
		req.MaxAge = &age
	}
	return nil
}

// VerifyAuthRequest is op's: the request was verified before, so that its errors go where they may.
func (s *server) VerifyAuthRequest(ctx context.Context, r *op.Request[oidc.AuthRequest]) (*op.ClientRequest[oidc.AuthRequest], error) {
	return &op.ClientRequest[oidc.AuthRequest]{Request: r, Client: &client{exchangeOf(ctx).caller}}, nil
}

// Authorize is op's: a login begins. Where the browser has a session that will do, it ends at once.
func (s *server) Authorize(ctx context.Context, r *op.ClientRequest[oidc.AuthRequest]) (*op.Redirect, error) {
	p, x := s.p, exchangeOf(ctx)
	login, err := p.cfg.Flows.Begin(ctx, x.caller, x.asked, p.cfg.Finder.Cookies.Bind(x.w, x.r, x.caller.Tenant.ID))
	if err != nil {
		x.answer = func() { p.toApplication(x.w, x.r, &x.asked, refusal(p.refused(x.r, err))) }
		return op.NewRedirect(""), nil
	}
	page := op.NewRedirect(r.Client.LoginURL(url.QueryEscape(login.State)))
	if login.MustAuthenticate(p.cfg.Now()) != "" && !x.asked.Silent() {
		return page, nil
	}
	var step flows.Step
	if err = p.hintFits(ctx, x, login); err == nil {
		step, err = p.cfg.Flows.Resume(ctx, x.caller, login)
	}
	if err != nil && !x.asked.Silent() && p.refused(x.r, err).Code == codeLoginRequired {
		return page, nil
	}
	x.answer = func() { p.Answer(x.w, x.r, x.caller, login, step, err) }
	return op.NewRedirect(""), nil
}

// hintFits checks that an id_token_hint names the user whose session it is.
func (p *Provider) hintFits(ctx context.Context, x *exchange, login *flows.Login) error {
	raw := x.r.URL.Query().Get("id_token_hint")
	if raw == "" {
		raw = x.r.PostForm.Get("id_token_hint")
	}
	if raw == "" || login.Session == nil {
		return nil
	}
	hint, err := p.cfg.Tokens.ReadHint(ctx, raw)
	if err != nil || hint.TenantID != x.caller.Tenant.ID || hint.Subject != login.Session.UserID {
		return &flows.Refused{Code: codeLoginRequired, Description: "id_token_hint names another user than the one who is logged in, or isn't good."}
	}
	return nil
}
