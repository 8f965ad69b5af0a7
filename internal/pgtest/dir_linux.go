package pgtest

import (
	"os"
	"syscall"
)

// memory is where Linux keeps files in memory. To copy a database is to make some 300 files: what takes a tenth of a
// second or more on a disk takes 20 milliseconds there.
const memory = "/dev/shm"

// parentDir is where the servers' directories go: memory, if that leaves plenty of it, else the usual place. Whoever sets
// TMPDIR has chosen.
func parentDir() string {
	const plenty = 4 << 30 // a server takes 100 to 300 MB, and go test runs one for each core
	var stat syscall.Statfs_t
	if os.Getenv("TMPDIR") != "" || syscall.Statfs(memory, &stat) != nil {
		return os.TempDir()
	}
	if stat.Bavail < plenty/uint64(stat.Bsize) {
		return os.TempDir()
	}
	probe, err := os.MkdirTemp(memory, "latchkey-test-")
	if err != nil {
		return os.TempDir()
	}
	_ = os.Remove(probe)
	return memory
}
