package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/latchkey-dev/latchkey/db"
)

// The types of the lines about calls of this API.
const (
	logAPISuccess = "sapi"
	logAPIFailure = "fapi"
)

// auditDetails is what a line says of a call.
type auditDetails struct {
	Operation  string   `json:"operation"`
	Method     string   `json:"method"`
	Path       string   `json:"path"`
	RequestID  string   `json:"request_id"`
	Actor      string   `json:"actor"`
	StatusCode int      `json:"status_code"`
	Fields     []string `json:"fields"` // what the body had: names, no values
}

// audit writes a line into the tenant's log about a change that was made here, or refused. That it can't be written fails
// nothing: what it tells of is done.
func (s *server) audit(ctx context.Context, c *caller, o operation, status int, fields []string) {
	kind := logAPISuccess
	if status >= http.StatusBadRequest {
		kind = logAPIFailure
	}
	details, err := json.Marshal(auditDetails{
		Operation: o.id, Method: c.method, Path: c.path, RequestID: c.requestID, Actor: c.Subject, StatusCode: status, Fields: fields,
	})
	if err == nil {
		line := db.CreateLog{Type: kind, Description: o.summary, UserID: given(c.Subject), ClientID: given(c.AuthorizedParty), IP: given(c.ip), UserAgent: given(c.agent), Details: details}
		err = s.lines.add(ctx, db.LogLine{TenantID: c.tenant, CreateLog: line})
	}
	if err != nil {
		s.log.ErrorContext(ctx, "a log line could not be written", "request_id", c.requestID, "operation", o.id, "error", err)
	}
}

func given(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// taped is a request whose body is kept for the line that tells of it.
type taped struct {
	humaContext
	body bytes.Buffer
}

// Unwrap is asked for by the adapter.
func (t *taped) Unwrap() huma.Context { return t.humaContext }

// BodyReader keeps what is read.
func (t *taped) BodyReader() io.Reader { return io.TeeReader(t.humaContext.BodyReader(), t) }

// Write keeps what JSON may be long; an upload that is longer is none, and not held in memory.
func (t *taped) Write(p []byte) (int, error) {
	if room := maxBody - t.body.Len(); room > 0 {
		t.body.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// members names those of the body, in order.
func (t *taped) members() []string {
	var body map[string]json.RawMessage
	if json.Unmarshal(t.body.Bytes(), &body) != nil {
		return []string{}
	}
	return slices.Sorted(maps.Keys(body))
}
