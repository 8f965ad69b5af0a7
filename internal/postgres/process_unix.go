//go:build unix

package postgres

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// shutdownSignals are Postgres' own: fast ends sessions and writes a checkpoint, immediate just ends and leaves the
// rest to recovery.
func shutdownSignals() (fast, immediate os.Signal) { return syscall.SIGINT, syscall.SIGQUIT }

// serves tells whether a process is the postmaster of a data directory. Process ids are used again, most of all after
// a reboot, so a living one proves nothing; but a postmaster has its data directory as working directory.
func serves(ctx context.Context, pid int, data string) bool {
	if err := syscall.Kill(pid, 0); err != nil {
		return false // gone, or of a user who can't be running this data directory
	}
	if runtime.GOOS == "linux" {
		dir, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/cwd")
		if err == nil {
			return sameFile(dir, data)
		}
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			return false // a zombie has no working directory
		}
	}
	line, err := output(exec.CommandContext(ctx, "ps", "-o", "command=", "-p", strconv.Itoa(pid)))
	if err != nil {
		return true // can't tell: the careful answer
	}
	return strings.Contains(line, data)
}
