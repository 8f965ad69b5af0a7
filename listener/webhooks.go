package listener

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/listener/webhook/sender"
)

// Webhooks are hooks that are data: rows of auth.hooks. Each has a subscription, as a hook in Go has, whose table is
// webhook/<tenant> and whose name is the hook's id; the group's owner makes and removes it, when a trigger of auth.hooks says that
// something has changed. All else is the engine's: the cursor, retries, what waits behind a failed one, replays. Only that
// each of its deliveries has a row, for people look them up.

const webhookPrefix = "webhook/"

// WebhookRef names a tenant's webhook to an [Operator].
func WebhookRef(tenantID, hookID string) HookRef {
	return HookRef(webhookPrefix + tenantID + "/" + hookID)
}

// readWebhooksAgain reads the hooks, and takes in what has changed of them, if something has: there may be many, with secrets.
func (t *term) readWebhooksAgain(ctx context.Context) error {
	if t.cfg.Webhooks == nil {
		return nil
	}
	asked := t.rereadWebhooks.Swap(false)
	// Before they are read, so that a change that comes meanwhile is seen the next time.
	changes, err := t.pool.Exec(ctx, `delete from latchkey.hook_changes where group_name = $1`, t.cfg.Group)
	if err != nil {
		return fmt.Errorf("read the changes of hooks: %w", err)
	}
	if changes.RowsAffected() == 0 && !asked {
		return nil
	}
	if err := t.readWebhooks(ctx); err != nil {
		return err
	}
	t.changeWebhooks()
	return nil
}

// readWebhooks reads the hooks and makes the subscriptions fit: one for each, paused where the hook is.
func (t *term) readWebhooks(ctx context.Context) error {
	if t.cfg.Webhooks == nil {
		return nil
	}
	t.readings.Add(1)
	loaded, err := t.cfg.Webhooks.Load(ctx, t.pool)
	if err != nil {
		return err
	}
	t.webhooks = map[string]*sender.Hook{}
	var tables, ids []string
	for _, hook := range loaded {
		if hook.Trigger.Sync() {
			continue
		}
		table := webhookPrefix + hook.TenantID
		t.webhooks[table+"/"+hook.ID] = hook
		tables, ids = append(tables, table), append(ids, hook.ID)
	}
	q := t.fenced()
	// A new hook begins where the log stood when it was made: that may be some events ago.
	q.Queue(`insert into latchkey.subscriptions (group_name, table_name, hook, start_lsn, cursor_seq)
		select $1, w.table_name, w.id, '0/0', coalesce((select b.last_seq from latchkey.event_batches b where b.group_name = $1 and b.commit_lsn < h.start_lsn
				order by b.first_seq desc limit 1), p.first_seq - 1)
		from unnest($2::text[], $3::text[]) as w (table_name, id) join auth.hooks h on h.tenant_id = substr(w.table_name, 9) and h.hook_id = w.id
			join latchkey.position p on p.group_name = $1
		where not exists (select from latchkey.subscriptions s where (s.group_name, s.table_name, s.hook, s.run) = ($1, w.table_name, w.id, 0)) on conflict do nothing`, t.cfg.Group, tables, ids)
	q.Queue(`update latchkey.subscriptions s set status = 'paused', paused_at = now() from auth.hooks h
		where s.group_name = $1 and s.table_name = 'webhook/' || h.tenant_id and s.hook = h.hook_id and s.run = 0 and s.status = 'active' and h.status <> 'active'`, t.cfg.Group)
	q.Queue(`update latchkey.subscriptions s set status = 'active', paused_at = null, cursor_seq = greatest(s.cursor_seq, p.first_seq - 1) from auth.hooks h, latchkey.position p
		where s.group_name = $1 and p.group_name = $1 and s.table_name = 'webhook/' || h.tenant_id and s.hook = h.hook_id and s.run = 0 and s.status = 'paused' and h.status = 'active'`, t.cfg.Group)
	if err := t.pool.SendBatch(ctx, q).Close(); err != nil {
		return fmt.Errorf("make the webhooks' subscriptions: %w", lostOr(err))
	}
	return nil
}

// changeWebhooks takes in what has changed of hooks that have a subscription, and ends those whose hook is gone.
func (t *term) changeWebhooks() {
	t.settler.mu.Lock()
	subs := slices.Clone(t.subscriptions)
	t.settler.mu.Unlock()
	for _, sub := range subs {
		if sub.webhook == nil || sub.gone {
			continue
		}
		hook := t.webhooks[sub.table+"/"+sub.name]
		if hook == nil {
			t.endWebhook(sub)
			continue
		}
		t.dispatch.handing.Lock()
		live := sub.live
		if live { // it may want other tables now
			t.dispatch.remove(sub)
		}
		sub.webhook.change(hook, t.readings.Load())
		if live {
			t.dispatch.add(sub)
		}
		t.dispatch.handing.Unlock()
	}
}

// endWebhook serves a subscription no more, and removes it with its deliveries once nothing of it is under way.
func (t *term) endWebhook(sub *subscription) {
	sub.gone = true
	if !sub.isPaused() {
		t.pause(sub)
	}
	t.background("remove a webhook", func(ctx context.Context) error {
		if !t.awaitDrained(ctx, sub) {
			return nil
		}
		t.settler.mu.Lock()
		t.subscriptions = slices.DeleteFunc(slices.Clone(t.subscriptions), func(s *subscription) bool { return s == sub })
		t.settler.mu.Unlock()
		q := t.fenced()
		q.Queue(`delete from latchkey.subscriptions where id = $1 or (group_name, table_name, hook) = ($2, $3, $4) and status = 'done'`, sub.id, t.cfg.Group, sub.table, sub.name)
		q.Queue(`insert into latchkey.hook_changes (group_name) values ($1)`, t.cfg.Group) // a new hook may have its id
		if err := t.pool.SendBatch(ctx, q).Close(); err != nil {
			return fmt.Errorf("remove the subscription of hook %s: %w", sub.name, lostOr(err))
		}
		return nil
	})
}

// removeOrphans removes, at a term's start, subscriptions of webhooks that were deleted before.
func (t *term) removeOrphans(ctx context.Context) error {
	if t.cfg.Webhooks == nil {
		return nil
	}
	q := t.fenced()
	q.Queue(`delete from latchkey.subscriptions s where group_name = $1 and table_name like 'webhook/%'
		and not exists (select from auth.hooks h where 'webhook/' || h.tenant_id = s.table_name and h.hook_id = s.hook)`, t.cfg.Group)
	if err := t.pool.SendBatch(ctx, q).Close(); err != nil {
		return fmt.Errorf("remove what is left of deleted hooks: %w", lostOr(err))
	}
	return nil
}

// setWebhookStatus is pausing and resuming where the hook is a webhook: its row says it, and the owner follows.
func setWebhookStatus(ctx context.Context, tx pgx.Tx, h Hook, status, reason string) error {
	_, err := tx.Exec(ctx, `update auth.hooks set status = $3, status_reason = $4, updated_at = now() where tenant_id = $1 and hook_id = $2 and status <> $3`,
		strings.TrimPrefix(h.Table, webhookPrefix), h.Name, status, reason)
	return err
}

// isWebhook reports whether the hook is a row of auth.hooks.
func (h Hook) isWebhook() bool { return strings.HasPrefix(h.Table, webhookPrefix) }
