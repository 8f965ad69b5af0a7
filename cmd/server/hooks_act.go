package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/tenanthook"
	"github.com/latchkey-dev/latchkey/internal/token"
	"github.com/latchkey-dev/latchkey/listener"
)

type tryHookCommand struct {
	ofTenant `embed:""`
	issuing  `embed:""`
	sending  `embed:""`

	ID   string `arg:"" help:"The webhook's id."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// tried is what came back, as JSON.
type tried struct {
	Code      int     `json:"code,omitempty"`
	LatencyMS float64 `json:"latency_ms"`
	Body      string  `json:"body,omitempty"`
	Error     string  `json:"error,omitempty"`
	Allowed   *bool   `json:"allowed,omitempty"` // of a synchronous one: what the answer would have decided
	Reason    string  `json:"reason,omitempty"`
}

// Run sends a test delivery.
func (c *tryHookCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	return c.with(ctx, d, func(t *tenantHooks) error {
		if _, err := t.webhook(ctx, c.ID); err != nil {
			return err
		}
		keys, err := d.secretKeys()
		if err != nil {
			return err
		}
		if err := c.find(d); err != nil {
			return err
		}
		issuer, err := token.Open(ctx, c.config(t.pool, keys, ""))
		if err != nil {
			return err
		}
		guard, err := c.guard(d.private)
		if err != nil {
			return err
		}
		s, err := newSender(guard, db.NewHooks(), keys, issuer, t.pool)
		if err != nil {
			return err
		}
		defer s.Close()
		came, err := s.Try(ctx, t.tenant, c.ID)
		if err != nil {
			return err
		}
		out := tried{Code: came.Code, LatencyMS: milliseconds(came.Latency), Body: came.Body, Error: came.Error}
		good := came.Code >= 200 && came.Code <= 299
		if by := came.Decision; by != nil {
			good = by.Fault == nil
			out.Allowed, out.Reason = &by.Allowed, by.Reason
		}
		if c.JSON {
			err = printJSON(stdout, out)
		} else {
			out.print(stdout)
		}
		if !good {
			err = errors.Join(err, errors.New("the test delivery failed: see above"))
		}
		return errors.Join(err, t.log(ctx, "Send a test delivery", c.ID))
	})
}

func (o *tried) print(stdout io.Writer) {
	code := "no answer"
	if o.Code != 0 {
		code = fmt.Sprint(o.Code)
	}
	_, _ = fmt.Fprintf(stdout, "%s in %.1f ms\n", code, o.LatencyMS)
	if o.Error != "" {
		_, _ = fmt.Fprintln(stdout, "error:", o.Error)
	}
	if o.Allowed != nil {
		decision := "the write would be allowed"
		if !*o.Allowed {
			decision = "the write would be refused: " + o.Reason
		}
		_, _ = fmt.Fprintln(stdout, decision)
	}
	if o.Body != "" {
		_, _ = fmt.Fprintln(stdout, o.Body)
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

type enableHookCommand struct {
	ofTenant `embed:""`

	ID        string `arg:"" help:"The webhook's id."`
	AcceptGap bool   `help:"Yes: go on also where the log no longer has what the webhook has still to get. It never gets that."`
}

// Run lets a webhook go on.
func (c *enableHookCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	return c.with(ctx, d, func(t *tenantHooks) error {
		row, err := t.webhook(ctx, c.ID)
		if err != nil {
			return err
		}
		if err := t.Enable(ctx, t.tenant, c.ID, c.AcceptGap); err != nil {
			return err
		}
		off := ""
		if !row.Enabled {
			off = "; but it is switched off, and gets nothing until it is switched on (latchkey hooks update " + c.ID + " --on)"
		}
		_, err = fmt.Fprintf(stdout, "hook %s goes on where it was%s%s\n", c.ID, d.whenOwned(ctx, t.pool), off)
		return errors.Join(err, t.log(ctx, "Let a webhook go on", c.ID))
	})
}

type pauseHookCommand struct {
	ofTenant `embed:""`

	ID string `arg:"" help:"The webhook's id."`
}

// Run pauses a webhook.
func (c *pauseHookCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	return c.with(ctx, d, func(t *tenantHooks) error {
		if _, err := t.webhook(ctx, c.ID); err != nil {
			return err
		}
		if err := t.Pause(ctx, t.tenant, c.ID); err != nil {
			return err
		}
		_, err := fmt.Fprintf(stdout, "hook %s is paused%s; the log is kept for it until `latchkey hooks enable %[1]s`, for a limited time\n", c.ID, d.whenOwned(ctx, t.pool))
		return errors.Join(err, t.log(ctx, "Pause a webhook", c.ID))
	})
}

type redeliverCommand struct {
	ofTenant `embed:""`

	ID       string `arg:"" help:"The webhook's id."`
	Delivery string `arg:"" help:"The delivery's id, dlv_..., as latchkey hooks deliveries has it."`
	Wait     bool   `negatable:"" default:"true" help:"Where it is a run of its own: wait until it is done."`
}

// Run sends a delivery again.
func (c *redeliverCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	return c.with(ctx, d, func(t *tenantHooks) error {
		if _, err := t.webhook(ctx, c.ID); err != nil {
			return err
		}
		at, ok := tenanthook.ParseDeliveryID(c.Delivery)
		if !ok || at.HookID != c.ID {
			return fmt.Errorf("hook %s has no delivery %q: take an id from `latchkey hooks deliveries %[1]s`", c.ID, c.Delivery)
		}
		run, err := t.Redeliver(ctx, t.tenant, at)
		if err != nil {
			return err
		}
		logged := t.log(ctx, "Send a delivery again", c.ID)
		if run == nil {
			_, err := fmt.Fprintf(stdout, "event %d is tried once more%s\n", at.Seq, d.whenOwned(ctx, t.pool))
			return errors.Join(err, logged)
		}
		_, _ = fmt.Fprintf(stdout, "run %d sends event %d again%s\n", run.Run, at.Seq, d.whenOwned(ctx, t.pool))
		return errors.Join(follow(ctx, stdout, t.Operator, *run, c.Wait), logged)
	})
}

type replayWebhookCommand struct {
	ofTenant `embed:""`
	stretch  `embed:""`

	ID string `arg:"" help:"The webhook's id."`
}

// Run begins a replay.
func (c *replayWebhookCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	return c.with(ctx, d, func(t *tenantHooks) error {
		if _, err := t.webhook(ctx, c.ID); err != nil {
			return err
		}
		if err := t.Served(ctx, t.tenant, c.ID); err != nil {
			return err
		}
		run, err := c.begin(ctx, t.Operator, listener.WebhookRef(t.tenant, c.ID))
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(stdout, "run %d of hook %s replays events %d to %d%s\n", run.Run, c.ID, run.From, run.To, d.whenOwned(ctx, t.pool))
		return errors.Join(t.log(ctx, "Send a stretch of the log again", c.ID), follow(ctx, stdout, t.Operator, run, c.Wait))
	})
}
