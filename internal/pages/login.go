package pages

import "cmp"

// hintSignup is the screen_hint of an application that has someone sign up. Who then would rather log in comes back with a note.
const hintSignup = "signup"

func (p *Pages) showLogin(v *visit) {
	switch {
	case v.ways.Signup && v.login.Asked.ScreenHint == hintSignup && v.note == (note{}):
		to(v.w, v.r, p.at("/u/signup", v.login.State, note{}))
		return
	case v.ways.Password == "" && v.ways.Code != "": // there is but one way
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
