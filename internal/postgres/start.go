package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// starter is what a start knows: where, as whom, with which password.
type starter struct {
	config   Config
	layout   layout
	as       account
	password string
	state    state
}

// Start gives a running server on Config.Dir: the one that runs there already, or a new one. It returns when the
// server answers and Config.Database is there; until then ctx bounds it, afterwards Stop ends the server.
func Start(ctx context.Context, config Config) (server *Server, err error) {
	s := &starter{}
	if s.config, err = config.withDefaults(); err != nil {
		return nil, err
	}
	if s.as, err = chooseAccount(); err != nil {
		return nil, err
	}
	if s.layout, err = openLayout(ctx, s.config.Dir, s.as, s.config.Log); err != nil {
		return nil, err
	}
	unlock, err := lock(ctx, s.layout.lock())
	if err != nil {
		return nil, err
	}
	defer unlock()
	if server, err = s.start(ctx); err != nil {
		return nil, err
	}
	if err := server.address.ensure(ctx, s.config.Database); err != nil {
		if !server.adopted {
			err = errors.Join(err, server.runner.stop(ctx))
		}
		return nil, err
	}
	return server, nil
}

// start chooses the way: what runs, then what the data asks for, then whatever is found.
func (s *starter) start(ctx context.Context) (*Server, error) {
	err := s.layout.sweep()
	if err != nil {
		return nil, err
	}
	if s.state, err = s.layout.load(); err != nil {
		return nil, err
	}
	if s.as, err = s.as.forData(s.layout.data()); err != nil {
		return nil, err
	}
	major, err := s.layout.major()
	if err != nil {
		return nil, err
	}
	fresh := major == 0 && s.state.Image == ""
	if s.password, err = s.layout.secret(fresh); err != nil {
		return nil, err
	}
	if s.state.Image != "" {
		return s.startContainer(ctx, s.state.Image)
	}
	if !fresh {
		if server, err := s.adopt(ctx); server != nil || err != nil {
			return server, err
		}
	}
	from, err := newFinder(s.as, s.config.Log).find(ctx, major)
	if err != nil {
		return nil, err
	}
	if from.Image != "" {
		return s.startContainer(ctx, from.Image)
	}
	if fresh {
		if err := s.createCluster(ctx, from); err != nil {
			return nil, err
		}
	}
	return s.startChild(ctx, from)
}

// How often and how long a start tries again where that helps: see startChild.
const (
	portAttempts = 5
	orphanLimit  = 15 * time.Second
)

func (s *starter) startChild(ctx context.Context, from Installation) (*Server, error) {
	// As root: a restored backup belongs to root, and Postgres insists on being the owner.
	if err := s.as.own(s.layout.data()); err != nil {
		return nil, fmt.Errorf("postgres: data directory: %w", err)
	}
	if err := s.writeSettings(); err != nil {
		return nil, err
	}
	s.rotateLog()
	for began, attempt := time.Now(), 1; ; attempt++ {
		port, err := choosePort(ctx, s.config.Port, s.state.Port)
		if err != nil {
			return nil, err
		}
		server, err := s.tryChild(ctx, from, port)
		if err == nil {
			return server, nil
		}
		var exit *exitError
		switch {
		case !errors.As(err, &exit):
			return nil, err
		case exit.says("could not bind"):
			// Somebody was faster than we between finding the port free and taking it.
			if s.config.Port != 0 || attempt >= portAttempts {
				return nil, err
			}
			s.state.Port = 0
		case exit.says("pre-existing shared memory block"):
			// The last postmaster was killed, and its backends have not noticed yet. They will.
			if time.Since(began) > orphanLimit {
				return nil, fmt.Errorf("postgres: backends of a killed server still use %s: end them: %w", s.layout.data(), err)
			}
			select {
			case <-ctx.Done():
				return nil, errors.Join(context.Cause(ctx), err)
			case <-time.After(100 * time.Millisecond):
			}
		default:
			return nil, err
		}
	}
}

func (s *starter) tryChild(ctx context.Context, from Installation, port int) (*Server, error) {
	logged := s.logSize()
	child, err := s.launch(from, port)
	if err != nil {
		return nil, err
	}
	at := address{port: port, password: s.password, data: s.layout.data()}
	version := ""
	err = s.poll(ctx, "the server to be ready", func() (bool, error) {
		select {
		case <-child.exited:
			return false, &exitError{log: s.layout.log(), tail: s.logTail(logged)}
		default:
		}
		// Before the server itself says that it is ready, what answers at its port could be another's.
		file, err := readPIDFile(s.layout.data())
		if err != nil || file.pid != child.process.Pid || !file.ready {
			return false, nil // not yet there
		}
		version, err = at.ping(ctx)
		if errors.Is(err, errForeign) {
			return false, fmt.Errorf("postgres: the server on %s doesn't take the password in %s: put the right one there: %w",
				s.layout.data(), s.layout.password(), err)
		}
		return err == nil, nil
	})
	if err == nil {
		err = s.layout.save(state{Port: port, From: from.String()})
	}
	var exit *exitError
	switch {
	case err == nil:
		return s.server(at, version, from.String(), child, false), nil
	case errors.As(err, &exit):
		return nil, err
	case ctx.Err() != nil:
		err = fmt.Errorf("postgres: not ready in time: %w; the end of %s:\n%s", err, s.layout.log(), s.logTail(logged))
	}
	return nil, errors.Join(err, child.stop(ctx))
}

// exitError is a server that ended before it was ready.
type exitError struct{ log, tail string }

func (e *exitError) Error() string {
	return fmt.Sprintf("postgres: the server ended before it was ready; the end of %s:\n%s", e.log, e.tail)
}

func (e *exitError) says(text string) bool { return strings.Contains(e.tail, text) }

// rotateLog keeps the log from growing for ever.
func (s *starter) rotateLog() {
	const limit = 16 << 20
	if s.logSize() > limit {
		_ = os.Rename(s.layout.log(), s.layout.oldLog()) // a long log is better than no server
	}
}

func (s *starter) logSize() int64 {
	info, err := os.Stat(s.layout.log())
	if err != nil {
		return 0
	}
	return info.Size()
}

// logTail is the end of what the server has said since offset.
func (s *starter) logTail(offset int64) string {
	file, err := os.Open(s.layout.log())
	if err != nil {
		return err.Error()
	}
	defer func() { _ = file.Close() }()
	offset = max(offset, s.logSize()-16<<10)
	text, err := io.ReadAll(io.NewSectionReader(file, offset, 16<<10))
	if err != nil {
		return err.Error()
	}
	return lastLines(string(text), 20)
}
