package db

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
	"github.com/latchkey-dev/latchkey/hooks"
)

// LoginSession is a login under way, from the authorization request to the code. Its state is what the pages' URLs name it by,
// and its browser a cookie that they are bound to; of both, and of the code, it has the hash.
type LoginSession = dbsqlc.AuthLoginSession

// CreateLoginSession is what a new login is made of. Request is what was asked for, a JSON object.
type CreateLoginSession struct {
	ID            string // empty: one is made
	Step          string
	ClientID      string
	Browser       string // what the cookie holds; empty: of no browser
	Request       json.RawMessage
	Connection    string
	IP, UserAgent *string
	Lifetime      time.Duration
}

// WrongStep says that a login isn't where the step that was tried may follow: another tab went on, or a form came twice.
type WrongStep struct {
	Is  string
	May []string
}

func (w *WrongStep) Error() string {
	return fmt.Sprintf("the login is at %q, and this step follows %q", w.Is, w.May)
}

// ErrCodeUsed says that an authorization code was redeemed before. Its login comes with it, to revoke what the code gave.
var ErrCodeUsed = errors.New("the code was used before")

// LoginSessions is the repository of logins under way. They are not published, and no hook runs for them.
type LoginSessions struct{ s *session }

// Create begins a login, and makes the state that names it. Errors: [Invalid], for an unknown client; hooks.ErrOutsideTx.
func (r *LoginSessions) Create(ctx context.Context, tenantID string, in CreateLoginSession) (LoginSession, string, error) {
	state := newToken()
	login, err := inWrite(ctx, r.s, r.action(hooks.Insert, "create"), func(ctx context.Context, w *write) (LoginSession, error) {
		at := now()
		var browser []byte
		if in.Browser != "" {
			browser = hashOf(in.Browser)
		}
		return w.lastUnstamped().InsertLoginSession(ctx, dbsqlc.InsertLoginSessionParams{
			TenantID: tenantID, ID: idOr(in.ID, "login_"), StateHash: hashOf(state), BrowserHash: browser, Step: in.Step, ClientID: in.ClientID,
			Request: orEmptyObject(in.Request), Connection: in.Connection, IP: in.IP, UserAgent: in.UserAgent, At: at, ExpiresAt: at.Add(in.Lifetime),
		})
	})
	return login, state, err
}

// Find reads the login of a state. Errors: [ErrNotFound], also where it has expired.
func (r *LoginSessions) Find(ctx context.Context, tenantID, state string) (LoginSession, error) {
	login, err := dbsqlc.New(r.s.reader()).FindLoginSession(ctx, tenantID, hashOf(state), now())
	return login, failed(err, "find", "login session")
}

// TenantOfLogin is whose login a state names: all that the site has of it to which a hook sent the user. Errors: [ErrNotFound].
func (s *Store) TenantOfLogin(ctx context.Context, state string) (string, error) {
	tenantID, err := dbsqlc.New(s.pool).TenantOfLogin(ctx, hashOf(state))
	return tenantID, failed(err, "find", "tenant of a login")
}

// InBrowser reports whether a login was begun by the browser whose cookie holds that.
func InBrowser(login *LoginSession, cookie string) bool {
	return login.BrowserHash == nil || cookie != "" && slices.Equal(login.BrowserHash, hashOf(cookie)) // hashes: how long it takes tells nothing
}

// Move takes a login to a next step, if it is at one that this may follow. change gets the login, locked, and says what becomes of
// it: its step, connection, user, session, methods, outcome, answers and request. Errors: [WrongStep], [ErrNotFound], also where
// it has expired; what change returns; hooks.ErrOutsideTx.
func (r *LoginSessions) Move(ctx context.Context, tenantID, id string, from []string, change func(*LoginSession) error) (LoginSession, error) {
	return inWrite(ctx, r.s, r.action(hooks.Update, "move"), func(ctx context.Context, w *write) (LoginSession, error) {
		at := now()
		login, err := w.step().LockLoginSession(ctx, tenantID, id)
		switch {
		case err != nil:
			return login, err
		case !login.ExpiresAt.After(at):
			return login, ErrNotFound
		case !slices.Contains(from, login.Step):
			return login, &WrongStep{Is: login.Step, May: from}
		}
		if err := change(&login); err != nil {
			return login, err
		}
		return w.lastUnstamped().MoveLoginSession(ctx, dbsqlc.MoveLoginSessionParams{
			TenantID: tenantID, ID: id, Step: login.Step, Connection: login.Connection, UserID: login.UserID, SessionID: login.SessionID,
			Methods: orEmptyArray(login.Methods), Outcome: orEmptyObject(login.Outcome), Answers: orEmptyObject(login.Answers), Request: orEmptyObject(login.Request),
			CodeHash: login.CodeHash, CodeExpiresAt: login.CodeExpiresAt, ExpiresAt: login.ExpiresAt, UpdatedAt: at,
		})
	})
}

// GiveCode is for a change of [LoginSessions.Move]: it makes the authorization code, which can be redeemed until a time, and keeps
// the login for a day, so that a second use of the code is known as one.
func GiveCode(login *LoginSession, lifetime time.Duration) string {
	code, at := newToken(), now()
	until := at.Add(lifetime)
	login.CodeHash, login.CodeExpiresAt, login.ExpiresAt = hashOf(code), &until, at.Add(24*time.Hour)
	return code
}

// Redeem takes an authorization code, once. Errors: [ErrCodeUsed], with the login; [ErrNotFound], also for a code that expired;
// hooks.ErrOutsideTx.
func (r *LoginSessions) Redeem(ctx context.Context, tenantID, code string) (LoginSession, error) {
	var used *LoginSession
	login, err := inWrite(ctx, r.s, r.action(hooks.Update, "redeem"), func(ctx context.Context, w *write) (LoginSession, error) {
		at := now()
		login, err := w.step().RedeemLoginCode(ctx, tenantID, hashOf(code), at)
		if !errors.Is(err, pgx.ErrNoRows) {
			return login, err
		}
		login, err = w.step().FindLoginSessionByCode(ctx, tenantID, hashOf(code))
		if err == nil && login.CodeUsedAt != nil {
			used, err = &login, ErrCodeUsed
		} else if err == nil {
			err = ErrNotFound
		}
		return login, err
	})
	if used != nil {
		return *used, err
	}
	return login, err
}

// EndOf ends a user's logins under way, and those whose code wasn't redeemed yet, but for a session's, or all where that is "". Errors:
// hooks.ErrOutsideTx.
func (r *LoginSessions) EndOf(ctx context.Context, tenantID, userID, butSession string) error {
	_, err := inWrite(ctx, r.s, r.action(hooks.Update, "end"), func(ctx context.Context, w *write) (struct{}, error) {
		return struct{}{}, w.step().EndLoginSessionsOf(ctx, tenantID, now(), userID, butSession)
	})
	return err
}

func (r *LoginSessions) action(op hooks.Operation, verb string) action {
	return action{operation: op, table: "auth.login_sessions", verb: verb, entity: "login session"}
}
