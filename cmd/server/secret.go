package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/internal/seal"
)

// secretFile is where a server keeps the key of its private Postgres' secrets, beside the data.
func (d *database) secretFile() string { return filepath.Join(d.Dir, "secret.key") }

// secretKeys are those of the environment; with the private Postgres, else those that its server keeps in a file.
func (d *database) secretKeys() (*seal.Keys, error) {
	if text := os.Getenv(seal.Setting); text != "" {
		return seal.Parse(text)
	}
	if !d.private {
		return nil, fmt.Errorf("%s is not set, and secrets in the database are sealed with it: make a key with `latchkey secret`, set it, and keep it safe", seal.Setting)
	}
	text, err := os.ReadFile(d.secretFile())
	if err != nil {
		return nil, err
	}
	keys, err := seal.Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.secretFile(), err)
	}
	return keys, nil
}

// keepSecret makes the private Postgres' key where there is none. A file appears whole or not at all, and none is replaced.
func (d *database) keepSecret() error {
	if os.Getenv(seal.Setting) != "" {
		return nil
	}
	if _, err := os.Stat(d.secretFile()); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	file, err := os.CreateTemp(d.Dir, "secret-*") // only its user can read it
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(file.Name()) }() // the link stays
	_, err = file.WriteString(seal.New() + "\n")
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Link(file.Name(), d.secretFile())
}

type secretCommand struct {
	New    newSecretCommand `cmd:"" default:"1" help:"Print a new key for LATCHKEY_SECRET_KEY (the default)."`
	Reseal resealCommand    `cmd:"" help:"Seal every secret in the database with the first key of LATCHKEY_SECRET_KEY, so that the others can go."`
}

type newSecretCommand struct{}

// Run prints a key.
func (newSecretCommand) Run(stdout io.Writer) error {
	_, err := fmt.Fprintln(stdout, seal.New())
	return err
}

type resealCommand struct{}

// Run seals again what another key than the first has sealed.
func (resealCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	return d.withIssuer(ctx, issuing{}, func(o opened) error {
		signing, err := o.issuer.Reseal(ctx)
		if err != nil {
			return err
		}
		secrets, err := resealSecrets(ctx, o.conn, o.keys)
		if err != nil {
			return fmt.Errorf("seal the secrets of hooks, clients and connections again: %w", err)
		}
		_, err = fmt.Fprintf(stdout, "sealed %d signing keys and %d secrets of hooks, clients and connections again; all are sealed with the key %s now\n",
			signing, secrets, o.keys.IDs()[0])
		return err
	})
}

// sealedTables are the tables with sealed secrets, each with the name that binds a secret to its row.
func sealedTables() map[string]string {
	return map[string]string{
		"auth.hook_secrets":       `'hook/' || tenant_id || '/' || hook_id || '/' || kind`,
		"auth.client_secrets":     `'client/' || tenant_id || '/' || client_id`,
		"auth.connection_secrets": `'connection/' || tenant_id || '/' || connection_id || '/' || name`,
	}
}

type sealedRow struct {
	Place  string // where the row is, for as long as it is locked
	Name   string
	Sealed []byte
}

func resealSecrets(ctx context.Context, conn *pgx.Conn, keys *seal.Keys) (int, error) {
	n := 0
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for table, name := range sealedTables() {
			rows, err := tx.Query(ctx, fmt.Sprintf(`select ctid::text, %s, sealed from %s for update`, name, table))
			if err != nil {
				return err
			}
			secrets, err := pgx.CollectRows(rows, pgx.RowToStructByPos[sealedRow])
			if err != nil {
				return err
			}
			for _, s := range secrets {
				if keys.Current(s.Sealed) {
					continue
				}
				plain, err := keys.Open(s.Sealed, s.Name)
				if err != nil {
					return fmt.Errorf("%s: %w", s.Name, err)
				}
				if _, err := tx.Exec(ctx, `update `+table+` set sealed = $2 where ctid = $1::text::tid`, s.Place, keys.Seal(plain, s.Name)); err != nil {
					return err
				}
				n++
			}
		}
		return nil
	})
	return n, err
}
