package pages

import (
	"cmp"
)

func (p *Pages) showLogin(v *visit) {
	if v.ways.Password == "" && v.ways.Code != "" { // there is but one way
		to(v.w, v.r, p.at("/u/login/code", v.login.State, note{}))
		return
	}
	v.note.Typed = cmp.Or(v.note.Typed, v.login.Asked.LoginHint)
	p.renderOf(v, "login", "Log in")
}

// login takes identifier and password.
func (p *Pages) login(v *visit) {
	identifier := field(v.r, "identifier")
	who, err := p.cfg.Finder.Flows.CheckPassword(v.r.Context(), v.caller, v.ways.Password, identifier, v.r.PostForm.Get("password"))
	if err != nil {
		p.again(v, err, note{Typed: identifier})
		return
	}
	p.authenticated(v, who)
}
