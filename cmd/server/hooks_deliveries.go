package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/latchkey-dev/latchkey/internal/tenanthook"
	"github.com/latchkey-dev/latchkey/listener"
	"github.com/latchkey-dev/latchkey/listener/webhook"
)

// sentPage are flags of lists of what was sent to webhooks.
type sentPage struct {
	After string `placeholder:"DELIVERY" help:"Only those that follow this one: the last of the page before."`
	Limit int    `default:"50" help:"At most so many."`
	JSON  bool   `name:"json" help:"Print JSON."`
}

type hookDeliveriesCommand struct {
	ofTenant `embed:""`
	sentPage `embed:""`

	ID     string   `arg:"" help:"The webhook's id."`
	Status []string `placeholder:"STATUS" help:"Only those that are retry, held, dead, done or discarded."`
}

// Run lists a webhook's deliveries.
func (c *hookDeliveriesCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	return c.with(ctx, d, func(t *tenantHooks) error {
		if _, err := t.webhook(ctx, c.ID); err != nil {
			return err
		}
		return c.print(ctx, stdout, t, listener.WebhookFilter{HookID: c.ID, Status: c.Status})
	})
}

// sentDelivery is a delivery as JSON.
type sentDelivery struct {
	ID        string `json:"id"`
	WebhookID string `json:"webhook_id,omitempty"`
	listener.WebhookDelivery
}

func (p *sentPage) print(ctx context.Context, stdout io.Writer, t *tenantHooks, f listener.WebhookFilter) error {
	if f.Limit = p.Limit; p.Limit < 1 {
		return errors.New("--limit has to be above 0")
	}
	if p.After != "" {
		at, ok := tenanthook.ParseDeliveryID(p.After)
		if !ok {
			return fmt.Errorf("--after %q is no delivery's id: take the last one of the page before, which begins with dlv_", p.After)
		}
		f.Before = &at
	}
	rows, err := t.Operator.WebhookDeliveries(ctx, t.tenant, f)
	if err != nil {
		return err
	}
	if p.JSON {
		list := make([]sentDelivery, len(rows))
		for i := range rows {
			list[i] = sentDelivery{ID: tenanthook.DeliveryID(&rows[i]), WebhookDelivery: rows[i]}
			if rows[i].EventID != "" {
				list[i].WebhookID = webhook.MessageID(rows[i].EventID, rows[i].HookID)
			}
		}
		return printJSON(stdout, list)
	}
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "DELIVERY\tHOOK\tEVENT\tRUN\tSTATUS\tATTEMPT\tAT\tCODE\tLATENCY\tERROR")
	for i := range rows {
		printSent(w, &rows[i])
	}
	if len(rows) == p.Limit {
		_, _ = fmt.Fprintf(w, "there may be more: --after %s\n", tenanthook.DeliveryID(&rows[len(rows)-1]))
	}
	return w.Flush()
}

// printSent prints a delivery with its last attempt, and below it the attempts before.
func printSent(w io.Writer, d *listener.WebhookDelivery) {
	head := fmt.Sprintf("%s\t%s\t%d\t%d\t%s", tenanthook.DeliveryID(d), d.HookID, d.Seq, d.Run, d.Status)
	if len(d.Attempts) == 0 {
		_, _ = fmt.Fprintf(w, "%s\t%d\t\t\t\t%s\n", head, d.Attempt, shortened(d.LastError, 80))
	}
	for i := len(d.Attempts) - 1; i >= 0; i-- {
		a, code := d.Attempts[i], ""
		if a.Code != 0 {
			code = strconv.Itoa(a.Code)
		}
		number := d.Attempt - (len(d.Attempts) - 1 - i)
		_, _ = fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%.0f ms\t%s\n", head, number, a.At.Local().Format(time.DateTime), code, a.LatencyMS, shortened(a.Error, 80))
		head = "\t\t\t\t"
	}
}

// failedEventsCommand looks at what failed, of all of a tenant's webhooks.
type failedEventsCommand struct {
	List  listFailedCommand  `cmd:"" help:"List deliveries of all of a tenant's webhooks that are dead, or wait for another attempt."`
	Retry retryFailedCommand `cmd:"" help:"Have dead deliveries tried once more."`
}

type listFailedCommand struct {
	ofTenant `embed:""`
	sentPage `embed:""`

	Hook   string   `placeholder:"ID" help:"Only those of this webhook."`
	Status []string `default:"dead,retry" placeholder:"STATUS" help:"Only those: dead, retry. Default: both."`
}

// Run lists what failed.
func (c *listFailedCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	return c.with(ctx, d, func(t *tenantHooks) error {
		if c.Hook != "" {
			if _, err := t.webhook(ctx, c.Hook); err != nil {
				return err
			}
		}
		return c.print(ctx, stdout, t, listener.WebhookFilter{HookID: c.Hook, Status: c.Status})
	})
}

type retryFailedCommand struct {
	ofTenant `embed:""`

	Delivery []string `arg:"" optional:"" help:"Deliveries' ids, dlv_..., as latchkey failed-events list has them."`
	Hook     string   `placeholder:"ID" help:"All dead ones of this webhook."`
	All      bool     `help:"Yes: all dead ones of the tenant's webhooks."`
}

// Run has dead deliveries tried again.
func (c *retryFailedCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	ways := 0
	for _, given := range []bool{len(c.Delivery) > 0, c.Hook != "", c.All} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return errors.New("say which dead deliveries to retry: their ids, or --hook ID, or --all")
	}
	return c.with(ctx, d, func(t *tenantHooks) error {
		if c.Hook != "" {
			if _, err := t.webhook(ctx, c.Hook); err != nil {
				return err
			}
		}
		n, err := c.retry(ctx, t)
		if n > 0 {
			_, _ = fmt.Fprintf(stdout, "%d dead deliveries are tried once more%s\n", n, d.whenOwned(ctx, t.pool))
			err = errors.Join(err, t.log(ctx, "Try dead deliveries again", c.Hook))
		} else if err == nil {
			err = errors.New("there is no dead delivery of that choice (latchkey failed-events list)")
		}
		return err
	})
}

func (c *retryFailedCommand) retry(ctx context.Context, t *tenantHooks) (n int64, err error) {
	if len(c.Delivery) == 0 {
		return t.Operator.RetryWebhooks(ctx, t.tenant, listener.WebhookFilter{HookID: c.Hook})
	}
	for _, id := range c.Delivery {
		at, ok := tenanthook.ParseDeliveryID(id)
		if !ok {
			return n, fmt.Errorf("%q is no delivery's id: take one from `latchkey failed-events list`, which begins with dlv_", id)
		}
		if err := t.Retry(ctx, t.tenant, at); err != nil {
			return n, fmt.Errorf("%s: %w", id, err)
		}
		n++
	}
	return n, nil
}
