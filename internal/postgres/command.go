package postgres

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
)

// output runs a command and returns what it printed; a failure holds the end of what it complained.
func output(cmd *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if complaint := lastLines(stderr.String()+stdout.String(), 12); complaint != "" {
			return "", fmt.Errorf("%w: %s", err, complaint)
		}
		return "", err
	}
	return strings.TrimSpace(stdout.String()), nil
}

// lastLines is the end of a text.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(strings.Join(lines[max(0, len(lines)-n):], "\n"))
}

// environment drops what would make Postgres behave differently from one shell to the next (PGDATA, PGPORT, locales)
// and what is none of its business: our own settings hold secrets.
func environment(environ []string) []string {
	kept := []string{"LC_ALL=C"}
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		switch {
		case strings.HasPrefix(name, "PG"), strings.HasPrefix(name, "LATCHKEY_"),
			strings.HasPrefix(name, "LC_"), name == "LANG", name == "LANGUAGE":
		default:
			kept = append(kept, entry)
		}
	}
	return kept
}
