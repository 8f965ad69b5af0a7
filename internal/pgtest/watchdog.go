package pgtest

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"sync"
)

//go:embed watchdog.sh
var watchdogScript string

// watchdog ends what this process has started when the process can't do it any more. The zero value is ready; the
// script starts with the first thing to guard.
type watchdog struct {
	mu   sync.Mutex
	pipe *os.File // nothing but "you are still alive" and the lines of guard
	cmd  *exec.Cmd
}

// guard has a directory with a server's data, or a container, removed when this process ends, whether or not it is
// there yet, or still.
func (w *watchdog) guard(kind, name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !watchdogRuns {
		return nil
	}
	if w.pipe == nil {
		if err := w.start(); err != nil {
			return fmt.Errorf("pgtest: start the watchdog: %w", err)
		}
	}
	if _, err := fmt.Fprintf(w.pipe, "%s %s\n", kind, name); err != nil {
		return fmt.Errorf("pgtest: the watchdog has gone, so nothing would end the server: %w", err)
	}
	return nil
}

func (w *watchdog) start() error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = read.Close() }()
	// No context: it is there for what comes after us. Standard output and error are not the test's, since go test waits
	// until nobody has those any more.
	cmd := exec.Command("/bin/sh", "-c", watchdogScript, "latchkey-watchdog") //nolint:noctx // see above
	cmd.Stdin = read
	cmd.Dir = "/"
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		_ = write.Close()
		return err
	}
	w.pipe, w.cmd = write, cmd
	return nil
}

// dismiss has the script do its work now, and waits for it.
func (w *watchdog) dismiss() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pipe == nil {
		return
	}
	_ = w.pipe.Close()
	_ = w.cmd.Wait() // its exit code is that of the last command, which may have had nothing to do
	w.pipe, w.cmd = nil, nil
}
