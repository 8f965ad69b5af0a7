package flows

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
)

// codeLifetime is how long an authorization code can be redeemed.
const codeLifetime = time.Minute

// Log lines of silent logins.
const (
	logSilent       = "ssa"
	logSilentFailed = "fsa"
)

// finish ends a login when all have agreed: the metadata that hooks set, and then, in one transaction, the session, the browser's former
// one, the event, the line and the code.
func (f *Flows) finish(ctx context.Context, a *attempt) (step Step, err error) {
	if err := f.writeMetadata(ctx, a); err != nil {
		return Step{}, err
	}
	err = f.cfg.Store.InTx(ctx, func(tx *db.Tx) error {
		if err := f.greet(ctx, tx, a); err != nil {
			return err
		}
		session, token, err := f.openSession(ctx, tx, a)
		if err != nil {
			return err
		}
		step = Step{SessionToken: token, Login: a.login}
		err = a.move(ctx, tx.LoginSessions, StageDone, progress{}, func(l *db.LoginSession) {
			l.SessionID = &session
			step.Code = db.GiveCode(l, codeLifetime)
		})
		if err != nil {
			return err
		}
		return f.leaveSession(ctx, tx, a) // last, as EndAll locks logins before sessions
	})
	if err != nil {
		return Step{}, err
	}
	return step, nil
}

// greet writes what a login leaves but for its session: the stats, unless they are written, the event and the line.
func (f *Flows) greet(ctx context.Context, tx *db.Tx, a *attempt) error {
	if a.silent() {
		return f.logIn(ctx, tx, a.Caller, logSilent, "The user was logged in already", a.line())
	}
	if !a.counted {
		if _, err := a.count(ctx, tx.Users); err != nil {
			return err
		}
	}
	if err := auth.Raise(ctx, tx.AuthEvents, a.Tenant.ID, auth.AfterLogin, auth.Login{User: a.who.User, Connection: a.who.Connection.Name}); err != nil {
		return err
	}
	return f.logIn(ctx, tx, a.Caller, logLogin, "The user logged in", a.line())
}

// count writes the stats of a login. The row is the one that a change of the password writes too, so of the two one sees the other: a login by the
// password of before comes to nothing.
func (a *attempt) count(ctx context.Context, users *db.Users) (db.UserStats, error) {
	stats, err := users.RecordLogin(ctx, a.Tenant.ID, a.who.User.UserID, db.Login{IP: a.Request.IP})
	if err == nil && stats.LastPasswordReset != nil && stats.LastPasswordReset.After(authenticatedAt(a.who.Methods)) {
		err = &Refused{"invalid_grant", "The password was changed meanwhile: log in again."}
	}
	return stats, err
}

// openSession makes the session, and names the one that the login was resumed by.
func (f *Flows) openSession(ctx context.Context, tx *db.Tx, a *attempt) (id, token string, err error) {
	if a.resumed {
		if a.login.Session == nil {
			return "", "", errEnded()
		}
		return a.login.Session.ID, "", nil
	}
	methods, err := json.Marshal(a.who.Methods)
	if err != nil {
		return "", "", err
	}
	s, token, err := tx.Sessions.Create(ctx, a.Tenant.ID, db.CreateSession{
		UserID: a.who.User.UserID, Connection: a.who.Connection.Name, Methods: methods, ClientID: a.login.ClientID, IP: given(a.Request.IP),
		UserAgent: given(a.Request.UserAgent), Idle: hours(a.Tenant.IdleSessionLifetime), Lifetime: hours(a.Tenant.SessionLifetime),
	})
	return s.ID, token, err
}

// leaveSession ends the session that the browser had, as what was begun in it isn't mixed with what comes; or goes on with it, where the login
// was resumed by it.
func (f *Flows) leaveSession(ctx context.Context, tx *db.Tx, a *attempt) error {
	former := a.login.Session
	if former == nil {
		return nil
	}
	if !a.resumed {
		if _, err := tx.Sessions.End(ctx, a.Tenant.ID, former.ID); err != nil && !errors.Is(err, db.ErrNotFound) {
			return err
		}
		return nil
	}
	_, err := tx.Sessions.Use(ctx, a.Tenant.ID, former.ID, a.login.ClientID, hours(a.Tenant.IdleSessionLifetime))
	if errors.Is(err, db.ErrNotFound) {
		return errEnded()
	}
	return err
}

func errEnded() error { return &Refused{"login_required", "The session has ended."} }

// hours is a tenant's setting, within what a time can be.
func hours(n float64) time.Duration {
	const most = 10 * 365 * 24
	return time.Duration(min(n, most) * float64(time.Hour))
}

// writeMetadata writes what hooks set of the user. Hooks on user updates run, and may refuse.
func (f *Flows) writeMetadata(ctx context.Context, a *attempt) error {
	in, some := a.hooks.Metadata()
	if !some {
		return nil
	}
	user, err := f.cfg.Store.Users.Update(ctx, a.Tenant.ID, a.who.User.UserID, in)
	if err != nil {
		return fmt.Errorf("write what hooks set: %w", err)
	}
	a.who.User = user
	return nil
}
