package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// createCluster makes the data directory beside its place and moves it there in one step, so that a start killed in
// the middle leaves nothing that the next would take for a cluster.
func (s *starter) createCluster(ctx context.Context, from Installation) error {
	s.config.Log.InfoContext(ctx, "postgres: making a data directory", "directory", s.layout.data(), "binaries", from.Dir)
	data := s.layout.scratch() + "data"
	if err := os.Mkdir(data, 0o700); err != nil {
		return fmt.Errorf("postgres: initdb: %w", err)
	}
	// initdb runs as the account, which can't read our password file: it gets a copy, for as long as it runs.
	password := s.layout.scratch() + "password"
	if err := writeFile(password, s.password+"\n"); err != nil {
		return fmt.Errorf("postgres: initdb: %w", err)
	}
	defer func() { _ = os.Remove(password) }()
	if err := errors.Join(s.as.own(data), s.as.own(password)); err != nil {
		return fmt.Errorf("postgres: initdb: %w", err)
	}

	args := []string{
		"--pgdata", data, "--username", superuser, "--pwfile", password,
		"--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C",
	}
	if from.Major >= 17 {
		// The same order of text as C, but lower() and upper() know all of Unicode; and none of it is the system's,
		// whose locales change under an index when it is upgraded.
		args = append(args, "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8")
	}
	if s.config.NoSync {
		args = append(args, "--no-sync")
	}
	cmd := exec.CommandContext(ctx, binary(from.Dir, "initdb"), args...)
	s.as.prepare(cmd)
	cmd.Dir = data
	if _, err := output(cmd); err != nil {
		return fmt.Errorf("postgres: initdb: %w", err)
	}
	conf, err := os.OpenFile(filepath.Join(data, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("postgres: initdb: %w", err)
	}
	_, err = conf.WriteString("\ninclude_if_exists = '" + settingsName + "'\n")
	if err = errors.Join(err, conf.Close()); err != nil {
		return fmt.Errorf("postgres: initdb: %w", err)
	}
	// An empty data directory, made by hand, is in the way of the rename; one with something in it was refused before.
	if err := os.Remove(s.layout.data()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("postgres: initdb: %w", err)
	}
	if err := os.Rename(data, s.layout.data()); err != nil {
		return fmt.Errorf("postgres: initdb: %w", err)
	}
	return nil
}

// settingsName is the file in the data directory that holds Config's settings.
const settingsName = "latchkey.conf"

func (s *starter) writeSettings() error {
	path := filepath.Join(s.layout.data(), settingsName)
	if err := writeFile(path, settingsFile(s.config.settings())); err != nil {
		return fmt.Errorf("postgres: settings: %w", err)
	}
	if err := s.as.own(path); err != nil {
		return fmt.Errorf("postgres: settings: %w", err)
	}
	return nil
}
