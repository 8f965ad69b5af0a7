package pages

import (
	"cmp"
	"errors"
	"net/http"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/flows"
)

// visit is a request for a page of a login under way.
type visit struct {
	w      http.ResponseWriter
	r      *http.Request
	caller flows.Caller
	login  *flows.Login
	ways   flows.Ways
	note   note
}

type page struct{ show, take func(*visit) }

// ofLogin finds the login that the state names: of this browser, and still to be begun.
func (p *Pages) ofLogin(serve func(*visit)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		state := r.URL.Query().Get("state")
		if state == "" {
			p.problem(w, r, http.StatusBadRequest, "This page belongs to a login: begin at the application.")
			return
		}
		v := &visit{w: w, r: r, note: p.note(r, state)}
		var err error
		if v.caller, v.login, err = p.cfg.Finder.Login(r, state); err == nil {
			v.ways, err = p.cfg.Finder.Flows.Ways(r.Context(), v.caller, v.login)
		}
		switch {
		case err != nil:
			p.failed(w, r, err)
		case v.login.Stage() != flows.StageIdentifier:
			p.problem(w, r, http.StatusConflict, "This login went on already, maybe in another tab: begin again at the application.")
		default:
			serve(v)
		}
	}
}

// renderOf writes a page of the login.
func (p *Pages) renderOf(v *visit, name, title string) {
	state := v.login.State
	out := view{
		Title: title, App: cmp.Or(v.caller.Client.Name, v.caller.Tenant.FriendlyName), Problem: v.note.Problem, Notice: v.note.Notice, Typed: v.note.Typed,
		Action: p.at(v.r.URL.Path, state, note{}), Username: v.ways.Username,
	}
	if v.note.Next { // the form's second half is about the same address
		out.Action = p.at(v.r.URL.Path, state, note{Typed: v.note.Typed, Next: true})
	}
	out.Links.Login = p.at("/u/login", state, note{Next: v.login.Asked.ScreenHint == hintSignup})
	if v.ways.Password != "" {
		out.Links.Forgot = p.at("/u/forgot", state, note{})
	}
	if v.ways.Code != "" {
		out.Links.Code = p.at("/u/login/code", state, note{})
	}
	if v.ways.Signup {
		out.Links.Signup = p.at("/u/signup", state, note{})
	}
	p.render(v.w, v.r, http.StatusOK, name, out)
}

// again sends the browser back to the page with what it is to say of the error; a fault has a page of its own.
func (p *Pages) again(v *visit, err error, n note) {
	said, known := sayable(err)
	if !known {
		p.failed(v.w, v.r, err)
		return
	}
	n.Problem = said
	to(v.w, v.r, p.at(v.r.URL.Path, v.login.State, n))
}

// authenticated goes on with the login of a user who has shown who it is.
func (p *Pages) authenticated(v *visit, who flows.Authenticated) {
	step, err := p.cfg.Finder.Flows.Authenticated(v.r.Context(), v.caller, v.login, who)
	var no *flows.Refused
	if errors.As(err, &no) && no.Code == "invalid_request" { // it went on in another tab, which the application needn't know
		p.problem(v.w, v.r, http.StatusConflict, no.Description)
		return
	}
	p.cfg.Answer.Answer(v.w, v.r, v.caller, v.login, step, err)
}

// sayable is what whoever sent a form may know of an error.
func sayable(err error) (string, bool) {
	var refused *flows.Refused
	var no *hooks.Rejection
	switch {
	case errors.As(err, &refused):
		return refused.Description, true
	case errors.As(err, &no):
		return no.Reason, true
	}
	return "", false
}
