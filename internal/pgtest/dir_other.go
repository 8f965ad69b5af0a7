//go:build !linux

package pgtest

import "os"

// parentDir is where the servers' directories go.
func parentDir() string { return os.TempDir() }
