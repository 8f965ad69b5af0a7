package flows

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// Step is what comes next in a login. Exactly one of Redirect, FormID, PageID and Code is there.
type Step struct {
	Redirect string // another site, by a PostLogin hook; the user comes back to /continue?state=
	FormID   string // a form: of a PostLogin hook or of the tenant. Then Answered
	PageID   string // a page of the tenant's. Then Answered
	Code     string // done: the authorization code, for 60 seconds

	SessionToken string // the session's, for a new cookie; with a Code, unless the browser's session goes on
	Login        *Login
}

// attempt is a login between the authentication and the code.
type attempt struct {
	Caller
	login   *Login           // nil: of no browser
	direct  auth.Transaction // in its place
	who     Authenticated
	in      *db.Organization // nil: of no organization
	counted bool             // its stats are written already
	resumed bool             // by login.Session, which so goes on
	answers json.RawMessage  // nil: those that there are
	hooks   auth.LoginOutcome
}

// progress is the outcome of db.LoginSession: what has to be known when the login goes on.
type progress struct {
	auth.LoginOutcome
	FormID         string `json:"form_id,omitempty"`
	PageID         string `json:"page_id,omitempty"`
	OrganizationID string `json:"organization_id,omitempty"`
	Resumed        bool   `json:"resumed,omitempty"`
}

// Authenticated goes on with a login whose user has shown who it is: the stats (no hook), PostLogin's hooks with no transaction open, the
// tenant's form, its page, and then the end: the metadata that hooks set (user-update hooks run), a new session, after_login, the code.
// Without a PostLogin hook, all that is written is written in one transaction.
//
// Errors: [Refused]: access_denied where a hook refuses, the user is blocked, or isn't of the organization; and a login that went on
// meanwhile. A hook that failed is a hooks.Fault.
func (f *Flows) Authenticated(ctx context.Context, c Caller, login *Login, who Authenticated) (Step, error) {
	a := &attempt{Caller: c, login: login, who: who}
	step, err := f.authenticated(c.stamped(ctx), a)
	return step, f.ended(ctx, a, err)
}

func (f *Flows) authenticated(ctx context.Context, a *attempt) (Step, error) {
	if err := a.isLogins(); err != nil {
		return Step{}, err
	}
	if a.who.User.Blocked {
		return Step{}, errBlocked()
	}
	var err error
	if a.in, err = f.organizationOf(ctx, a.Caller, a.login.Asked.Organization, &a.who); err != nil {
		return Step{}, err
	}
	if !f.cfg.Hooks.HasPostLogin() {
		return f.interrupt(ctx, a, StageForm)
	}
	var stats db.UserStats
	err = f.cfg.Store.InTx(ctx, func(tx *db.Tx) error {
		if !a.silent() {
			if stats, err = a.count(ctx, tx.Users); err != nil {
				return err
			}
		}
		return a.move(ctx, tx.LoginSessions, StageHooks, progress{})
	})
	if err != nil {
		return Step{}, err
	}
	a.counted = true
	ev, err := f.postLogin(ctx, a, stats.LoginCount)
	if err != nil {
		return Step{}, err
	}
	if a.hooks, err = f.cfg.Hooks.RunPostLogin(ctx, ev); err != nil {
		return Step{}, err
	}
	return f.judged(ctx, a)
}

// judged goes on when PostLogin's hooks have said all that they say for now.
func (f *Flows) judged(ctx context.Context, a *attempt) (Step, error) {
	s := a.hooks.Suspended
	switch {
	case s == nil:
		return f.interrupt(ctx, a, StageForm)
	case a.silent():
		return Step{}, &Refused{"interaction_required", "The login needs the user, and prompt is none."}
	}
	if err := a.move(ctx, f.cfg.Store.LoginSessions, StageContinue, progress{}); err != nil {
		return Step{}, err
	}
	return Step{Redirect: s.RedirectTo, FormID: s.FormID, Login: a.login}, nil
}

// silent reports whether it is a login that nobody sees. It is counted as none, and hooks on after_login don't hear of it.
func (a *attempt) silent() bool { return a.login != nil && a.login.Asked.Silent() }

// move takes the login on from where it was when it was read.
func (a *attempt) move(ctx context.Context, sessions *db.LoginSessions, to Stage, p progress, more ...func(*db.LoginSession)) error {
	p.LoginOutcome, p.Resumed = a.hooks, a.resumed
	if a.in != nil {
		p.OrganizationID = a.in.ID
	}
	outcome, err := json.Marshal(p)
	if err != nil {
		return err
	}
	methods, err := json.Marshal(a.who.Methods)
	if err != nil {
		return err
	}
	row, err := sessions.Move(ctx, a.Tenant.ID, a.login.ID, to.from(a.login.Step), func(l *db.LoginSession) error {
		if !l.UpdatedAt.Equal(a.login.UpdatedAt) { // it came back to where it was, such as from one form to the next
			return errMovedOn()
		}
		if a.answers != nil {
			l.Answers = a.answers
		}
		l.Step, l.UserID, l.Connection, l.Methods, l.Outcome = string(to), &a.who.User.UserID, a.who.Connection.Name, methods, outcome
		for _, change := range more {
			change(l)
		}
		return nil
	})
	if err != nil {
		return moved(err)
	}
	a.login.LoginSession = row
	return nil
}

// ended writes the line of a login that came to nothing, and says what a hook's refusal is to the application.
func (f *Flows) ended(ctx context.Context, a *attempt, err error) error {
	if err == nil {
		return nil
	}
	kind := logLoginFailed
	if a.silent() {
		kind = logSilentFailed
	}
	err = refusal(err)
	var no *Refused
	if errors.As(err, &no) {
		f.logLine(ctx, a.Caller, kind, no.Description, a.line())
		return err
	}
	f.logLine(ctx, a.Caller, kind, "The login failed by a fault of the server or of one of its hooks", a.line())
	return fmt.Errorf("flows: login: %w", err)
}

func (a *attempt) line() logOf {
	of := logOf{user: &a.who.User}
	if a.who.User.UserID == "" {
		of.user = nil
	}
	return of.in(&a.who.Connection)
}

// refusal makes a hook's refusal one of the flow's.
func refusal(err error) error {
	var no *hooks.Rejection
	if errors.As(err, &no) {
		return &Refused{"access_denied", no.Reason}
	}
	return err
}

// isLogins says what is wrong with a caller that isn't the login's: its program doesn't read the client by Login.ClientID.
func (a *attempt) isLogins() error {
	if a.Client == nil || a.Client.ClientID != a.login.ClientID || a.Tenant.ID != a.login.TenantID {
		return errors.New("the caller's client isn't the login's: read it by Login.ClientID")
	}
	return nil
}

func errBlocked() error { return &Refused{"access_denied", "The user is blocked."} }

// authenticatedAt is when the user last showed who it is.
func authenticatedAt(methods []auth.AuthenticationMethod) time.Time {
	var at time.Time
	for _, m := range methods {
		if m.Timestamp.After(at) {
			at = m.Timestamp
		}
	}
	return at
}
