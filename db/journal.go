package db

import (
	"context"
	"encoding/json"
	"time"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
)

// Journal is the repository of an entity to which rows are added, and whose rows are never changed.
type Journal[Row, Create any] struct {
	r Repository[Row, string, Create, struct{}]
}

// Get is [Repository.Get].
func (j *Journal[Row, Create]) Get(ctx context.Context, tenantID, id string) (Row, error) {
	return j.r.Get(ctx, tenantID, id)
}

// Create is [Repository.Create].
func (j *Journal[Row, Create]) Create(ctx context.Context, tenantID string, in Create) (Row, error) {
	return j.r.Create(ctx, tenantID, in)
}

// List is [Repository.List].
func (j *Journal[Row, Create]) List(ctx context.Context, tenantID string, o ListOptions) (Page[Row], error) {
	return j.r.List(ctx, tenantID, o)
}

// AuthEvent is something that happened and that no row tells: a login, a mail to be sent.
type AuthEvent = dbsqlc.AuthAuthEvent

// CreateAuthEvent is what a new event is made of; ID may be left empty. Sealed is for the one hook that may open it.
type CreateAuthEvent struct {
	ID      string          `json:"id"`
	Type    string          `json:"type"`
	UserID  *string         `json:"user_id"`
	Details json.RawMessage `json:"details"`
	Sealed  []byte          `json:"-"`
}

// AuthEvents is the journal of auth events. It is published: BeforeCreate and after-hooks run for it.
type AuthEvents = Journal[AuthEvent, CreateAuthEvent]

func newAuthEvents(s *session, h *Hooks) *AuthEvents {
	return &AuthEvents{Repository[AuthEvent, string, CreateAuthEvent, struct{}]{s: s, e: &entity[AuthEvent, string, CreateAuthEvent, struct{}]{
		name:  "auth event",
		hooks: h.AuthEvents,
		list: listing{
			table: "auth.auth_events", tenant: "tenant_id", fallback: "id",
			filter: []string{"id", "type", "user_id"}, sort: []string{"id", "type", "created_at"},
		},
		create: func(tenantID string, now time.Time, in CreateAuthEvent) AuthEvent {
			return AuthEvent{
				TenantID: tenantID, ID: idOr(in.ID, "aev_"), Type: in.Type, UserID: in.UserID, Details: in.Details,
				Sealed: in.Sealed, CreatedAt: now,
			}
		},
		keep: func(e *AuthEvent, was AuthEvent) { e.TenantID, e.ID, e.CreatedAt = was.TenantID, was.ID, was.CreatedAt },
		normalize: func(e *AuthEvent) error {
			return every(required("auth event", "type", e.Type), object("auth event", "details", &e.Details))
		},
		get: (*queries).GetAuthEvent,
		insert: func(q *queries, ctx context.Context, e AuthEvent) (AuthEvent, error) {
			return q.InsertAuthEvent(ctx, dbsqlc.InsertAuthEventParams(e))
		},
	}}}
}

// Log is a line of the tenant's log stream.
type Log = dbsqlc.AuthLog

// CreateLog is what a new line is made of; LogID may be left empty, and Date is now unless said.
type CreateLog struct {
	LogID       string          `json:"log_id"`
	Type        string          `json:"type"`
	Date        time.Time       `json:"date"`
	Description string          `json:"description"`
	UserID      *string         `json:"user_id"`
	UserName    *string         `json:"user_name"`
	IP          *string         `json:"ip"`
	UserAgent   *string         `json:"user_agent"`
	ClientID    *string         `json:"client_id"`
	Connection  *string         `json:"connection"`
	Strategy    *string         `json:"strategy"`
	Hostname    *string         `json:"hostname"`
	Details     json.RawMessage `json:"details"`
}

// Logs is the journal of log lines. It is never published and has no hooks: hooks write it, and a line would cause the next.
type Logs = Journal[Log, CreateLog]

func newLogs(s *session) *Logs {
	return &Logs{Repository[Log, string, CreateLog, struct{}]{s: s, e: &entity[Log, string, CreateLog, struct{}]{
		name: "log",
		list: listing{
			table: "auth.logs", tenant: "tenant_id", fallback: "date desc, log_id",
			filter: []string{"log_id", "type", "user_id", "user_name", "ip", "client_id", "connection"},
			sort:   []string{"log_id", "type", "date", "user_name"},
		},
		create: func(tenantID string, now time.Time, in CreateLog) Log {
			if in.Date.IsZero() {
				in.Date = now
			}
			return Log{
				TenantID: tenantID, LogID: idOr(in.LogID, "log_"), Type: in.Type, Date: in.Date, Description: in.Description,
				UserID: in.UserID, UserName: in.UserName, IP: in.IP, UserAgent: in.UserAgent, ClientID: in.ClientID,
				Connection: in.Connection, Strategy: in.Strategy, Hostname: in.Hostname, Details: in.Details,
			}
		},
		normalize: func(l *Log) error {
			return every(required("log", "type", l.Type), object("log", "details", &l.Details))
		},
		get: (*queries).GetLog,
		insert: func(q *queries, ctx context.Context, l Log) (Log, error) {
			return q.InsertLog(ctx, dbsqlc.InsertLogParams(l))
		},
	}}}
}
