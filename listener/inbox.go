package listener

import (
	"context"
	"sync"

	"github.com/jackc/pglogrepl"

	"github.com/latchkey-dev/latchkey/hooks"
)

// inbox stands between the reader and the ingester: what arrives while one batch is being stored is the next batch. So
// batches are small when little happens, and large when much does, with no timer.
type inbox struct {
	mu    sync.Mutex
	batch batch
	wake  chan struct{} // something arrived
	room  chan struct{} // something was taken
}

// batch is what is stored at once.
type batch struct {
	events  []*hooks.Event
	spool   []spoolRow
	unspool []pglogrepl.LSN // transactions whose spool is used up
	at      position        // after it; nextSeq is not set
	moved   bool
	size    int
	stored  chan struct{} // closed when it is stored, if someone waits for that
}

type spoolRow struct {
	commitLSN pglogrepl.LSN
	spooled
}

const (
	inboxEvents = 2000
	inboxBytes  = 3 << 20
)

func newInbox(start position) *inbox {
	return &inbox{batch: batch{at: start}, wake: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// put adds a chunk and waits while there is too much.
func (in *inbox) put(ctx context.Context, c chunk) error {
	in.mu.Lock()
	for len(in.batch.events) >= inboxEvents || in.batch.size >= inboxBytes {
		in.mu.Unlock()
		select {
		case <-in.room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		in.mu.Lock()
	}
	b := &in.batch
	b.events = append(b.events, c.events...)
	for _, s := range c.spool {
		b.spool = append(b.spool, spoolRow{c.commitLSN, s})
	}
	if c.unspool {
		b.unspool = append(b.unspool, c.commitLSN)
	}
	b.size += c.size
	b.moved = true
	if c.endLSN != 0 {
		b.at.done, b.at.partial, b.at.partialAt = c.endLSN, 0, 0
	} else {
		b.at.partial, b.at.partialAt = c.commitLSN, c.ordinal
	}
	in.mu.Unlock()
	signal(in.wake)
	return nil
}

// idle notes that nothing of interest was committed up to lsn; the stream must be between transactions.
func (in *inbox) idle(lsn pglogrepl.LSN) {
	in.mu.Lock()
	if lsn > in.batch.at.done {
		in.batch.at.done, in.batch.moved = lsn, true
	}
	in.mu.Unlock()
	signal(in.wake)
}

// drained returns when all that was put before the call is stored.
func (in *inbox) drained(ctx context.Context) error {
	in.mu.Lock()
	if in.batch.stored == nil {
		in.batch.stored = make(chan struct{})
	}
	stored := in.batch.stored
	in.mu.Unlock()
	signal(in.wake)
	select {
	case <-stored:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// take waits for something and takes all there is.
func (in *inbox) take(ctx context.Context) (batch, error) {
	for {
		in.mu.Lock()
		if b := in.batch; b.moved || b.stored != nil {
			in.batch = batch{at: b.at}
			in.mu.Unlock()
			signal(in.room)
			return b, nil
		}
		in.mu.Unlock()
		select {
		case <-in.wake:
		case <-ctx.Done():
			return batch{}, context.Cause(ctx)
		}
	}
}

// signal wakes a waiter without waiting for one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
