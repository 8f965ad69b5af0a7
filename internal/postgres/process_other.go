//go:build !unix

package postgres

import (
	"context"
	"os"
)

// shutdownSignals: a process can only be killed here, and Postgres recovers at the next start.
func shutdownSignals() (fast, immediate os.Signal) { return os.Kill, os.Kill }

// serves says whether the process is there at all; what it is shows when the server at its port is asked.
func serves(_ context.Context, pid int, _ string) bool {
	process, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	_ = process.Release()
	return true
}
