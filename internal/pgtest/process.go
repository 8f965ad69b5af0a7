package pgtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// process is what the tests of this process share. go test runs each package in a process of its own, and none of
// its tests could hand a server to the next.
//
//nolint:gochecknoglobals // one server a process
var process servers

// servers holds one server for each way that was asked for.
type servers struct {
	dog watchdog

	mu      sync.Mutex
	started map[string]*started
}

// started remembers a failure too: a hundred tests need not wait for it one after the other.
type started struct {
	once sync.Once
	host *host
	err  error
}

func (s *servers) get(ctx context.Context, way way) (*host, error) {
	s.mu.Lock()
	if s.started == nil {
		s.started = map[string]*started{}
	}
	one, ok := s.started[way.name]
	if !ok {
		one = &started{}
		s.started[way.name] = one
	}
	s.mu.Unlock()
	one.once.Do(func() {
		one.err = errors.New("its start panicked") // unless it returns
		one.host, one.err = way.start(ctx, &s.dog)
	})
	return one.host, one.err
}

// end ends all servers. The next get starts anew.
func (s *servers) end(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	for name, one := range s.started {
		if one.host == nil {
			continue
		}
		if e := one.host.end(ctx); e != nil {
			err = errors.Join(err, fmt.Errorf("pgtest: end the server (%s): %w", name, e))
		}
	}
	s.started = nil
	s.dog.dismiss()
	return err
}
