package tenanthook

import (
	"context"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/listener"
)

// Conflict says why what was asked for can't be done now.
type Conflict struct{ Reason string }

func (e *Conflict) Error() string { return e.Reason }

// Actor acts on the webhooks of a store, and on their deliveries.
type Actor struct {
	Store    *db.Store
	Operator *listener.Operator
}

// Enable lets a webhook go on where it was. Errors: listener.GapError, unless the gap is accepted.
func (a *Actor) Enable(ctx context.Context, tenant, hook string, acceptGap bool) error {
	return a.setStatus(ctx, tenant, hook, "active", func(ref listener.HookRef) error { return a.Operator.Resume(ctx, ref, acceptGap) })
}

// Pause lets what is under way end; the rest waits in the log.
func (a *Actor) Pause(ctx context.Context, tenant, hook string) error {
	return a.setStatus(ctx, tenant, hook, "paused", func(ref listener.HookRef) error { return a.Operator.Pause(ctx, ref) })
}

// setStatus writes it into the row, which the listener follows; where that serves the hook already, do does, and looks first whether it can
// go on.
func (a *Actor) setStatus(ctx context.Context, tenant, hook, status string, do func(listener.HookRef) error) error {
	known, err := a.Operator.HasWebhook(ctx, tenant, hook)
	if err != nil {
		return err
	}
	if known {
		return do(listener.WebhookRef(tenant, hook))
	}
	_, err = a.Store.TenantHooks.Update(ctx, tenant, hook, db.UpdateTenantHook{Status: db.Set(status), StatusReason: db.Set("")})
	return err
}

// Served is a [Conflict] where the listener doesn't know the hook yet.
func (a *Actor) Served(ctx context.Context, tenant, hook string) error {
	known, err := a.Operator.HasWebhook(ctx, tenant, hook)
	if err == nil && !known {
		err = &Conflict{"The listener has not taken the hook in: it does within seconds if it runs, for an asynchronous webhook that is enabled."}
	}
	return err
}

// Redeliver sends a delivery again: a dead one is tried once more, and there is no run then; one that was delivered or discarded
// is sent in a run of its own. Errors: [Conflict], listener.ErrNoDelivery, listener.ForgottenError.
func (a *Actor) Redeliver(ctx context.Context, tenant string, at listener.WebhookPoint) (*listener.HookRun, error) {
	d, err := a.Operator.WebhookDelivery(ctx, tenant, at)
	if err != nil {
		return nil, err
	}
	switch d.Status {
	case "dead":
		return nil, a.retry(ctx, tenant, at)
	case "done", "discarded":
	default:
		return nil, underWay(&d)
	}
	if d.Kind == "backfill" {
		return nil, &Conflict{"It is of a backfill, whose events aren't in the log: begin another backfill."}
	}
	run, err := a.Operator.Replay(ctx, listener.ReplayRequest{
		Hook: listener.WebhookRef(tenant, d.HookID), From: listener.Point{Seq: d.Seq}, To: listener.Point{Seq: d.Seq},
	})
	if err != nil {
		return nil, err
	}
	return &run, nil
}

// Retry has a dead delivery tried once more. Errors: [Conflict], listener.ErrNoDelivery.
func (a *Actor) Retry(ctx context.Context, tenant string, at listener.WebhookPoint) error {
	d, err := a.Operator.WebhookDelivery(ctx, tenant, at)
	switch {
	case err != nil:
		return err
	case d.Status == "done" || d.Status == "discarded":
		return &Conflict{"The delivery is " + d.Status + ": redeliver sends it again."}
	case d.Status != "dead":
		return underWay(&d)
	}
	return a.retry(ctx, tenant, at)
}

func (a *Actor) retry(ctx context.Context, tenant string, at listener.WebhookPoint) error {
	n, err := a.Operator.RetryWebhooks(ctx, tenant, listener.WebhookFilter{Only: &at})
	if err == nil && n == 0 {
		err = &Conflict{"The delivery isn't dead any more: someone else was faster."}
	}
	return err
}

func underWay(d *listener.WebhookDelivery) error {
	if d.Next != nil {
		return &Conflict{"The delivery is under way: it is tried again by itself at " + d.Next.UTC().Format(time.RFC3339) + "."}
	}
	return &Conflict{"The delivery is under way: its status is " + d.Status + "."}
}
