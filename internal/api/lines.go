package api

import (
	"context"
	"sync"

	"github.com/latchkey-dev/latchkey/db"
)

// lines writes log lines, those of requests that end at the same time together. A request is answered when its line is written,
// so whoever reads the log next finds it; the write doesn't wait for the disk, or every change would wait for it twice.
type lines struct {
	write func(ctx context.Context, lines []db.LogLine) error

	mu      sync.Mutex
	waiting *lineBatch
	writing bool
}

// lineBatch is lines that are written together.
type lineBatch struct {
	lines []db.LogLine
	done  chan struct{}
	err   error // once done is closed
}

// add returns when the line is written. Whoever comes first writes for all who come while the batch before is being written.
func (l *lines) add(ctx context.Context, line db.LogLine) error {
	l.mu.Lock()
	if l.waiting == nil {
		l.waiting = &lineBatch{done: make(chan struct{})}
	}
	b := l.waiting
	b.lines = append(b.lines, line)
	if !l.writing {
		l.writing = true
		go l.run(context.WithoutCancel(ctx))
	}
	l.mu.Unlock()
	<-b.done
	return b.err
}

func (l *lines) run(ctx context.Context) {
	for {
		l.mu.Lock()
		b := l.waiting
		l.waiting = nil
		l.writing = b != nil
		l.mu.Unlock()
		if b == nil {
			return
		}
		b.err = l.write(ctx, b.lines)
		close(b.done)
	}
}
