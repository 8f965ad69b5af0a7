package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// install puts a Postgres of sorts into a directory, which knows its version only.
func install(tb testing.TB, dir string, major int, names ...string) string {
	tb.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	if names == nil {
		names = []string{"postgres", "initdb", "pg_ctl"}
	}
	for _, name := range names {
		write(tb, filepath.Join(dir, name), fmt.Sprintf("#!/bin/sh\necho '%s (PostgreSQL) %d.4 (Test 1)'\n", name, major), 0o755)
	}
	return dir
}

// bare finds nothing anywhere, until a test says otherwise.
func bare(tb testing.TB) finder {
	tb.Helper()
	as, err := chooseAccount()
	if err != nil {
		tb.Fatal(err)
	}
	return finder{
		as:       as,
		lookPath: func(string) (string, error) { return "", os.ErrNotExist },
		npm:      func(context.Context) (string, error) { return "", errors.New("it is not in PATH") },
		docker:   func(context.Context) (string, error) { return "", errors.New("no daemon") },
	}
}

func TestFindTakesTheFirstThatFits(t *testing.T) {
	t.Parallel()
	top := directory(t)
	at := func(parts ...string) string { return filepath.Join(append([]string{top}, parts...)...) }
	install(t, at("path"), 16)
	install(t, at("config"), 17)
	write(t, at("pg_config"), "#!/bin/sh\necho "+at("config")+"\n", 0o755)
	install(t, at("debian", "9.6", "bin"), 9)
	install(t, at("debian", "15", "bin"), 15)
	install(t, at("debian", "18", "bin"), 18, "postgres") // a client's half
	install(t, at("brew", "postgresql@18", "bin"), 18)
	install(t, at("npm"), npmMajor)
	if err := os.Mkdir(at("links"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(at("path", "postgres"), at("links", "postgres")); err != nil {
		t.Fatal(err)
	}

	f := bare(t)
	check := func(name string, want int, dir string) {
		t.Helper()
		found, err := f.find(t.Context(), want)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if found.String() != dir {
			t.Errorf("%s: found %s, not %s", name, found, dir)
		}
	}
	f.docker = func(context.Context) (string, error) { return dockerImage, nil }
	check("Docker", 0, "Docker image "+dockerImage)
	f.npm = func(context.Context) (string, error) { return at("npm"), nil }
	check("npm before Docker", 0, at("npm"))
	f.patterns = []string{at("debian", "*", "bin"), at("brew", "postgresql@*", "bin")}
	check("a whole and new one before npm", 0, at("debian", "15", "bin"))
	check("the data's version", 18, at("brew", "postgresql@18", "bin"))
	f.lookPath = func(name string) (string, error) {
		if name == "pg_config" {
			return at("pg_config"), nil
		}
		return "", os.ErrNotExist
	}
	check("pg_config before directories", 0, at("config"))
	f.lookPath = func(name string) (string, error) { return at("links", name), nil }
	check("PATH first, by its link", 0, at("path"))
}

func TestNothingFoundNamesEveryWay(t *testing.T) {
	t.Parallel()
	top := directory(t)
	old := install(t, filepath.Join(top, "14", "bin"), 14)
	f := bare(t)
	f.patterns = []string{filepath.Join(top, "*", "bin")}
	_, err := f.find(t.Context(), 0)
	var missing *NotFoundError
	if !errors.As(err, &missing) {
		t.Fatalf("error %v", err)
	}
	for _, want := range []string{
		"install Postgres 15", "npm", "Docker", "LATCHKEY_DATABASE_URL",
		old + ": Postgres 14 is too old", "npm: it is not in PATH", "Docker: no daemon",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in: %v", want, err)
		}
	}
	if _, err := f.find(t.Context(), 16); !strings.Contains(err.Error(), "install Postgres 16") {
		t.Errorf("for data of 16: %v", err)
	}
}

func TestFindHere(t *testing.T) {
	t.Parallel()
	found, err := Find(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if found.Major < oldest || found.String() == "" {
		t.Errorf("found %+v", found)
	}
}

func TestNewestFirst(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]int{
		"/usr/lib/postgresql/16/bin": 16, "/usr/lib/postgresql/9.6/bin": 9, "/usr/pgsql-17/bin": 17,
		"/opt/homebrew/opt/postgresql@18/bin": 18, "/usr/local/opt/postgresql/bin": 0,
	} {
		if got := pathMajor(path); got != want {
			t.Errorf("%s is %d, not %d", path, got, want)
		}
	}
}
