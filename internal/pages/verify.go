package pages

// showVerify has a button: programs that look at the links of mails would else use them up.
func (p *Pages) showVerify(o *opened) { p.renderLink(o, "verify", "Verify your e-mail address") }

func (p *Pages) verify(o *opened) {
	u, t, err := p.cfg.Finder.Flows.VerifyEmail(o.r.Context(), o.caller, o.ticket)
	if err != nil {
		p.linkAgain(o, err)
		return
	}
	p.done(o, &u, &t, "Your e-mail address is verified", "You can go back to the application and log in.")
}
