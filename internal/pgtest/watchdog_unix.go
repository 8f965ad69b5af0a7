//go:build unix

package pgtest

import (
	"os/exec"
	"syscall"
)

const watchdogRuns = true

// ownGroup keeps a terminal's Ctrl-C, and a kill of the tests' process group, away from a command.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
