package auth_test

import (
	"slices"
	"testing"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/listener/webhook"
)

// A webhook may have each of the events for a trigger, and it is an asynchronous one.
func TestEventsAreTriggers(t *testing.T) {
	t.Parallel()
	tables := db.NewHooks().Tables()
	ids := webhook.TriggerIDs(tables)
	for _, name := range auth.Names() {
		trigger, err := webhook.ParseTrigger(name, tables)
		if err != nil || trigger.Sync() || len(trigger.Tables(tables)) != 1 || !slices.Contains(ids, name) {
			t.Errorf("event %s is no trigger of webhooks: %v", name, err)
		}
	}
}
