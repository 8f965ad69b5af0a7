package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/latchkey-dev/latchkey/db"
)

// The types of the lines about calls of this API.
const (
	logAPISuccess = "sapi"
	logAPIFailure = "fapi"
)

// audit writes a line into the tenant's log about a change that was made here, or refused. That it can't be written fails
// nothing: what it tells of is done.
func (s *server) audit(ctx context.Context, c *caller, o operation, failed error) {
	kind, status := logAPISuccess, max(o.status, http.StatusOK)
	if failed != nil {
		kind, status = logAPIFailure, problemOf(failed).StatusCode
	}
	details, err := json.Marshal(map[string]string{
		"method": c.method, "path": c.path, "request_id": c.requestID, "operation": o.id, "actor": c.Subject, "status_code": fmt.Sprint(status),
	})
	if err == nil {
		line := db.CreateLog{Type: kind, Description: o.summary, UserID: given(c.Subject), ClientID: given(c.AuthorizedParty), IP: given(c.ip), UserAgent: given(c.agent), Details: details}
		_, err = s.cfg.Store.Logs.Create(context.WithoutCancel(ctx), c.tenant, line)
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
