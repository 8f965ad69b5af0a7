package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// adoptLimit is how long a server that runs but doesn't answer is waited for. It may be starting, recovering or ending.
const adoptLimit = 60 * time.Second

// adopt takes over the server that an earlier process of ours has left running. No server and no error mean that there
// is none, and nothing in the way of a new one.
func (s *starter) adopt(ctx context.Context) (*Server, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, adoptLimit, errors.New("it doesn't answer"))
	defer cancel()
	data := s.layout.data()
	var server *Server
	var file pidFile
	err := s.poll(ctx, "the server that runs already", func() (bool, error) {
		var err error
		file, err = readPIDFile(data)
		if errors.Is(err, fs.ErrNotExist) {
			return true, nil
		}
		if err != nil {
			return true, nil // half a file, left in a crash: Postgres says what is to be done
		}
		if !serves(ctx, file.pid, data) {
			if err := disown(data); err != nil {
				return false, fmt.Errorf("postgres: stale %s: %w", pidPath(data), err)
			}
			return true, nil
		}
		if !file.ready {
			return false, nil
		}
		server, err = s.adoptReady(ctx, file)
		return server != nil, err
	})
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("postgres: process %d runs on %s: end it (kill -INT %d) and start again: %w",
			file.pid, data, file.pid, err)
	}
	return server, err
}

// adoptReady gives neither while the server doesn't answer: it may just be ending.
func (s *starter) adoptReady(ctx context.Context, file pidFile) (*Server, error) {
	process, err := os.FindProcess(file.pid)
	if err != nil {
		return nil, nil // it has ended
	}
	at := address{port: file.port, password: s.password, data: s.layout.data()}
	version, err := at.ping(ctx)
	if errors.Is(err, errForeign) {
		return nil, fmt.Errorf("postgres: process %d runs on %s but doesn't take the password in %s: "+
			"end it (kill -INT %d) or put the right password there: %w",
			file.pid, s.layout.data(), s.layout.password(), file.pid, err)
	}
	if err != nil {
		return nil, nil // not yet, or no longer
	}
	if s.config.Port != 0 && s.config.Port != file.port {
		return nil, fmt.Errorf("postgres: the server on %s runs already, on port %d: end it (kill -INT %d) to have it on "+
			"port %d, or leave Config.Port at 0", s.layout.data(), file.port, file.pid, s.config.Port)
	}
	s.config.Log.InfoContext(ctx, "postgres: took over the server that runs already",
		"process", file.pid, "port", file.port, "directory", string(s.layout))
	from := s.state.From
	if from == "" {
		from = fmt.Sprintf("process %d, already running", file.pid)
	}
	return s.server(at, version, from, &postmaster{process: process, data: s.layout.data()}, true), nil
}
