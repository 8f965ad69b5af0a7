package flows

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Resume is single sign-on: it goes on with a login by the session that the browser has, if the request lets it, without asking the user
// who it is. Hooks run as for [Flows.Authenticated]. The session stays, and is used for another idle time.
//
// With prompt=none the user isn't shown anything, and the application renews what it has: that is no login, so it counts as none
// and raises no after_login; its lines are ssa and fsa.
//
// Errors: as Authenticated; login_required where the user has to show who it is: no session, prompt=login or select_account, an older
// authentication than max_age allows, another connection; interaction_required where a hook, a form or a page wants the user, and it
// must not be shown anything.
func (f *Flows) Resume(ctx context.Context, c Caller, login *Login) (Step, error) {
	a := &attempt{Caller: c, login: login, resumed: true}
	step, err := f.resume(c.stamped(ctx), a)
	return step, f.ended(ctx, a, err)
}

// MustAuthenticate says why the user has to show who it is although the browser may have a session; "" if the session will do.
func (l *Login) MustAuthenticate(now time.Time) string {
	switch {
	case l.Session == nil:
		return "The user isn't logged in."
	case slices.Contains(l.Asked.Prompt, "login"), slices.Contains(l.Asked.Prompt, "select_account"):
		return "prompt asks that the user logs in."
	case l.Asked.MaxAge != nil && now.Sub(l.Session.AuthenticatedAt) >= time.Duration(*l.Asked.MaxAge)*time.Second:
		return "The user logged in longer ago than max_age allows."
	case l.Asked.Connection != "" && l.Asked.Connection != l.Session.Connection:
		return "The user logged in by another connection."
	}
	return ""
}

func (f *Flows) resume(ctx context.Context, a *attempt) (Step, error) {
	if why := a.login.MustAuthenticate(f.cfg.Now()); why != "" {
		return Step{}, &Refused{"login_required", why}
	}
	s := a.login.Session
	if err := json.Unmarshal(s.Methods, &a.who.Methods); err != nil {
		return Step{}, fmt.Errorf("session: methods: %w", err)
	}
	var err error
	if a.who.Connection, err = f.connectionNamed(ctx, a.Tenant.ID, s.Connection); err != nil {
		return Step{}, err
	}
	if !slices.Contains(a.who.Connection.EnabledClients, a.login.ClientID) {
		return Step{}, &Refused{"login_required", "The user logged in by a connection that isn't enabled for the client."}
	}
	if a.who.User, err = f.userOf(ctx, a.Tenant.ID, s.UserID); err != nil {
		return Step{}, err
	}
	return f.authenticated(ctx, a)
}
