package listener

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/internal/nearest"
)

// WebhookDelivery is one event for one webhook. All of them have a row.
type WebhookDelivery struct {
	HookID    string           `json:"hook_id"`
	Run       int64            `json:"run"` // 0, or the number of the replay or backfill
	Seq       int64            `json:"seq"`
	Kind      string           `json:"kind"` // of the run: live, replay or backfill
	Status    string           `json:"status"`
	Attempt   int              `json:"attempt"`
	Next      *time.Time       `json:"next_attempt_at,omitempty"`
	LastError string           `json:"last_error,omitempty"`
	EventID   string           `json:"event_id,omitempty"` // as receivers know it; empty before the first attempt
	Attempts  []WebhookAttempt `json:"attempts"`
	Created   time.Time        `json:"created_at"`
	Updated   time.Time        `json:"updated_at"`
}

// WebhookAttempt is what came of one attempt; the last ones are kept.
type WebhookAttempt struct {
	At        time.Time `json:"at"`
	Code      int       `json:"code"` // 0: there was no answer
	LatencyMS float64   `json:"latency_ms"`
	Error     string    `json:"error"`
	Body      string    `json:"body"`
}

// WebhookFilter chooses deliveries of a tenant's webhooks.
type WebhookFilter struct {
	HookID string // empty: of all
	Status []string
	Before *WebhookPoint // of a list: those that come after this one in it
	Only   *WebhookPoint // no other
	Limit  int           // default 50
}

// WebhookPoint is a delivery's place in a list, the newest event first.
type WebhookPoint struct {
	HookID   string
	Seq, Run int64
}

const selectWebhookDeliveries = `select s.hook, s.run, d.seq, s.kind, d.status, d.attempt, d.next_attempt_at, coalesce(d.last_error, ''), coalesce(d.event_id, ''),
		coalesce(d.attempts, '[]'), d.created_at, d.updated_at
	from latchkey.subscriptions s cross join lateral (
		select * from latchkey.deliveries d where d.subscription_id = s.id %s order by d.seq desc limit %d) d
	where s.group_name = $1 and s.table_name = $2 %s order by d.seq desc, s.hook, s.run desc limit %[2]d`

// WebhookDeliveries lists deliveries of a tenant's webhooks, those of the newest events first.
func (o *Operator) WebhookDeliveries(ctx context.Context, tenant string, f WebhookFilter) ([]WebhookDelivery, error) {
	list, err := o.webhookDeliveries(ctx, tenant, f)
	if err != nil {
		return nil, fmt.Errorf("listener: list deliveries of webhooks: %w", err)
	}
	return list, nil
}

func (o *Operator) webhookDeliveries(ctx context.Context, tenant string, f WebhookFilter) ([]WebhookDelivery, error) {
	setDefault(&f.Limit, 50)
	for _, status := range f.Status {
		if !slices.Contains(DeliveryStatuses(), status) {
			return nil, refuse("there is no status %q%s", status, nearest.Hint(status, DeliveryStatuses()))
		}
	}
	args := []any{o.group, webhookPrefix + tenant}
	arg := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	var of, which strings.Builder // conditions on deliveries, and on subscriptions
	if f.HookID != "" {
		which.WriteString(" and s.hook = " + arg(f.HookID))
	}
	if len(f.Status) > 0 {
		of.WriteString(" and d.status = any (" + arg(f.Status) + ")")
	}
	if b := f.Before; b != nil {
		seq, hook, run := arg(b.Seq), arg(b.HookID), arg(b.Run)
		of.WriteString(fmt.Sprintf(" and (d.seq < %s or d.seq = %[1]s and (s.hook > %[2]s or s.hook = %[2]s and s.run < %[3]s))", seq, hook, run))
	}
	if b := f.Only; b != nil {
		of.WriteString(" and d.seq = " + arg(b.Seq))
		which.WriteString(" and s.hook = " + arg(b.HookID) + " and s.run = " + arg(b.Run))
	}
	rows, err := o.db.Query(ctx, fmt.Sprintf(selectWebhookDeliveries, of.String(), f.Limit, which.String()), args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (d WebhookDelivery, err error) {
		err = row.Scan(&d.HookID, &d.Run, &d.Seq, &d.Kind, &d.Status, &d.Attempt, &d.Next, &d.LastError, &d.EventID, &d.Attempts, &d.Created, &d.Updated)
		return d, err
	})
}

// WebhookDelivery reads one delivery. Errors: [ErrNoDelivery].
func (o *Operator) WebhookDelivery(ctx context.Context, tenant string, at WebhookPoint) (WebhookDelivery, error) {
	list, err := o.WebhookDeliveries(ctx, tenant, WebhookFilter{Only: &at, Limit: 1})
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("listener: delivery %d of webhook %s: %w", at.Seq, at.HookID, ErrNoDelivery)
	}
	if err != nil {
		return WebhookDelivery{}, err
	}
	return list[0], nil
}

// RetryWebhooks has dead deliveries of a tenant's webhooks tried again, one attempt each, and returns how many; the owner sees it
// within a second. Status, Before and Limit of the filter count for nothing.
func (o *Operator) RetryWebhooks(ctx context.Context, tenant string, f WebhookFilter) (n int64, err error) {
	hook, run, seq := f.HookID, int64(-1), int64(-1)
	if f.Only != nil {
		hook, run, seq = f.Only.HookID, f.Only.Run, f.Only.Seq
	}
	err = o.controlled(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `update latchkey.deliveries d set status = 'retry', next_attempt_at = now(), asked_at = now(), updated_at = now()
			from latchkey.subscriptions s where s.id = d.subscription_id and s.group_name = $1 and s.table_name = $2 and d.status = 'dead'
			  and ($3 = '' or s.hook = $3) and ($4::bigint < 0 or s.run = $4) and ($5::bigint < 0 or d.seq = $5)`, o.group, webhookPrefix+tenant, hook, run, seq)
		n = tag.RowsAffected()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("listener: retry deliveries of webhooks: %w", err)
	}
	return n, nil
}

// WebhookRuns lists the replays and backfills of one webhook, the last ones first.
func (o *Operator) WebhookRuns(ctx context.Context, tenant, hook string) ([]HookRun, error) {
	rows, err := o.db.Query(ctx, selectRuns+` and s.group_name = $1 and s.table_name = $2 and s.hook = $3 order by s.id desc`, o.group, webhookPrefix+tenant, hook)
	if err != nil {
		return nil, fmt.Errorf("listener: list runs of webhook %s: %w", hook, err)
	}
	runs, err := pgx.CollectRows(rows, scanRun)
	if err != nil {
		return nil, fmt.Errorf("listener: list runs of webhook %s: %w", hook, err)
	}
	return runs, nil
}

// HasWebhook reports whether the listener serves a webhook, or did: it knows a new one within a second, if it is enabled.
func (o *Operator) HasWebhook(ctx context.Context, tenant, hook string) (bool, error) {
	var id int64
	err := o.db.QueryRow(ctx, `select id from latchkey.subscriptions where group_name = $1 and table_name = $2 and hook = $3 and run = 0`, o.group, webhookPrefix+tenant, hook).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("listener: find webhook %s: %w", hook, err)
	}
	return true, nil
}
