package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/internal/api"
	"github.com/latchkey-dev/latchkey/internal/seal"
	"github.com/latchkey-dev/latchkey/internal/token"
	"github.com/latchkey-dev/latchkey/listener"
)

// commandLine is who the tokens that the command line makes speak for.
const commandLine = "latchkey-cli"

// managementScopes are all that the management API asks for.
func managementScopes() []string {
	return api.Scopes()
}

// issuing is the flags that say what tokens look like.
type issuing struct {
	Issuer   string `env:"LATCHKEY_ISSUER" placeholder:"URL" help:"What tokens have as iss: the URL at which clients reach the server. Default: http://ADDR/, the server's address."`
	Audience string `env:"LATCHKEY_AUDIENCE" default:"urn:latchkey:management" help:"What tokens for the management API have as aud."`
}

// config is an issuer's. Where no issuer is given it is fallback; issuers end in a slash.
func (i issuing) config(conn token.Database, keys *seal.Keys, fallback string) token.Config {
	url := i.Issuer
	if url == "" {
		url = fallback
	}
	if url != "" && !strings.HasSuffix(url, "/") {
		url += "/"
	}
	return token.Config{Database: conn, Keys: keys, Issuer: url, Audience: i.Audience}
}

// find fills in the issuer of a server on its private Postgres; elsewhere it has to be given.
func (i *issuing) find(d *database) error {
	if i.Issuer == "" && d.private {
		url, err := os.ReadFile(d.issuerFile())
		if err != nil {
			return err
		}
		i.Issuer = string(url)
	}
	if i.Issuer == "" {
		return errors.New("no issuer: give --issuer (or LATCHKEY_ISSUER) as `latchkey serve` has it, which is http://ADDR/ unless it was told another")
	}
	return nil
}

// issuerFile is where a server on its private Postgres leaves its issuer for `latchkey token`, while it runs.
func (d *database) issuerFile() string { return filepath.Join(d.Dir, "issuer") }

// opened is what commands about keys and tokens work with.
type opened struct {
	conn   *pgx.Conn
	keys   *seal.Keys
	issuer *token.Issuer
}

// withIssuer runs fn with the database's keys.
func (d *database) withIssuer(ctx context.Context, flags issuing, fn func(opened) error) error {
	conn, err := d.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nothing is open
	keys, err := d.secretKeys()
	if err != nil {
		return err
	}
	issuer, err := token.Open(ctx, flags.config(conn, keys, ""))
	if err != nil {
		return err
	}
	return fn(opened{conn, keys, issuer})
}

type tokenCommand struct {
	issuing `embed:""`

	Tenant  string        `default:"default" help:"The tenant whose data it opens; * for a token of no tenant, which is for managing tenants."`
	Scope   []string      `placeholder:"SCOPE" help:"What it allows, such as read:hooks. Default: all that the management API asks for."`
	Expires time.Duration `default:"24h" help:"How long it is valid, 720h at most."`
}

// Run prints a token.
func (t *tokenCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	if err := d.need(); err != nil {
		return err
	}
	if err := t.find(d); err != nil {
		return err
	}
	return d.withIssuer(ctx, t.issuing, func(o opened) error {
		if t.Tenant == "*" {
			t.Tenant = ""
		}
		if err := requireTenant(ctx, o.conn, t.Tenant); err != nil {
			return err
		}
		raw, err := managementToken(ctx, o.issuer, token.Claims{
			TenantID: t.Tenant, Audience: []string{t.Audience}, Scope: strings.Join(t.Scope, " "), Expires: time.Now().Add(t.Expires),
		})
		if err == nil {
			_, err = fmt.Fprintln(stdout, raw)
		}
		return err
	})
}

// requireTenant makes a slip of the pen an error here, and not a list without entries there.
func requireTenant(ctx context.Context, conn listener.Querier, tenant string) error {
	if tenant == "" {
		return nil
	}
	var there bool
	if err := conn.QueryRow(ctx, `select exists (select from auth.tenants where id = $1)`, tenant).Scan(&there); err != nil {
		return err
	}
	if !there {
		return fmt.Errorf("there is no tenant %q: give another --tenant, or * for a token of no tenant", tenant)
	}
	return nil
}

// managementToken signs a token of the command line's, with all scopes unless the claims have some.
func managementToken(ctx context.Context, issuer *token.Issuer, c token.Claims) (string, error) {
	c.Subject, c.AuthorizedParty = commandLine+"@clients", commandLine
	if c.Scope == "" {
		c.Scope = strings.Join(managementScopes(), " ")
	}
	return issuer.Mint(ctx, c)
}
