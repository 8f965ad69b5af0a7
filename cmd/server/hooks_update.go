package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/tenanthook"
	"github.com/latchkey-dev/latchkey/listener/webhook"
)

// updateHookCommand has a flag for each field that may change; nil is one that stays.
type updateHookCommand struct {
	ofTenant `embed:""`
	sending  `embed:""`

	ID          string            `arg:"" help:"The hook's id."`
	Name        *string           `help:"What people call it."`
	Trigger     *string           `help:"When it is called; the error for one that there isn't lists all."`
	URL         *string           `name:"url" help:"Where its requests go, http or https."`
	On          bool              `xor:"switch" help:"Switch it on: it begins with what commits from now on."`
	Off         bool              `xor:"switch" help:"Switch it off: what commits meanwhile is never for it. To keep that for later, pause it."`
	Priority    *int32            `help:"Higher ones are asked first."`
	WhenChanged []string          `help:"Of updates, only those that changed one of these columns, with commas between them."`
	OnError     *string           `enum:"deny,allow" help:"What a synchronous one decides that gives no usable answer: deny or allow."`
	Timeout     *time.Duration    `help:"How long a synchronous one may take: 1s to 30s."`
	RateLimit   *float64          `help:"At most so many requests a second."`
	Header      map[string]string `help:"What its requests have besides, name=value, in the place of all that they have. May be repeated." mapsep:"none"`
	Clear       []string          `enum:"when-changed,timeout,rate-limit,headers" help:"Fields to clear: when-changed, timeout, rate-limit, headers."`
	JSON        bool              `name:"json" help:"Print JSON."`
}

// Help is what --help says besides.
func (updateHookCommand) Help() string {
	return `
  latchkey hooks update hook_... --name crm --trigger 'role.*'
  latchkey hooks update hook_... --off
  latchkey hooks update hook_... --header X-Key=... --header X-Team=auth
  latchkey hooks update hook_... --clear headers,rate-limit

Its secret is replaced by POST /api/v2/hooks/{id}/rotate-secret.`
}

// Run changes a hook as PATCH /api/v2/hooks/{id} does.
func (c *updateHookCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	return c.with(ctx, d, func(t *tenantHooks) error {
		if _, err := t.get(ctx, c.ID); err != nil {
			return err
		}
		keys, err := d.secretKeys()
		if err != nil {
			return err
		}
		guard, err := c.guard(d.private)
		if err != nil {
			return err
		}
		in, headers := c.changes()
		maker := tenanthook.Maker{Store: t.Store, Seal: keys, Guard: guard, Tables: db.NewHooks().Tables()}
		row, err := maker.Update(ctx, t.tenant, c.ID, in, headers)
		if errors.Is(err, webhook.ErrRefused) {
			err = fmt.Errorf("%w (--webhook-allow, here and for `latchkey serve`)", err)
		}
		if err != nil {
			return err
		}
		if c.JSON {
			err = printJSON(stdout, row)
		} else {
			_, err = fmt.Fprintf(stdout, "hook %s: %s goes to %s, %s\n", row.HookID, row.TriggerID, target(&row), standing(&row))
		}
		return errors.Join(err, t.log(ctx, "Change a hook", c.ID))
	})
}

// changes are the fields that the flags name.
func (c *updateHookCommand) changes() (in db.UpdateTenantHook, headers db.Optional[map[string]string]) {
	in.Name, in.TriggerID, in.URL = given(c.Name), given(c.Trigger), given(c.URL)
	in.Priority, in.OnError, in.RateLimit = given(c.Priority), given(c.OnError), given(c.RateLimit)
	if c.Timeout != nil {
		in.TimeoutMS = db.Set(int32(min(c.Timeout.Milliseconds(), 1<<30))) //nolint:gosec // at most 1<<30; what is too long is refused
	}
	if c.On || c.Off {
		in.Enabled = db.Set(c.On)
	}
	if c.WhenChanged != nil {
		in.WhenChanged = db.Set(c.WhenChanged)
	}
	if c.Header != nil {
		headers = db.Set(c.Header)
	}
	for _, field := range c.Clear {
		switch field {
		case "when-changed":
			in.WhenChanged = db.Set([]string{})
		case "timeout":
			in.TimeoutMS = db.Null[int32]()
		case "rate-limit":
			in.RateLimit = db.Null[float64]()
		case "headers":
			headers = db.Null[map[string]string]()
		}
	}
	return in, headers
}

// given is a flag that may be absent.
func given[T any](flag *T) db.Optional[T] {
	if flag == nil {
		return db.Optional[T]{}
	}
	return db.Set(*flag)
}
