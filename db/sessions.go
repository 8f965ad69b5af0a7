package db

import (
	"context"
	"encoding/json"
	"time"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
	"github.com/latchkey-dev/latchkey/hooks"
)

// Session is a browser in which a user is logged in.
type Session = dbsqlc.AuthSession

// CreateSession is what a new session is made of. Idle is how long it lasts without use, Lifetime how long in all.
type CreateSession struct {
	UserID         string
	Connection     string
	Methods        json.RawMessage // [{"name": "pwd", "timestamp": "..."}]
	ClientID       string
	IP, UserAgent  *string
	Idle, Lifetime time.Duration
}

// Sessions is the repository of sessions. They are not published, and no hook runs for them: a login or a logout that hooks
// should hear of is an [AuthEvent].
type Sessions struct{ s *session }

// Create makes a session, and the token for its cookie, of which only the hash is stored.
// Errors: [ErrNotFound] for the user, [Invalid], hooks.ErrOutsideTx.
func (r *Sessions) Create(ctx context.Context, tenantID string, in CreateSession) (Session, string, error) {
	token := newToken()
	made, err := inWrite(ctx, r.s, r.action(hooks.Insert, "create"), func(ctx context.Context, w *write) (Session, error) {
		at := now()
		return w.lastUnstamped().InsertSession(ctx, dbsqlc.InsertSessionParams{
			TenantID: tenantID, ID: newID("sess_"), Hash: hashOf(token), UserID: in.UserID, Connection: in.Connection, Methods: orEmptyArray(in.Methods),
			ClientIds: []string{in.ClientID}, IP: in.IP, UserAgent: in.UserAgent, At: at,
			IdleExpiresAt: at.Add(min(in.Idle, in.Lifetime)), ExpiresAt: at.Add(in.Lifetime),
		})
	})
	return made, token, noUser(err)
}

// Find reads the session of a cookie's token. Errors: [ErrNotFound], also where it has ended or expired, or its user is blocked.
func (r *Sessions) Find(ctx context.Context, tenantID, token string) (Session, error) {
	found, err := dbsqlc.New(r.s.reader()).FindSession(ctx, tenantID, hashOf(token), now())
	return found, failed(err, "find", "session")
}

// List reads a user's sessions that have not ended, the newest first.
func (r *Sessions) List(ctx context.Context, tenantID, userID string) ([]Session, error) {
	sessions, err := dbsqlc.New(r.s.reader()).ListSessions(ctx, tenantID, userID, now())
	return sessions, failed(err, "list", "sessions")
}

// Use notes that a client was logged in to by the session, which so lasts for another idle time.
// Errors: [ErrNotFound], also where it has ended; hooks.ErrOutsideTx.
func (r *Sessions) Use(ctx context.Context, tenantID, id, clientID string, idle time.Duration) (Session, error) {
	return inWrite(ctx, r.s, r.action(hooks.Update, "use"), func(ctx context.Context, w *write) (Session, error) {
		at := now()
		return w.lastUnstamped().UseSession(ctx, dbsqlc.UseSessionParams{TenantID: tenantID, ID: id, At: at, IdleExpiresAt: at.Add(idle), ClientID: clientID})
	})
}

// End ends a session. What tokens it gave live on: see [Revocations]. Errors: [ErrNotFound], also where it has ended; hooks.ErrOutsideTx.
func (r *Sessions) End(ctx context.Context, tenantID, id string) (Session, error) {
	return inWrite(ctx, r.s, r.action(hooks.Update, "end"), func(ctx context.Context, w *write) (Session, error) {
		return w.lastUnstamped().EndSession(ctx, tenantID, id, now())
	})
}

// EndOf ends a user's sessions but one, or all where that is "", and returns their ids. Errors: hooks.ErrOutsideTx.
func (r *Sessions) EndOf(ctx context.Context, tenantID, userID, but string) ([]string, error) {
	return inWrite(ctx, r.s, r.action(hooks.Update, "end"), func(ctx context.Context, w *write) ([]string, error) {
		return w.step().EndSessionsOf(ctx, tenantID, userID, now(), but)
	})
}

func (r *Sessions) action(op hooks.Operation, verb string) action {
	return action{operation: op, table: "auth.sessions", verb: verb, entity: "session"}
}

func orEmptyArray(document json.RawMessage) json.RawMessage {
	if len(document) == 0 {
		return json.RawMessage("[]")
	}
	return document
}

func orEmptyObject(document json.RawMessage) json.RawMessage {
	if len(document) == 0 {
		return json.RawMessage("{}")
	}
	return document
}
