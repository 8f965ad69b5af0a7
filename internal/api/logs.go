package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/latchkey-dev/latchkey/db"
)

// logLine is a line of the tenant's log as JSON.
type logLine struct {
	LogID       string        `json:"log_id"`
	Type        string        `json:"type" doc:"What happened: failed_hook, s, f, sapi, ..."`
	Date        time.Time     `json:"date"`
	Description string        `json:"description"`
	UserID      *string       `json:"user_id"`
	UserName    *string       `json:"user_name"`
	IP          *string       `json:"ip"`
	UserAgent   *string       `json:"user_agent"`
	ClientID    *string       `json:"client_id"`
	Connection  *string       `json:"connection"`
	Strategy    *string       `json:"strategy"`
	Hostname    *string       `json:"hostname"`
	Details     anyJSONObject `json:"details"`
}

// anyJSONObject is an object whose members are anybody's.
type anyJSONObject json.RawMessage

// MarshalJSON implements json.Marshaler.
func (o anyJSONObject) MarshalJSON() ([]byte, error) { return json.RawMessage(o).MarshalJSON() }

// UnmarshalJSON implements json.Unmarshaler.
func (o *anyJSONObject) UnmarshalJSON(text []byte) error {
	return (*json.RawMessage)(o).UnmarshalJSON(text)
}

// Schema implements huma.SchemaProvider.
func (anyJSONObject) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
}

func logJSON(l *db.Log) logLine {
	return logLine{
		LogID: l.LogID, Type: l.Type, Date: l.Date.UTC(), Description: l.Description, UserID: l.UserID, UserName: l.UserName,
		IP: l.IP, UserAgent: l.UserAgent, ClientID: l.ClientID, Connection: l.Connection, Strategy: l.Strategy, Hostname: l.Hostname,
		Details: anyJSONObject(l.Details),
	}
}

type logsInput struct {
	Paging

	SearchEngine string `query:"search_engine" enum:"v3" doc:"Accepted: there is one."`
	From         string `query:"from" maxLength:"100" doc:"A checkpoint: the log_id of the last line that came. The lines after it follow, oldest first."`
	Take         int    `query:"take" minimum:"1" maximum:"100" default:"50" doc:"With from: at most so many."`
}

type logPage struct {
	Logs   []logLine `json:"logs" nullable:"false"`
	Start  int       `json:"start"`
	Limit  int       `json:"limit"`
	Length int       `json:"length"`
	Total  int       `json:"total"`
}

type oneLog struct{ Body logLine }

type logID struct {
	ID string `path:"log_id" maxLength:"100"`
}

func logFilters() []string {
	return []string{"log_id", "type", "user_id", "user_name", "ip", "client_id", "connection"}
}

func logSorts() []string { return []string{"log_id", "type", "date", "user_name"} }

func (s *server) addLogs() {
	add(s, operation{
		id: "list-logs", method: http.MethodGet, path: "/logs", scope: "read:logs", tag: tagLogs, summary: "List log lines",
		about:  "The newest first, by pages; or, with `from`, the lines after one that you have, the oldest first.",
		answer: s.listAnswer(typeOf[[]logLine](), typeOf[logPage]()),
	}, s.listLogs)
	add(s, operation{
		id: "get-log", method: http.MethodGet, path: "/logs/{log_id}", scope: "read:logs", tag: tagLogs, summary: "Get one log line",
	}, func(ctx context.Context, c *caller, in *logID) (*oneLog, error) {
		line, err := s.cfg.Store.Logs.Get(ctx, c.tenant, in.ID)
		if err != nil {
			return nil, err
		}
		return &oneLog{logJSON(&line)}, nil
	})
}

func (s *server) listLogs(ctx context.Context, c *caller, in *logsInput) (*listOutput, error) {
	if in.From != "" {
		if in.Q != "" || in.Sort != "" || in.Page != 0 || in.Totals {
			return nil, badRequest("from: it goes with take alone, not with q, sort, page or include_totals.")
		}
		lines, err := s.cfg.Store.LogsAfter(ctx, c.tenant, in.From, in.Take)
		if err != nil {
			return nil, err
		}
		return s.list(logLines(lines)), nil
	}
	o, err := in.options(logFilters(), logSorts())
	if err != nil {
		return nil, err
	}
	page, err := s.cfg.Store.Logs.List(ctx, c.tenant, o)
	if err != nil {
		return nil, err
	}
	lines := logLines(page.Rows)
	if !in.Totals {
		return s.list(lines), nil
	}
	return s.list(logPage{Logs: lines, Start: page.Start, Limit: page.Limit, Length: len(lines), Total: page.Total}), nil
}

func logLines(rows []db.Log) []logLine {
	lines := make([]logLine, len(rows))
	for i := range rows {
		lines[i] = logJSON(&rows[i])
	}
	return lines
}
