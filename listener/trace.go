package listener

import (
	"time"

	"github.com/latchkey-dev/latchkey/hooks"
)

// Trace has functions that are called as things happen; each may be nil. They are called on the way of the events, so
// they must return quickly and not block.
type Trace struct {
	// Stored is called with events that were just stored, in order.
	Stored func(events []*hooks.Event)
	// Ingested is called after each batch of events that was stored.
	Ingested func(Batch)
	// Ran is called after each run of a hook, when its outcome is recorded.
	Ran func(Run)
	// Sent is called after each attempt at a webhook.
	Sent func(Sent)
	// Owning is called when this process becomes the group's owner, and Stopped with the reason when that ends.
	Owning  func(epoch int64)
	Stopped func(epoch int64, reason error)
}

// Batch is events that were stored in one transaction.
type Batch struct {
	Events int
	Took   time.Duration
}

// Run is one run of a hook for one event.
type Run struct {
	Hook  *hooks.After
	Event *hooks.Event
	Began time.Time
	Took  time.Duration
	Err   error     // nil if it is done
	Dead  bool      // it will not be tried again
	Retry time.Time // when it will, if Err isn't nil and it is not dead
}

// Sent is one attempt at a webhook.
type Sent struct {
	TenantID, HookID, TriggerID string
	Event                       *hooks.Event
	Attempt                     int // 1 is the first
	Began                       time.Time
	Took                        time.Duration // of the request
	Code                        int           // of the answer; 0: there was none
	Err                         error         // nil if it is delivered
	Dead                        bool          // it will not be tried again
	Retry                       time.Time     // when it will, if Err isn't nil and it is not dead
}

// Outcome is how the run ended, in a word: done, retry or dead.
func (r Run) Outcome() string {
	switch {
	case r.Err == nil:
		return "done"
	case r.Dead:
		return "dead"
	default:
		return "retry"
	}
}

// JoinTraces makes one trace of several, which are called in turn.
func JoinTraces(traces ...Trace) Trace {
	return Trace{
		Stored: func(events []*hooks.Event) {
			for i := range traces {
				traces[i].stored(events)
			}
		},
		Ingested: func(b Batch) {
			for i := range traces {
				traces[i].ingested(b)
			}
		},
		Ran: func(r Run) {
			for i := range traces {
				traces[i].ran(r)
			}
		},
		Sent: func(s Sent) {
			for i := range traces {
				traces[i].sent(s)
			}
		},
		Owning: func(epoch int64) {
			for i := range traces {
				traces[i].owning(epoch)
			}
		},
		Stopped: func(epoch int64, reason error) {
			for i := range traces {
				traces[i].stopped(epoch, reason)
			}
		},
	}
}

func (t *Trace) stored(events []*hooks.Event) {
	if t.Stored != nil {
		t.Stored(events)
	}
}

func (t *Trace) ingested(b Batch) {
	if t.Ingested != nil {
		t.Ingested(b)
	}
}

func (t *Trace) ran(r Run) {
	if t.Ran != nil {
		t.Ran(r)
	}
}

func (t *Trace) sent(s Sent) {
	if t.Sent != nil {
		t.Sent(s)
	}
}

func (t *Trace) owning(epoch int64) {
	if t.Owning != nil {
		t.Owning(epoch)
	}
}

func (t *Trace) stopped(epoch int64, reason error) {
	if t.Stopped != nil {
		t.Stopped(epoch, reason)
	}
}
