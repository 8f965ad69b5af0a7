package pages

import (
	"cmp"

	"github.com/latchkey-dev/latchkey/internal/flows"
)

// showCode asks for the address that a code is to be sent to, and when it was, for the code.
func (p *Pages) showCode(v *visit) {
	switch {
	case v.ways.Code == "":
		p.failed(v.w, v.r, errNoWay())
	case v.note.Next:
		p.renderOf(v, "code_enter", "Enter the code")
	default:
		v.note.Typed = cmp.Or(v.note.Typed, v.login.Asked.LoginHint)
		p.renderOf(v, "code", "Log in by a code")
	}
}

func (p *Pages) code(v *visit) {
	ctx, f := v.r.Context(), p.cfg.Finder.Flows
	if v.ways.Code == "" {
		p.failed(v.w, v.r, errNoWay())
		return
	}
	if !v.note.Next {
		email := field(v.r, "email")
		if err := f.SendCode(ctx, v.caller, flows.SendCode{Connection: v.ways.Code, Address: email}); err != nil {
			p.again(v, err, note{Typed: email})
			return
		}
		to(v.w, v.r, p.at("/u/login/code", v.login.State, note{Typed: email, Next: true}))
		return
	}
	who, err := f.CheckCode(ctx, v.caller, v.ways.Code, v.note.Typed, field(v.r, "code"))
	if err != nil {
		p.again(v, err, note{Typed: v.note.Typed, Next: true})
		return
	}
	p.authenticated(v, who)
}

func errNoWay() error {
	return &flows.Refused{Code: "invalid_request", Description: "The application doesn't let anyone log in this way."}
}
