package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/latchkey-dev/latchkey/db"
)

// childCommand makes this program a listener and nothing else, so that its memory is a listener's.
const (
	childCommand = "listen"
	childURL     = "LATCHKEY_BENCH_URL"
	childReady   = "ready"
)

// runChild follows until its standard input ends, which it also does when the parent dies.
func runChild(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer) error {
	b := &bench{url: os.Getenv(childURL), log: engineLog(stderr)}
	reg := db.NewHooks()
	counting(reg, newCounter(0))
	e, err := b.openEngine(ctx, reg)
	if err != nil {
		return err
	}
	e.start(ctx)
	if _, err = e.owned(ctx); err == nil {
		fmt.Fprintln(stdout, childReady)
		closed := make(chan struct{})
		go func() {
			_, _ = io.Copy(io.Discard, stdin) // its end is all that matters
			close(closed)
		}()
		err = e.wait(ctx, closed)
	}
	if ctx.Err() != nil { // asked to end by a signal, which the parent tells of
		err = nil
	}
	return errors.Join(err, e.stop())
}

// child is a listener in a process of its own.
type child struct {
	cmd   *exec.Cmd
	stdin io.Closer
}

// startChild returns when the child's stream has begun.
func (b *bench) startChild(ctx context.Context) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, childCommand)
	cmd.Env = append(os.Environ(), childURL+"="+b.url)
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start a listener: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start a listener: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a listener: %w", err)
	}
	c := &child{cmd: cmd, stdin: stdin}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != childReady {
		return nil, errors.Join(fmt.Errorf("the listener did not get ready: %q: %w", line, err), c.stop())
	}
	return c, nil
}

// stop asks the child to end and waits for it.
func (c *child) stop() error {
	_ = c.stdin.Close() // that is how it is asked
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("end the listener: %w", err)
	}
	return nil
}

// memory reads a size of the child's, in bytes.
func (c *child) memory(field string) (int64, error) { return processMemory(c.cmd.Process.Pid, field) }
