package oidc

import (
	"net/http"

	"github.com/latchkey-dev/latchkey/internal/flows"
)

// goOn answers /continue?state=: the user comes back from the site that a PostLogin hook sent it to.
func (p *Provider) goOn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		p.show(w, r, invalid("The request can't be read: it is no query and no form, or too large."))
		return
	}
	if len(r.Form["state"]) != 1 {
		p.show(w, r, invalid("state has to be there, once."))
		return
	}
	c, login, err := p.cfg.Finder.Login(r, r.Form.Get("state"))
	if err != nil {
		p.show(w, r, err)
		return
	}
	var step flows.Step
	step, err = p.cfg.Flows.Continue(r.Context(), c, login)
	p.Answer(w, r, c, login, step, err)
}
