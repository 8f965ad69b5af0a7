package listener

import (
	"context"
	"sync"

	"github.com/jackc/pglogrepl"
)

// progress is what WaitFor waits on: how far the log is stored, and how far its deliveries are settled.
type progress struct {
	mu      sync.Mutex
	covered pglogrepl.LSN // all that committed at or below it is stored
	stored  int64         // the last stored seq
	settled int64         // every delivery of events up to it is settled
	sent    int64         // the same of webhooks
	waiting int
	changed chan struct{} // closed at every change while someone waits
	ask     func()        // asks the server where it is; nil while no stream runs
}

func newProgress() *progress { return &progress{changed: make(chan struct{})} }

func (p *progress) update(change func(*progress)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
	if p.waiting > 0 {
		close(p.changed)
		p.changed = make(chan struct{})
	}
}

func (p *progress) cover(lsn pglogrepl.LSN, stored int64) {
	p.update(func(p *progress) {
		p.covered = max(p.covered, lsn)
		p.stored = max(p.stored, stored)
	})
}

func (p *progress) settle(settled, sent int64) {
	p.update(func(p *progress) { p.settled, p.sent = max(p.settled, settled), max(p.sent, sent) })
}

// waitedFor reports whether someone waits.
func (p *progress) waitedFor() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waiting > 0
}

// wait returns when what committed at or below lsn is settled, as far as says up to where it is.
func (p *progress) wait(ctx context.Context, lsn pglogrepl.LSN, upTo func(*progress) int64) error {
	p.mu.Lock()
	p.waiting++
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.waiting--
		p.mu.Unlock()
	}()
	target := int64(-1) // the last event at or below lsn, once it is known
	for {
		p.mu.Lock()
		if target < 0 && p.covered >= lsn {
			target = p.stored
		}
		done := target >= 0 && upTo(p) >= target
		changed, ask, covered := p.changed, p.ask, target >= 0
		p.mu.Unlock()
		if done {
			return nil
		}
		if !covered && ask != nil {
			ask()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
