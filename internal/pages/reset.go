package pages

import "github.com/latchkey-dev/latchkey/internal/flows"

func (p *Pages) showReset(o *opened) { p.renderLink(o, "reset", "Choose another password") }

// reset takes another password, twice, as nobody sees what they type.
func (p *Pages) reset(o *opened) {
	password := o.r.PostForm.Get("password")
	if password != o.r.PostForm.Get("password_confirmation") {
		p.linkAgain(o, &flows.Refused{Code: "invalid_password", Description: "The two passwords are not the same."})
		return
	}
	u, t, err := p.cfg.Finder.Flows.ResetPassword(o.r.Context(), o.caller, o.ticket, password)
	if err != nil {
		p.linkAgain(o, err)
		return
	}
	p.done(o, &u, &t, "Your password is changed", "You can log in with it now. You were logged out everywhere else.")
}
