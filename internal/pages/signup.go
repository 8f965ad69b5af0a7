package pages

import (
	"cmp"
	"errors"

	"github.com/latchkey-dev/latchkey/internal/flows"
)

// showSignup asks for an e-mail address, and when hooks have said that it may sign up, for a password.
func (p *Pages) showSignup(v *visit) {
	switch {
	case !v.ways.Signup:
		p.failed(v.w, v.r, errNoSignup())
	case v.note.Next:
		p.renderOf(v, "signup_password", "Sign up")
	default:
		v.note.Typed = cmp.Or(v.note.Typed, v.login.Asked.LoginHint)
		p.renderOf(v, "signup", "Sign up")
	}
}

// signup takes the address, and then the password for the address that was taken.
func (p *Pages) signup(v *visit) {
	ctx, f := v.r.Context(), p.cfg.Finder.Flows
	if !v.ways.Signup {
		p.failed(v.w, v.r, errNoSignup())
		return
	}
	if !v.note.Next {
		email := field(v.r, "email")
		if err := f.ValidateUsername(ctx, v.caller, email, v.ways.Password); err != nil {
			p.again(v, err, note{Typed: email})
			return
		}
		to(v.w, v.r, p.at("/u/signup", v.login.State, note{Typed: email, Next: true}))
		return
	}
	email, password := v.note.Typed, v.r.PostForm.Get("password")
	_, err := f.Signup(ctx, v.caller, flows.Signup{Connection: v.ways.Password, Email: email, Username: field(v.r, "username"), Password: password})
	if err != nil {
		p.again(v, err, note{Typed: email, Next: !isAboutAddress(v, err)})
		return
	}
	who, err := f.CheckPassword(ctx, v.caller, v.ways.Password, email, password)
	if _, known := sayable(err); known { // the address has to be verified first, or is someone else's, which is not said
		to(v.w, v.r, p.at("/u/login", v.login.State, note{Typed: email, Notice: "Look into your mail, and open the link in it. Then log in."}))
		return
	}
	if err != nil {
		p.failed(v.w, v.r, err)
		return
	}
	who.New = true
	p.authenticated(v, who)
}

// isAboutAddress reports whether another address would help, and not another password or username.
func isAboutAddress(v *visit, err error) bool {
	var no *flows.Refused
	return !errors.As(err, &no) || no.Code == "user_exists" || no.Code == "invalid_signup" && !v.ways.Username
}

func errNoSignup() error {
	return &flows.Refused{Code: "unauthorized", Description: "Nobody can sign up here."}
}
