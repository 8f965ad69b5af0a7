package webhook

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"github.com/latchkey-dev/latchkey/hooks"
)

// EventID names an event to receivers: evt_ and 22 characters. It is made of where the change stands in the log, so it is
// the same for every hook, attempt and replay, and whoever counts the events.
func EventID(ev *hooks.Event) string { return eventID(ev, ev.Stamp().Origin) }

func eventID(ev *hooks.Event, origin string) string {
	run := int64(0)
	if origin == hooks.OriginBackfill { // many rows were read at one position, and each backfill is a run of its own
		run = ev.Run
	}
	return "evt_" + digest(fmt.Sprintf("%s %d %d %d %q %s %q %q", ev.CommitLSN, ev.XID, ev.Ordinal, run, ev.Table, ev.Operation, ev.TenantID, ev.Key))
}

// MessageID is the webhook-id of an event's delivery to a hook: msg_ and 22 characters. A receiver that has seen it has
// seen the delivery.
func MessageID(eventID, hookID string) string {
	return "msg_" + digest(fmt.Sprintf("%q %q", eventID, hookID))
}

func digest(of string) string {
	sum := sha256.Sum256([]byte(of))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}
