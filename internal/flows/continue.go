package flows

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/latchkey-dev/latchkey/db"
)

// Continue goes on with a login whose user comes back from the site that a PostLogin hook sent it to: the OnContinuePostLogin hook of the
// same name, the PostLogin hooks behind it, and the rest as [Flows.Authenticated]. The caller's request is what came back. A login
// that waits for a form or a page isn't continued so: nobody skips one by calling /continue.
//
// Errors: as Authenticated, and a login that waits for nothing.
func (f *Flows) Continue(ctx context.Context, c Caller, login *Login) (Step, error) {
	return f.goOn(ctx, c, login, nil, func(p *progress) bool {
		return login.Stage() == StageContinue && p.Suspended != nil && p.Suspended.RedirectTo != ""
	})
}

// Answered is [Flows.Continue] for a form that was filled in and a page that was seen, whoever showed them: a PostLogin hook's form goes on
// with that hook, and the tenant's with what follows. answers is a JSON object that the login keeps in the place of the one that it has, never with a password or a code in it.
func (f *Flows) Answered(ctx context.Context, c Caller, login *Login, answers json.RawMessage) (Step, error) {
	return f.goOn(ctx, c, login, answers, func(p *progress) bool {
		return login.Stage() == StageForm || login.Stage() == StagePage || login.Stage() == StageContinue && p.Suspended != nil && p.Suspended.FormID != ""
	})
}

// Waiting is what a login waits for, for a page that is loaded again.
func (l *Login) Waiting() (Step, error) {
	p, err := l.progress()
	step := Step{FormID: p.FormID, PageID: p.PageID, Login: l}
	if p.Suspended != nil {
		step.Redirect, step.FormID = p.Suspended.RedirectTo, p.Suspended.FormID
	}
	return step, err
}

func (l *Login) progress() (p progress, err error) {
	if err := json.Unmarshal(l.Outcome, &p); err != nil {
		return p, fmt.Errorf("flows: login: outcome: %w", err)
	}
	return p, nil
}

func (f *Flows) goOn(ctx context.Context, c Caller, login *Login, answers json.RawMessage, waits func(*progress) bool) (Step, error) {
	p, err := login.progress()
	if err != nil {
		return Step{}, err
	}
	if login.UserID == nil || !waits(&p) {
		return Step{}, &Refused{"invalid_request", "The login doesn't wait for this: begin again at the application."}
	}
	a := &attempt{Caller: c, login: login, counted: true, resumed: p.Resumed, hooks: p.LoginOutcome, answers: answers}
	step, err := f.wentOn(c.stamped(ctx), a, p.OrganizationID)
	return step, f.ended(ctx, a, err)
}

func (f *Flows) wentOn(ctx context.Context, a *attempt, organization string) (Step, error) {
	if err := a.isLogins(); err != nil {
		return Step{}, err
	}
	if err := f.readWho(ctx, a); err != nil {
		return Step{}, err
	}
	if organization != "" {
		var err error
		if a.in, err = f.stillOf(ctx, a.Tenant.ID, organization, a.who.User.UserID); err != nil {
			return Step{}, err
		}
	}
	switch a.login.Stage() {
	case StageForm:
		return f.interrupt(ctx, a, StagePage)
	case StagePage:
		return f.finish(ctx, a)
	}
	sofar := a.hooks
	if err := a.move(ctx, f.cfg.Store.LoginSessions, StageHooks, progress{}); err != nil { // of two that come back at once, one goes on
		return Step{}, err
	}
	stats, err := f.cfg.Store.Users.Stats(ctx, a.Tenant.ID, a.who.User.UserID)
	if err != nil {
		return Step{}, err
	}
	ev, err := f.postLogin(ctx, a, stats.LoginCount)
	if err != nil {
		return Step{}, err
	}
	if a.hooks, err = f.cfg.Hooks.RunContinuePostLogin(ctx, ev, sofar); err != nil {
		return Step{}, err
	}
	return f.judged(ctx, a)
}

// readWho reads again who logs in: it may have changed meanwhile.
func (f *Flows) readWho(ctx context.Context, a *attempt) (err error) {
	if a.who.User, err = f.userOf(ctx, a.Tenant.ID, *a.login.UserID); err != nil {
		return err
	}
	if err := json.Unmarshal(a.login.Methods, &a.who.Methods); err != nil {
		return fmt.Errorf("methods: %w", err)
	}
	a.who.Connection, err = f.connectionNamed(ctx, a.Tenant.ID, a.login.Connection)
	return err
}

// userOf reads a user who may still log in.
func (f *Flows) userOf(ctx context.Context, tenantID, id string) (db.User, error) {
	user, err := f.cfg.Store.Users.Get(ctx, tenantID, id)
	switch {
	case errors.Is(err, db.ErrNotFound):
		return user, &Refused{"access_denied", "There is no such user any more."}
	case err == nil && user.Blocked:
		return user, errBlocked()
	}
	return user, err
}

// connectionNamed reads a connection; one that is gone has its name alone.
func (f *Flows) connectionNamed(ctx context.Context, tenantID, name string) (db.Connection, error) {
	page, err := f.cfg.Store.Connections.List(ctx, tenantID, db.ListOptions{Filter: []db.Filter{db.Equal("name", name)}})
	if err != nil || len(page.Rows) == 0 {
		return db.Connection{TenantID: tenantID, Name: name}, err
	}
	return page.Rows[0], nil
}
