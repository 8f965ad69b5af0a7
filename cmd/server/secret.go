package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/db"
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
		var said []string
		err := pgx.BeginFunc(ctx, o.conn, func(tx pgx.Tx) error {
			for _, c := range db.SealedColumns() {
				if c.Name == "" {
					continue
				}
				n, err := resealColumn(ctx, tx, c, o.keys)
				if err != nil {
					return fmt.Errorf("seal %s again: %w", c.Table, err)
				}
				said = append(said, fmt.Sprintf("%d of %s", n, c.Table))
			}
			return nil
		})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(stdout, "sealed again: %s; all are sealed with the key %s now\n", strings.Join(said, ", "), o.keys.IDs()[0])
		return err
	})
}

type sealedRow struct {
	Place  string // where the row is, for as long as it is locked
	Name   string
	Sealed []byte
}

func resealColumn(ctx context.Context, tx pgx.Tx, c db.SealedColumn, keys *seal.Keys) (n int, err error) {
	rows, err := tx.Query(ctx, fmt.Sprintf(`select ctid::text, %s, %s from %s where %[2]s is not null for update`, c.Name, c.Column, c.Table))
	if err != nil {
		return 0, err
	}
	secrets, err := pgx.CollectRows(rows, pgx.RowToStructByPos[sealedRow])
	if err != nil {
		return 0, err
	}
	for _, s := range secrets {
		if keys.Current(s.Sealed) {
			continue
		}
		plain, err := keys.Open(s.Sealed, s.Name)
		if err != nil {
			return n, fmt.Errorf("%s: %w", s.Name, err)
		}
		if _, err := tx.Exec(ctx, fmt.Sprintf(`update %s set %s = $2 where ctid = $1::text::tid`, c.Table, c.Column), s.Place, keys.Seal(plain, s.Name)); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
