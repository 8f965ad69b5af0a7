package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/latchkey-dev/latchkey/db"
)

// MaxSuspensions is how often one login may be suspended, by all of its hooks.
const MaxSuspensions = 10

var (
	// ErrSuspensions ends a login that hooks suspended more than [MaxSuspensions] times: they send the user in circles.
	ErrSuspensions = errors.New("auth: the login was suspended too often: its hooks send the user in circles")
	// ErrNotSuspended says that a login was to go on that no hook suspended.
	ErrNotSuspended = errors.New("auth: no hook suspended the login")
)

// LoginOutcome is what PostLogin hooks made of a login. A login that is suspended is kept with it, as JSON, and goes on with it.
type LoginOutcome struct {
	// Suspended is where the user goes before the login goes on; nil: all hooks agreed.
	Suspended *Suspension `json:"suspended,omitempty"`

	IDToken      Members `json:"id_token,omitempty"`     // claims
	AccessToken  Members `json:"access_token,omitempty"` // claims
	UserMetadata Members `json:"user_metadata,omitempty"`
	AppMetadata  Members `json:"app_metadata,omitempty"`

	Ran         []string `json:"ran,omitempty"` // the hooks that don't run again
	Suspensions int      `json:"suspensions,omitempty"`
}

// Suspension is one of the two: a URL that the user is sent to, with the login's state in it, or a form that the user is shown.
type Suspension struct {
	Hook       string `json:"hook"`
	RedirectTo string `json:"redirect_to,omitempty"`
	FormID     string `json:"form_id,omitempty"`
}

// Metadata is the update of the user that the hooks asked for, if they did. It merges, so it may be written later.
func (o *LoginOutcome) Metadata() (in db.UpdateUser, some bool) {
	return db.UpdateUser{UserMetadata: o.UserMetadata.update(), AppMetadata: o.AppMetadata.update(), MergeMetadata: true},
		len(o.UserMetadata)+len(o.AppMetadata) > 0
}

func (m Members) update() (o db.Optional[json.RawMessage]) {
	if len(m) == 0 {
		return o
	}
	text, err := json.Marshal(m)
	if err != nil { // the outcome was read from JSON, or made by Marshal
		return o
	}
	return db.Set(json.RawMessage(text))
}

// RunPostLogin runs the PostLogin hooks, for a server: after the user authenticated, with no transaction open, and before there is a
// session or a token. They run in the order of their registration, until one suspends the login, which the outcome then says.
//
// Any error ends the login: a refusal is a hooks.Rejection; a hook that failed, panicked or missed its deadline is a hooks.Fault that
// names it. [ErrSuspensions] is one too.
func (h *Hooks) RunPostLogin(ctx context.Context, ev *PostLogin) (LoginOutcome, error) {
	return h.runLogin(ctx, ev, LoginOutcome{})
}

// RunContinuePostLogin goes on with a login that was suspended, when the user came back: with the OnContinuePostLogin hook of
// the name of the hook that suspended it, if there is one, and then the PostLogin hooks that haven't run, also those that came with a new
// release meanwhile. sofar is the outcome that said so. Errors: as [Hooks.RunPostLogin], [ErrNotSuspended], and a hook that suspended the
// login and is no longer registered, as nobody could judge what the user did.
func (h *Hooks) RunContinuePostLogin(ctx context.Context, ev *PostLogin, sofar LoginOutcome) (LoginOutcome, error) {
	if sofar.Suspended == nil {
		return LoginOutcome{}, ErrNotSuspended
	}
	name := sofar.Suspended.Hook
	if !h.login.Has(name) {
		return LoginOutcome{}, fmt.Errorf("auth: the %s hook %q, which suspended the login, is no longer registered: the user has to log in anew", postLogin, name)
	}
	out := sofar.copied()
	out.Suspended = nil
	if err := h.ask(ctx, h.continued, name, ev, &out); err != nil {
		return LoginOutcome{}, err
	}
	if out.Suspended != nil {
		return out, nil
	}
	return h.runLogin(ctx, ev, out)
}

func (h *Hooks) runLogin(ctx context.Context, ev *PostLogin, out LoginOutcome) (LoginOutcome, error) {
	for _, name := range h.login.Names() {
		if slices.Contains(out.Ran, name) {
			continue
		}
		if err := h.ask(ctx, h.login, name, ev, &out); err != nil {
			return LoginOutcome{}, err
		}
		out.Ran = append(out.Ran, name)
		if out.Suspended != nil {
			break
		}
	}
	return out, nil
}

// ask runs one hook, and puts what it said into the outcome.
func (h *Hooks) ask(ctx context.Context, flow *loginFlow, name string, ev *PostLogin, out *LoginOutcome) error {
	if !flow.Has(name) {
		return nil
	}
	own, err := ev.own(out)
	if err != nil {
		return err
	}
	s, bound := &said{}, *ev // what redirects are bound to isn't the hook's to change
	err = flow.Run(ctx, name, func(ctx context.Context, fn loginHook) error {
		return s.verdict(fn(ctx, own, PostLoginAPI{
			Access: Access{s}, Prompt: Prompt{s}, Redirect: Redirect{s, &bound},
			IDToken:     TokenClaims{s, func(s *said) *Members { return &s.id }},
			AccessToken: TokenClaims{s, func(s *said) *Members { return &s.access }},
			User:        LoginUser{UserMetadata{s}}, Token: Tokens{h, ev.Tenant.ID},
		}))
	})
	if err != nil {
		return err
	}
	return out.add(name, s.take())
}

func (o *LoginOutcome) add(hook string, s *said) error {
	o.IDToken, o.AccessToken = o.IDToken.with(s.id), o.AccessToken.with(s.access)
	o.UserMetadata, o.AppMetadata = o.UserMetadata.with(s.user), o.AppMetadata.with(s.app)
	if s.redirect == "" && s.form == "" {
		return nil
	}
	if o.Suspensions++; o.Suspensions > MaxSuspensions {
		return fmt.Errorf("%w (the last was %s)", ErrSuspensions, hook)
	}
	o.Suspended = &Suspension{Hook: hook, RedirectTo: s.redirect, FormID: s.form}
	return nil
}

// copied shares no memory that is written to: the caller keeps what was.
func (o *LoginOutcome) copied() LoginOutcome {
	c := *o
	c.Ran = slices.Clone(o.Ran)
	return c
}
