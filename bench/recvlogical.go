package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// receive measures pg_recvlogical over a backlog, by what it says itself: connecting and ending are not counted. host is
// the directory of a socket; without one it takes TCP.
func (b *bench) receive(ctx context.Context, l backlog, host string) (took time.Duration, err error) {
	const slot = "bench_recvlogical"
	if err := b.copySlot(ctx, l.slot, slot); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, runLimit, errSlow)
	defer cancel()
	cmd, err := b.recvlogicalCommand(ctx, slot, l, host)
	if err != nil {
		return 0, err
	}
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return 0, fmt.Errorf("pg_recvlogical: %w", err)
	}
	began, ended, said := watch(stderr)
	err = cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case err != nil:
		return 0, fmt.Errorf("pg_recvlogical: %w: %s", err, said)
	case began.IsZero() || ended.IsZero():
		return 0, fmt.Errorf("pg_recvlogical did not say when it began and ended: %s", said)
	}
	return ended.Sub(began), b.dropSlot(ctx, slot)
}

func (b *bench) recvlogicalCommand(ctx context.Context, slot string, l backlog, host string) (*exec.Cmd, error) {
	at, err := pgconn.ParseConfig(b.url)
	if err != nil {
		return nil, fmt.Errorf("pg_recvlogical: %w", err)
	}
	if host == "" {
		host = at.Host
	}
	cmd := exec.CommandContext(ctx, b.recvlogical, "--start", "--no-loop", "--verbose", "--slot", slot, "--endpos", l.end.String(),
		"--file", os.DevNull, "--fsync-interval", "0", "--option", "proto_version=1", "--option", "publication_names="+publication,
		"--host", host, "--port", strconv.Itoa(int(at.Port)), "--username", at.User, "--dbname", at.Database)
	cmd.Env = append(os.Environ(), "PGPASSWORD="+at.Password, "PGSSLMODE=disable", "LC_ALL=C")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 3 * time.Second
	return cmd, nil
}

// watch notes when the lines that matter are said.
func watch(stderr io.Reader) (began, ended time.Time, said string) {
	var text strings.Builder
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		now := time.Now()
		switch line := lines.Text(); {
		case strings.Contains(line, "streaming initiated"):
			began = now
		case strings.Contains(line, "end position") && strings.Contains(line, "reached"):
			ended = now
		}
		text.WriteString(lines.Text() + "\n")
	}
	if err := lines.Err(); err != nil && !errors.Is(err, os.ErrClosed) {
		text.WriteString(err.Error())
	}
	return began, ended, text.String()
}
