//go:build !unix

package postgres

import (
	"context"
	"os"
	"os/exec"
)

// account is whom Postgres runs as; here there is no choice.
type account struct {
	name  string
	other bool
}

func chooseAccount() (account, error) { return account{}, nil }

func (a account) forData(string) (account, error) { return a, nil }

func (a account) prepare(cmd *exec.Cmd) { cmd.Env = environment(os.Environ()) }

func (a account) enter(context.Context, string) error { return nil }

func (a account) own(string) error { return nil }
