package listener_test

import (
	"testing"

	"github.com/latchkey-dev/latchkey/listener"
)

// The hooks and their secrets are read when one of them has changed, and not with all else that someone asks the owner for.
func TestWebhooksAreReadWhenTheyChange(t *testing.T) {
	t.Parallel()
	r := newWebhookRig(t)
	n := r.start()
	r.hook("h", "role.created")
	n.reread()
	r.roles("a")
	r.awaitRows("h", "done 1")
	before := n.l.WebhookReadings()
	for range 3 {
		run := must[listener.HookRun](t)(r.op.Replay(t.Context(), listener.ReplayRequest{Hook: "h", To: listener.Point{Seq: 1}}))
		n.reread()
		r.awaitRun(run)
	}
	if got := n.l.WebhookReadings(); got != before {
		t.Errorf("they were read %d times while none of them changed", got-before)
	}
	for i, change := range []string{
		`update auth.hooks set name = 'another'`,
		`insert into auth.hook_secrets (tenant_id, hook_id, kind, sealed) values ('t', 'h', 'headers', '{}')`,
		`delete from auth.hooks`,
	} {
		before := n.l.WebhookReadings()
		r.exec(change)
		n.reread()
		if n.l.WebhookReadings() == before {
			t.Errorf("change %d was not read", i)
		}
	}
}
