package db

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"

	"github.com/latchkey-dev/latchkey/hooks"
)

// UnhookedWrite is the type of the log lines that tell of writes which skipped the repositories of an audited table.
const UnhookedWrite = "unhooked_write"

// unhookedDetails are the details of such a line.
type unhookedDetails struct {
	Table           string        `json:"table"`
	Operation       string        `json:"operation"`
	Key             string        `json:"key,omitempty"`
	Seq             int64         `json:"seq"` // of the event
	Outcome         hooks.Outcome `json:"outcome"`
	Hook            string        `json:"hook,omitempty"` // that would have refused, or failed
	Code            string        `json:"code,omitempty"`
	Reason          string        `json:"reason,omitempty"`
	Changed         []string      `json:"changed,omitempty"` // columns
	Role            string        `json:"role,omitempty"`
	ApplicationName string        `json:"application_name,omitempty"`
	ClientAddr      string        `json:"client_addr,omitempty"`
}

// longestReason is what is kept of an error's text, in bytes.
const longestReason = 2000

// reportUnhooked writes a line into auth.logs and one into the listener's log. Into auth.logs, not auth.auth_events: it is
// what administrators read, it holds lines of tenants that are gone and of tables without a tenant, and as it isn't
// published, no hook can make of one line the next.
func reportUnhooked(ctx context.Context, tx hooks.Tx, u hooks.Unhooked) error {
	ev, by := u.Event, u.Event.Stamp()
	d := unhookedDetails{
		Table: ev.Table, Operation: ev.Operation.String(), Key: ev.Key, Seq: ev.Seq, Outcome: u.Outcome, Changed: u.Changed,
		Role: by.Role, ApplicationName: by.ApplicationName, ClientAddr: by.ClientAddr,
	}
	var no *hooks.Rejection
	var fault *hooks.Fault
	switch {
	case errors.As(u.Err, &fault):
		d.Hook, d.Reason = fault.Hook, fault.Err.Error()
	case errors.As(u.Err, &no):
		d.Hook, d.Code, d.Reason = no.Hook, no.Code, no.Reason
	}
	d.Reason = strings.ReplaceAll(d.Reason, "\x00", "") // jsonb has none
	if len(d.Reason) > longestReason {
		d.Reason = d.Reason[:longestReason]
	}
	details, err := json.Marshal(d) // it mends what the cut left of a character
	if err != nil {
		return err
	}
	description := d.Operation + " of " + d.Table + " skipped the before-hooks: " + string(d.Outcome)
	_, err = tx.Exec(ctx, `insert into auth.logs (tenant_id, type, description, details) values ($1, $2, $3, $4)`,
		ev.TenantID, UnhookedWrite, description, details)
	if running := hooks.Current(ctx); err == nil && running != nil && running.Log != nil {
		level := slog.LevelWarn
		if u.Outcome == hooks.Passed {
			level = slog.LevelInfo
		}
		running.Log.Log(ctx, level, "a write skipped the before-hooks of an audited table", "table", d.Table, "operation", d.Operation, "key", d.Key,
			"seq", d.Seq, "outcome", string(d.Outcome), "hook", d.Hook, "code", d.Code, "role", d.Role, "application_name", d.ApplicationName)
	}
	return err
}
