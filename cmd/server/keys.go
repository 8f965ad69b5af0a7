package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/latchkey-dev/latchkey/internal/token"
)

type keysCommand struct {
	List   listKeysCommand   `cmd:"" help:"List the keys that sign tokens."`
	Rotate rotateKeysCommand `cmd:"" help:"Let the next key sign, and make the one after it."`
	Revoke revokeKeyCommand  `cmd:"" help:"Take a retired key away before its time: all that it signed fails from then on."`
}

type listKeysCommand struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run lists the keys.
func (l *listKeysCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	return d.withIssuer(ctx, issuing{}, func(o opened) error {
		list, err := o.issuer.List(ctx)
		if err != nil {
			return err
		}
		if l.JSON {
			return printJSON(stdout, list)
		}
		w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(w, "KEY\tALG\tSTATE\tMADE\tSIGNS SINCE\tRETIRED")
		for _, k := range list {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", k.KID, k.Alg, k.State, k.Created.Local().Format(time.DateTime), orNever(k.Activated), orNever(k.Retired))
		}
		return w.Flush()
	})
}

func orNever(at *time.Time) string {
	if at == nil {
		return ""
	}
	return at.Local().Format(time.DateTime)
}

type rotateKeysCommand struct {
	AtOnce bool `help:"Yes: also where the next key was published only minutes ago. Verifiers that keep the JWKS may refuse tokens until they read it again."`
}

// Run rotates.
func (r *rotateKeysCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	return d.withIssuer(ctx, issuing{}, func(o opened) error {
		rotate := (*token.Issuer).Rotate
		if r.AtOnce {
			rotate = (*token.Issuer).RotateAtOnce
		}
		err := rotate(o.issuer, ctx)
		var early *token.TooEarly
		if errors.As(err, &early) {
			return fmt.Errorf("%w (--at-once)", err)
		}
		if err == nil {
			_, err = fmt.Fprintln(stdout, "the next key signs now, in other processes within a minute; the one before it is published until its tokens have expired")
		}
		return err
	})
}

type revokeKeyCommand struct {
	KID string `arg:"" placeholder:"KEY" help:"The key's id (latchkey keys list)."`
}

// Run revokes.
func (r *revokeKeyCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	return d.withIssuer(ctx, issuing{}, func(o opened) error {
		err := o.issuer.Revoke(ctx, r.KID)
		if err == nil {
			_, err = fmt.Fprintf(stdout, "the key %s is gone, in other processes within a minute; tokens that it signed are refused\n", r.KID)
		}
		return err
	})
}
