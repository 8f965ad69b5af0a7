package oidc

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/latchkey-dev/latchkey/internal/flows"
)

// Answer tells the browser how a login goes on, with what one of the flows' functions returned for it: to the application with the code, to the
// site of a hook, to a form or a page. The browser is given its session's cookie. An error of the login goes to the application, where
// one may be sent to it; what is wrong with the browser's own state (a login that went on in another tab) is said to the person.
func (p *Provider) Answer(w http.ResponseWriter, r *http.Request, c flows.Caller, login *flows.Login, step flows.Step, err error) {
	if err != nil {
		p.answerError(w, r, login, err)
		return
	}
	if step.SessionToken != "" {
		p.cfg.Finder.Cookies.SetSession(w, &c.Tenant, step.SessionToken)
	}
	switch state := url.QueryEscape(login.State); {
	case step.Code != "":
		p.toApplication(w, r, &login.Asked, url.Values{"code": {step.Code}})
	case step.Redirect != "":
		redirect(w, step.Redirect)
	case step.FormID != "":
		redirect(w, pageForm+"?state="+state)
	default:
		redirect(w, pagePage+"?state="+state)
	}
}

func (p *Provider) answerError(w http.ResponseWriter, r *http.Request, login *flows.Login, err error) {
	no := p.refused(r, err)
	tellable := []string{"access_denied", codeLoginRequired, "interaction_required", "consent_required", "account_selection_required", codeServerError}
	if !slices.Contains(tellable, no.Code) {
		p.show(w, r, no)
		return
	}
	p.toApplication(w, r, &login.Asked, refusal(no))
}

func refusal(no *flows.Refused) url.Values {
	return url.Values{"error": {no.Code}, "error_description": {no.Description}}
}

// toApplication sends an answer to the redirect URI, which was checked when the login began, with what the application asked with as
// state, and who answers (RFC 9207).
func (p *Provider) toApplication(w http.ResponseWriter, r *http.Request, asked *flows.AuthorizationRequest, answer url.Values) {
	if asked.State != "" {
		answer.Set("state", asked.State)
	}
	answer.Set("iss", p.cfg.Tokens.URL())
	if asked.ResponseMode == modeFormPost {
		p.postForm(w, r, asked.RedirectURI, answer)
		return
	}
	redirect(w, withQuery(asked.RedirectURI, answer))
}

// withQuery adds to the query that a URI has, which stays as it is.
func withQuery(uri string, more url.Values) string {
	separator := "?"
	if strings.Contains(uri, "?") {
		separator = "&"
	}
	return uri + separator + more.Encode()
}

// redirect sends the browser elsewhere, and never with the form that it has posted.
func redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusSeeOther)
}
