package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/tenanthook"
	"github.com/latchkey-dev/latchkey/listener"
	"github.com/latchkey-dev/latchkey/listener/webhook"
)

// hooksCommand is the command line's counterpart of /api/v2/hooks.
type hooksCommand struct {
	List       listHooksCommand      `cmd:"" help:"List a tenant's hooks, in the order in which they are asked."`
	Show       showHookCommand       `cmd:"" help:"Show a hook, and where it stands in the log."`
	Create     createHookCommand     `cmd:"" help:"Make a webhook, for what commits from now on. It prints the secret that signs its requests, this once."`
	Update     updateHookCommand     `cmd:"" help:"Change a hook: what is named changes, the rest stays."`
	Delete     deleteHookCommand     `cmd:"" help:"Delete a hook, with its secrets and deliveries."`
	Try        tryHookCommand        `cmd:"" help:"Send a test delivery from here, also to a webhook that is off, and print what came back."`
	Enable     enableHookCommand     `cmd:"" help:"Let a webhook that is paused or disabled go on where it was."`
	Pause      pauseHookCommand      `cmd:"" help:"Let what is under way to a webhook end; the rest waits in the log."`
	Deliveries hookDeliveriesCommand `cmd:"" help:"List what was sent to a webhook, the newest events first, and what came of each attempt."`
	Redeliver  redeliverCommand      `cmd:"" help:"Send one delivery again, with the webhook-id that it had."`
	Replay     replayWebhookCommand  `cmd:"" help:"Send a stretch of the log to a webhook again, each event with the webhook-id that it had."`
}

// Help is what --help says besides.
func (hooksCommand) Help() string {
	return `From a webhook's making to its mending:

  latchkey hooks create --name crm --trigger 'user.*' --url https://example.com/hook
  latchkey hooks try hook_...            does it answer, and how?
  latchkey hooks show hook_...           its status, and how far behind it is
  latchkey hooks update hook_... --url https://example.com/other --timeout 5s
  latchkey hooks deliveries hook_... --status dead
  latchkey hooks redeliver hook_... dlv_...
  latchkey hooks replay hook_... --from 2h

A paused webhook misses nothing: enable goes on where it was. One that is switched off (hooks update --off) is passed over, and begins with
what commits after it is switched on again (--on). docs/webhooks.md has the rest.`
}

// ofTenant is the flag that says whose hooks.
type ofTenant struct {
	Tenant string `default:"default" help:"The tenant whose hooks they are."`
}

// tenantHooks is what commands about a tenant's hooks work with.
type tenantHooks struct {
	tenanthook.Actor

	tenant string
	pool   *pgxpool.Pool
}

