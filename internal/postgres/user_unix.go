//go:build unix

package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is whom Postgres runs as. The zero value means ourselves.
type account struct {
	name     string
	uid, gid uint32
	other    bool
}

// chooseAccount is ourselves unless we are root, which Postgres refuses to run as.
func chooseAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(found.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(found.Gid, 10, 32)
		if err := errors.Join(uidErr, gidErr); err != nil {
			return account{}, fmt.Errorf("postgres: user %s: %w", name, err)
		}
		return account{name: name, uid: uint32(uid), gid: uint32(gid), other: true}, nil
	}
	return account{}, errors.New("postgres: Postgres refuses to run as root, and there is neither a user postgres " +
		"nor nobody to run it as: `useradd --system postgres`, or run this as an ordinary user")
}

// forData is the account that fits a data directory which is there already: Postgres insists on its owner.
func (a account) forData(dir string) (account, error) {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err != nil {
		return a, fmt.Errorf("postgres: data directory: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return a, nil
	case !a.other && int(stat.Uid) != os.Geteuid():
		return a, fmt.Errorf("postgres: %s belongs to user id %d and you are %d: run this as that user or as root, "+
			"or name another directory", dir, stat.Uid, os.Geteuid())
	case !a.other, stat.Uid == 0, stat.Uid == a.uid:
		return a, nil
	}
	return account{name: fmt.Sprintf("id %d", stat.Uid), uid: stat.Uid, gid: stat.Gid, other: true}, nil
}

// prepare makes a command run as the account, in a process group of its own so that a terminal's Ctrl-C passes it by.
// When the command's context ends, the whole group does: initdb has children.
func (a account) prepare(cmd *exec.Cmd) {
	cmd.Env = environment(os.Environ())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if a.other {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	if cmd.Cancel != nil {
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	}
}

// enter tries whether the account can reach a directory. It asks the kernel rather than reading mode bits, which know
// nothing of ACLs: Go's child changes directory after it has changed user.
func (a account) enter(ctx context.Context, dir string) error {
	if !a.other {
		return nil
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", ":")
	a.prepare(cmd)
	cmd.Dir = dir
	return cmd.Run()
}

// own hands a tree over to the account.
func (a account) own(path string) error {
	if !a.other {
		return nil
	}
	return filepath.WalkDir(path, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(a.uid), int(a.gid))
	})
}
