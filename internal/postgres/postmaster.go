package postgres

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// postmaster is the server's first process: our child, or one that an earlier process of ours has left.
type postmaster struct {
	process *os.Process
	data    string
	exited  chan struct{} // closed when our child has ended; nil for an adopted one, which isn't ours to wait for
}

// launch starts postgres as a child. It outlives us if we are killed, as it has no pipe to us: its log is a file.
func (s *starter) launch(from Installation, port int) (*postmaster, error) {
	log, err := os.OpenFile(s.layout.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("postgres: log: %w", err)
	}
	defer func() { _ = log.Close() }()
	// No context: the server's life is bounded by Stop, not by that of the call that starts it.
	cmd := exec.Command(binary(from.Dir, "postgres"), //nolint:noctx // see above
		"-D", s.layout.data(), "-p", strconv.Itoa(port),
		"-c", "listen_addresses="+host)
	s.as.prepare(cmd)
	cmd.Dir = s.layout.data()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("postgres: start %s: %w", cmd.Path, err)
	}
	p := &postmaster{process: cmd.Process, data: s.layout.data(), exited: make(chan struct{})}
	go func() {
		defer close(p.exited)
		_ = cmd.Wait() // how it ended stands in its log
	}()
	return p, nil
}

// How long each way to end may take: see stop.
const (
	fastLimit      = 3 * time.Second
	immediateLimit = 3 * time.Second
	killLimit      = 5 * time.Second
)

// stop asks for a fast shutdown. That waits for a checkpoint and for replication clients to take the last WAL, one of
// which may hang: so after a while, or when ctx ends, it is an immediate one, from which the next start recovers.
func (p *postmaster) stop(ctx context.Context) error {
	fast, _ := shutdownSignals()
	if p.signal(ctx, fast, fastLimit) {
		return nil
	}
	return p.discard(ctx)
}

// discard ends the server at once.
func (p *postmaster) discard(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx) // bounded by the limits, and leaving a server behind helps nobody
	_, immediate := shutdownSignals()
	if p.signal(ctx, immediate, immediateLimit) || p.signal(ctx, os.Kill, killLimit) {
		return nil
	}
	return fmt.Errorf("postgres: process %d of %s does not end", p.process.Pid, p.data)
}

// signal tells whether the server has ended within the limit.
func (p *postmaster) signal(ctx context.Context, sig os.Signal, limit time.Duration) bool {
	_ = p.process.Signal(sig) // fails if it has ended already, which is looked at next
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if p.exited != nil {
		select {
		case <-p.exited:
			return true
		case <-ctx.Done():
			return false
		}
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for serves(context.WithoutCancel(ctx), p.process.Pid, p.data) {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}
