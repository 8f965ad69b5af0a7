package postgres

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// fallbackRoot is where root's files go when Postgres' user can't reach the wanted directory.
const fallbackRoot = "/var/lib/latchkey"

// layout is Config.Dir, seen as the files in it.
type layout string

func (l layout) data() string     { return filepath.Join(string(l), "data") }
func (l layout) log() string      { return filepath.Join(string(l), "postgres.log") }
func (l layout) oldLog() string   { return filepath.Join(string(l), "postgres.log.1") }
func (l layout) password() string { return filepath.Join(string(l), "password") }
func (l layout) state() string    { return filepath.Join(string(l), "server.json") }
func (l layout) lock() string     { return filepath.Join(string(l), "lock") }

// scratch is what a start makes and removes; one that was killed leaves it to the next.
func (l layout) scratch() string { return filepath.Join(string(l), "new-") }

// id names the directory where a path can't stand.
func (l layout) id() string {
	sum := sha256.Sum256([]byte(l))
	return hex.EncodeToString(sum[:6])
}

// openLayout makes the directory, or the one that stands in for it.
func openLayout(ctx context.Context, dir string, as account, log *slog.Logger) (layout, error) {
	_, statErr := os.Stat(dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("postgres: Config.Dir: %w", err)
	}
	place, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", fmt.Errorf("postgres: Config.Dir: %w", err)
	}
	if as.enter(ctx, place) == nil {
		return layout(place), nil
	}
	if ctx.Err() != nil {
		return "", fmt.Errorf("postgres: Config.Dir: %w", context.Cause(ctx))
	}
	if errors.Is(statErr, fs.ErrNotExist) {
		_ = os.Remove(place) // we made it, and it stays empty
	}
	instead := filepath.Join(fallbackRoot, layout(place).id())
	err = os.MkdirAll(instead, 0o755)
	if err == nil {
		err = errors.Join(os.Chmod(fallbackRoot, 0o755), os.Chmod(instead, 0o755)) // whatever root's umask
	}
	if err != nil {
		return "", fmt.Errorf("postgres: user %s can't reach %s, and neither could a directory be made elsewhere: "+
			"allow it there (chmod o+x on each parent) or name another directory: %w", as.name, dir, err)
	}
	if err := as.enter(ctx, instead); err != nil {
		return "", fmt.Errorf("postgres: Postgres refuses to run as root, and nothing can be run as user %s in %s or %s: "+
			"name a directory that this user can enter, or run this as an ordinary user: %w", as.name, dir, instead, err)
	}
	log.WarnContext(ctx, "postgres: its user can't reach the directory, so the data lies elsewhere",
		"user", as.name, "directory", dir, "instead", instead)
	return layout(instead), nil
}

// sweep removes what a killed start has left. Only for the holder of the lock.
func (l layout) sweep() error {
	left, err := filepath.Glob(l.scratch() + "*")
	if err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	for _, path := range left {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("postgres: remove what an earlier start left: %w", err)
		}
	}
	return nil
}

// remove takes away what start makes and nothing else: Dir may hold a caller's own files.
func (l layout) remove() error {
	err := l.sweep()
	for _, path := range []string{l.data(), l.log(), l.oldLog(), l.password(), l.state(), l.lock()} {
		err = errors.Join(err, os.RemoveAll(path))
	}
	_ = os.Remove(string(l)) // fails, rightly, where something else lies
	return err
}

// major is the version of the cluster that is there already, or 0.
func (l layout) major() (int, error) {
	text, err := os.ReadFile(filepath.Join(l.data(), "PG_VERSION"))
	if err == nil {
		major, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			return 0, fmt.Errorf("postgres: %s is damaged: restore it from a backup, or move it away to begin anew: %w",
				l.data(), err)
		}
		return major, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("postgres: data directory: %w", err)
	}
	entries, err := os.ReadDir(l.data())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("postgres: data directory: %w", err)
	}
	if len(entries) > 0 {
		return 0, fmt.Errorf("postgres: %s is no data directory of Postgres (it has no PG_VERSION): move it away, "+
			"or name another directory", l.data())
	}
	return 0, nil
}

// secret reads the superuser's password; it is made before the cluster is, so data without one has lost it.
func (l layout) secret(fresh bool) (string, error) {
	text, err := os.ReadFile(l.password())
	if password := strings.TrimSpace(string(text)); err == nil && password != "" {
		return password, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("postgres: password: %w", err)
	}
	if !fresh {
		return "", fmt.Errorf("postgres: the data in %s is there but %s is missing: put the password back, "+
			"or move the directory away to begin anew", l, l.password())
	}
	password := rand.Text()
	if err := writeFile(l.password(), password+"\n"); err != nil {
		return "", fmt.Errorf("postgres: password: %w", err)
	}
	return password, nil
}

// state is what one start tells the next.
type state struct {
	Port  int    `json:"port"`
	Image string `json:"image,omitempty"` // the data lies in a Docker volume
	From  string `json:"from,omitempty"`  // where the running server's binaries came from
}

func (l layout) load() (state, error) {
	var s state
	text, err := os.ReadFile(l.state())
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("postgres: state: %w", err)
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("postgres: %s is damaged; remove it: %w", l.state(), err)
	}
	return s, nil
}

func (l layout) save(s state) error {
	text, err := json.Marshal(s)
	if err == nil {
		err = writeFile(l.state(), string(text)+"\n")
	}
	if err != nil {
		return fmt.Errorf("postgres: state: %w", err)
	}
	return nil
}

// writeFile leaves the old text or the new one, never half of it.
func writeFile(path, text string) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), "new-*") // mode 0600, and swept up
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name())
		}
	}()
	_, err = file.WriteString(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}
