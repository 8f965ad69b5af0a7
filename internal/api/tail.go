package api

import (
	"context"
	"sync"
	"time"

	"github.com/latchkey-dev/latchkey/listener"
)

// lookEvery is how soon those who follow the feed hear of events that another process stored.
const lookEvery = 250 * time.Millisecond

// tail waits for the end of the log to move, for all who follow it: one look at the database serves them together, and none is
// taken while nobody waits.
type tail struct {
	feed   *listener.Feed
	closed <-chan struct{}
	nudge  chan struct{}

	mu      sync.Mutex
	waiting int
	looking bool
	last    int64         // the last event, as seen
	moved   chan struct{} // closed when last changes, and then replaced
}

func newTail(feed *listener.Feed, closed <-chan struct{}) *tail {
	return &tail{feed: feed, closed: closed, moved: make(chan struct{}), nudge: make(chan struct{}, 1)}
}

// wake has the next look taken at once.
func (t *tail) wake() {
	select {
	case t.nudge <- struct{}{}:
	default: // one is pending
	}
}

// past waits until the log has more than the event seq. It returns false when ctx is done or the API is closed.
func (t *tail) past(ctx context.Context, seq int64) bool {
	t.mu.Lock()
	t.waiting++
	if !t.looking {
		t.looking = true
		go t.look(context.WithoutCancel(ctx))
	}
	defer func() {
		t.mu.Lock()
		t.waiting--
		t.mu.Unlock()
	}()
	for {
		moved, there := t.moved, t.last > seq
		t.mu.Unlock()
		if there {
			return true
		}
		select {
		case <-moved:
		case <-t.closed:
			return false
		case <-ctx.Done():
			return false
		}
		t.mu.Lock()
	}
}

// look looks at the log's end for as long as somebody waits.
func (t *tail) look(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for t.lookOnce(ctx) {
		select {
		case <-tick.C:
		case <-t.nudge:
		case <-t.closed:
			return
		}
	}
}

// lookOnce returns false when nobody waits any more.
func (t *tail) lookOnce(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*lookEvery)
	defer cancel()
	_, last, err := t.feed.Bounds(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil && last != t.last { // an error is for whoever reads
		t.last = last
		close(t.moved)
		t.moved = make(chan struct{})
	}
	t.looking = t.waiting > 0
	return t.looking
}
