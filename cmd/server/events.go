package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/listener"
	"github.com/latchkey-dev/latchkey/listener/webhook"
)

// eventsCommand reads the feed of one tenant: what its webhooks get, and what /api/v2/events has.
type eventsCommand struct {
	Tenant string        `default:"default" help:"The tenant whose events they are."`
	After  *int64        `placeholder:"SEQ" help:"Only events after this one: the last that you have. Default: from the first that the log still has."`
	Follow bool          `short:"f" help:"Go on with what is stored from now on, until Ctrl-C."`
	JSON   bool          `name:"json" help:"Print a JSON object on each line: seq, and data, which is a webhook's body."`
	Every  time.Duration `default:"200ms" help:"With --follow: how often to look."`
}

// Help is what --help says besides.
func (eventsCommand) Help() string {
	return `Each line begins with the event's number. To go on where another run ended, give its last number:

  latchkey events --json --after 120 --follow

Nothing is left out and nothing comes twice. Where the log has dropped what follows --after, it says so, and where the log begins.`
}

// eventsAtOnce is how many events one read has at most.
const eventsAtOnce = 500

// Run prints the feed.
func (c *eventsCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	if c.Every <= 0 {
		return errors.New("--every has to be above 0")
	}
	conn, err := d.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nothing is open
	if err := requireTenant(ctx, conn, c.Tenant); err != nil {
		return err
	}
	feed := listener.NewFeed(conn, d.Group)
	after := int64(0)
	if c.After != nil {
		after = *c.After
	} else {
		first, _, err := feed.Bounds(ctx)
		if err != nil {
			return err
		}
		after = first - 1
	}
	ticker := time.NewTicker(c.Every)
	defer ticker.Stop()
	for {
		page, err := feed.Read(ctx, c.Tenant, after, eventsAtOnce)
		var gone *listener.ForgottenError
		if errors.As(err, &gone) {
			return fmt.Errorf("%w: go on with --after %d, once what is missing is dealt with", err, gone.First-1)
		}
		if err != nil {
			return err
		}
		for _, ev := range page.Events {
			if err := c.print(stdout, ev); err != nil {
				return err
			}
		}
		after = page.Next
		switch {
		case page.More:
			continue
		case !c.Follow:
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (c *eventsCommand) print(stdout io.Writer, ev *hooks.Event) error {
	name := webhook.EventName(ev)
	if !c.JSON {
		_, err := fmt.Fprintf(stdout, "%d %s %s %s by %s\n", ev.Seq, ev.CommittedAt.UTC().Format(time.RFC3339Nano), name, ev.Key, ev.Stamp().Origin)
		return err
	}
	body, err := webhook.NewBodies(ev).Of(name)
	if err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(struct {
		Seq  int64           `json:"seq"`
		Data json.RawMessage `json:"data"`
	}{ev.Seq, body})
}
