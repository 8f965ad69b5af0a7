package pages

import "cmp"

// showForgot asks for the address that a mail to reset the password is to be sent to.
func (p *Pages) showForgot(v *visit) {
	v.note.Typed = cmp.Or(v.note.Typed, v.login.Asked.LoginHint)
	p.renderOf(v, "forgot", "Reset your password")
}

// forgot answers the same whether somebody has the address.
func (p *Pages) forgot(v *visit) {
	email := field(v.r, "email")
	if err := p.cfg.Finder.Flows.RequestPasswordReset(v.r.Context(), v.caller, v.ways.Password, email); err != nil {
		p.again(v, err, note{Typed: email})
		return
	}
	to(v.w, v.r, p.at("/u/forgot", v.login.State, note{Notice: "If there is an account with this address, a mail with a link is on its way. The link is valid for 15 minutes."}))
}
