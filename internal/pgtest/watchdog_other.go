//go:build !unix

package pgtest

import "os/exec"

// Without a shell, only Suite ends the servers.
const watchdogRuns = false

func ownGroup(*exec.Cmd) {}
