package listener_test

import (
	"strings"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/listener"
)

// The row of a delivery goes when its event is older than the retention, and no sooner. One that waits keeps its event.
func TestWebhookRetention(t *testing.T) {
	t.Parallel()
	r := newWebhookRig(t)
	hours := []option{schedule(time.Hour), with(func(c *listener.Config) { c.Retention = time.Hour })}
	n := r.start(hours...)
	sink := r.hook("h", "role.created")
	receiver := failingSink(sink, func(m string) bool { return strings.HasSuffix(m, " bad") })
	n.reread()
	for _, id := range []string{"a", "bad", "b"} { // each in a batch of its own
		r.roles(id)
		n.catchUp()
	}
	r.awaitRows("h", "done 1", "retry 1", "done 1")
	r.exec(`update latchkey.deliveries set updated_at = now() - interval '2 hours' where seq = 3`)
	r.exec(`update latchkey.event_batches set committed_at = now() - interval '2 hours' where last_seq <= 2`) // 3 is still in the log
	r.eventually("the log begins at 3", `select first_seq = 3 from latchkey.position`)
	r.exec(`update latchkey.deliveries set updated_at = now() - interval '59 minutes' where seq = 1`)
	n.stop()
	n = r.start(hours...) // retention has looked once more before it stops
	r.exec(`update latchkey.deliveries set updated_at = now() - interval '61 minutes' where seq = 1`)
	r.awaitRows("h", "retry 1", "done 1")
	if kept := value[bool](r.rig, `select event is not null from latchkey.deliveries where seq = 2`); !kept {
		t.Fatal("the delivery that waits has lost its event")
	}
	receiver.mend()
	n.stop()
	r.exec(`update latchkey.deliveries set next_attempt_at = now() where status = 'retry'`)
	n = r.start(hours...)
	r.awaitRows("h", "done 2", "done 1")
	about := of(sink.Received(), "bad")
	if len(about) != 2 || about[0].ID != about[1].ID || string(about[0].Body) != string(about[1].Body) {
		t.Errorf("the one that waited was sent %d times, want 2 alike", len(about))
	}
	n.stop()
}