// with runs fn on the tenant's hooks.
func (o ofTenant) with(ctx context.Context, d *database, fn func(*tenantHooks) error) error {
	if err := d.need(); err != nil {
		return err
	}
	store, err := db.Open(ctx, db.Config{DatabaseURL: d.DatabaseURL})
	if err != nil {
		return err
	}
	defer store.Close()
	pool, err := d.keysPool(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := requireTenant(ctx, pool, o.Tenant); err != nil {
		return err
	}
	return fn(&tenantHooks{tenanthook.Actor{Store: store, Operator: listener.NewOperator(pool, d.Group)}, o.Tenant, pool})
}

// get finds a hook.
func (t *tenantHooks) get(ctx context.Context, id string) (db.TenantHook, error) {
	row, err := t.Store.TenantHooks.Get(ctx, t.tenant, id)
	if errors.Is(err, db.ErrNotFound) {
		err = fmt.Errorf("tenant %s has no hook %q (latchkey hooks list --tenant %[1]s)", t.tenant, id)
	}
	return row, err
}

// webhook finds a hook that has to be a webhook.
func (t *tenantHooks) webhook(ctx context.Context, id string) (db.TenantHook, error) {
	row, err := t.get(ctx, id)
	if err == nil && row.URL == nil {
		err = fmt.Errorf("hook %s is a %s: only a webhook can do that", id, tenanthook.Kind(&row))
	}
	return row, err
}

// log writes a line into the tenant's log, as the API does for each change. That it can't be written undoes nothing.
func (t *tenantHooks) log(ctx context.Context, description, hook string) error {
	details, err := json.Marshal(map[string]string{"actor": commandLine, "hook_id": hook})
	if err == nil {
		_, err = t.Store.Logs.Create(ctx, t.tenant, db.CreateLog{Type: "sapi", Description: description, Details: details})
	}
	if err != nil {
		return fmt.Errorf("it is done, but the line in the tenant's log could not be written: %w", err)
	}
	return nil
}

type listHooksCommand struct {
	ofTenant `embed:""`

	JSON bool `name:"json" help:"Print JSON."`
}

// Run lists all hooks.
func (l *listHooksCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	return l.with(ctx, d, func(t *tenantHooks) error {
		all := []db.TenantHook{}
		for page := 0; ; page++ {
			found, err := t.Store.TenantHooks.List(ctx, t.tenant, db.ListOptions{Page: page, PerPage: 100})
			if err != nil {
				return err
			}
			if all = append(all, found.Rows...); len(found.Rows) < 100 {
				break
			}
		}
		if l.JSON {
			return printJSON(stdout, all)
		}
		w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(w, "HOOK\tNAME\tTRIGGER\tCALLS\tPRIORITY\tSTATUS")
		for i := range all {
			h := &all[i]
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\n", h.HookID, h.Name, h.TriggerID, target(h), h.Priority, standing(h))
		}
		return w.Flush()
	})
}

// target is what a hook calls.
func target(h *db.TenantHook) string {
	for _, to := range []*string{h.URL, h.FormID, h.PageID} {
		if to != nil {
			return *to
		}
	}
	return ""
}

// standing is a hook's status, or that it is switched off, which counts first.
func standing(h *db.TenantHook) string {
	if !h.Enabled {
		return "off"
	}
	return h.Status
}

type showHookCommand struct {
	ofTenant `embed:""`

	ID   string `arg:"" help:"The hook's id."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Run shows a hook.
func (s *showHookCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	return s.with(ctx, d, func(t *tenantHooks) error {
		row, err := t.get(ctx, s.ID)
		if err != nil {
			return err
		}
		served, err := t.subscription(ctx, d.Group, s.ID)
		if err != nil {
			return err
		}
		if s.JSON {
			return printJSON(stdout, struct {
				db.TenantHook
				Subscription *listener.HookStatus `json:"subscription"`
			}{row, served})
		}
		lines := [][2]string{
			{"hook", row.HookID},
			{"name", row.Name},
			{"trigger", row.TriggerID},
			{"calls", target(&row)},
			{"status", strings.TrimSuffix(standing(&row)+": "+row.StatusReason, ": ")},
			{"made", row.CreatedAt.Local().Format(time.DateTime)},
			{"last change", row.UpdatedAt.Local().Format(time.DateTime)},
			{"in the log", "no subscription: it is asked before a write, or is no webhook, or no listener has taken it in yet"},
		}
		if served != nil {
			lines[len(lines)-1][1] = fmt.Sprintf("past event %d, %d events behind", served.Cursor, served.Lag)
			lines = append(lines, [2]string{"set aside", fmt.Sprintf("%d to try again, %d held, %d dead", served.Retry, served.Held, served.Dead)})
		}
		w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
		for _, line := range lines {
			_, _ = fmt.Fprintf(w, "%s\t%s\n", line[0], line[1])
		}
		return w.Flush()
	})
}

// subscription is where a webhook stands in the log; nil where the listener doesn't serve it.
func (t *tenantHooks) subscription(ctx context.Context, group, id string) (*listener.HookStatus, error) {
	known, err := t.Operator.HasWebhook(ctx, t.tenant, id)
	if err != nil || !known {
		return nil, err
	}
	status, err := listener.ReadStatus(ctx, t.pool, group)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(status.Hooks, func(h listener.HookStatus) bool {
		return h.Table+"/"+h.Hook == string(listener.WebhookRef(t.tenant, id))
	})
	if i < 0 {
		return nil, nil
	}
	return &status.Hooks[i], nil
}

type createHookCommand struct {
	ofTenant `embed:""`
	sending  `embed:""`

	Name    string `help:"What people call it."`
	Trigger string `required:"" help:"When it is called: role.created, user.*, after_login, pre-user-registration, *; the error for one that there isn't lists all."`
	URL     string `name:"url" required:"" help:"Where its requests go, http or https."`
	JSON    bool   `name:"json" help:"Print JSON."`
}

// Run makes a webhook.
func (c *createHookCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	return c.with(ctx, d, func(t *tenantHooks) error {
		keys, err := d.secretKeys()
		if err != nil {
			return err
		}
		guard, err := c.guard(d.private)
		if err != nil {
			return err
		}
		maker := tenanthook.Maker{Store: t.Store, Seal: keys, Guard: guard, Tables: db.NewHooks().Tables()}
		row, secret, err := maker.Create(ctx, t.tenant, db.CreateTenantHook{Name: c.Name, TriggerID: c.Trigger, URL: &c.URL}, nil, nil)
		if errors.Is(err, webhook.ErrRefused) {
			err = fmt.Errorf("%w (--webhook-allow, here and for `latchkey serve`)", err)
		}
		if err != nil {
			return err
		}
		if c.JSON {
			err = printJSON(stdout, struct {
				db.TenantHook
				Secret string `json:"secret"`
			}{row, secret.Reveal()})
		} else {
			_, err = fmt.Fprintf(stdout, "hook %s: %s goes to %s\nsecret %s\nThe secret is shown this once: give it to the receiver, which verifies requests with it.\n",
				row.HookID, row.TriggerID, c.URL, secret.Reveal())
		}
		return errors.Join(err, t.log(ctx, "Create a hook", row.HookID))
	})
}

type deleteHookCommand struct {
	ofTenant `embed:""`

	ID string `arg:"" help:"The hook's id."`
}

// Run deletes a hook.
func (c *deleteHookCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	return c.with(ctx, d, func(t *tenantHooks) error {
		if _, err := t.get(ctx, c.ID); err != nil {
			return err
		}
		if err := t.Store.TenantHooks.Delete(ctx, t.tenant, c.ID); err != nil {
			return err
		}
		_, err := fmt.Fprintf(stdout, "hook %s is deleted\n", c.ID)
		return errors.Join(err, t.log(ctx, "Delete a hook", c.ID))
	})
}
