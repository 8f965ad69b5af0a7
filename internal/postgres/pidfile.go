package postgres

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// pidFile is postmaster.pid, which a running server keeps in its data directory and a killed one leaves there. Its
// lines: process id, data directory, start time, port, socket directory, address, shared memory, status.
type pidFile struct {
	pid   int
	port  int
	ready bool // it takes connections
}

// readPIDFile fails while there is no file, or only a part of one: a starting server writes it in steps.
func readPIDFile(data string) (pidFile, error) {
	text, err := os.ReadFile(pidPath(data))
	if err != nil {
		return pidFile{}, err
	}
	lines := strings.Split(string(text), "\n")
	var f pidFile
	if f.pid, err = strconv.Atoi(strings.TrimSpace(lines[0])); err != nil || f.pid <= 0 {
		return pidFile{}, fmt.Errorf("postgres: %s names no process", pidPath(data))
	}
	if len(lines) > 3 {
		f.port, _ = strconv.Atoi(strings.TrimSpace(lines[3])) // still being written: 0
	}
	f.ready = len(lines) > 7 && strings.TrimSpace(lines[7]) == "ready"
	return f, nil
}

// disown makes a stale file harmless whose process id has gone to a stranger: Postgres would take the stranger for a
// server and refuse to start. Putting our own id there says "stale" to the server to be (its parent can't be another
// server), and unlike removing the file it keeps the line by which Postgres finds backends that outlived a killed
// postmaster.
func disown(data string) error {
	text, err := os.ReadFile(pidPath(data))
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(string(text), "\n")
	file, err := os.OpenFile(pidPath(data), os.O_WRONLY|os.O_TRUNC, 0) // in place: the owner stays
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(file, "%d\n%s", os.Getpid(), rest); err != nil {
		_ = file.Close()
		return err
	}
	return file.Close()
}

func pidPath(data string) string { return filepath.Join(data, "postmaster.pid") }
