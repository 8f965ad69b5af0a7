package listener

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/trace"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/tracing"
	"github.com/latchkey-dev/latchkey/listener/webhook"
	"github.com/latchkey-dev/latchkey/listener/webhook/sender"
)

// send makes the first attempt at a message.
func (q *webhookQueue) send(ctx, sendCtx context.Context, m *message, pass webhook.Pass) error {
	s, r, err := q.request(ctx, sendCtx, m.ev, m.bodies, 1, pass)
	if err != nil || s == nil {
		return err
	}
	var failed *group
	if r.Err != nil && !r.Dead { // before the entity's next one is looked at
		p := &parked{seq: m.ev.Seq, attempt: 1, entities: m.entities, due: r.Retry}
		if q.sub.aside() < asideMost/10 {
			p.ev = m.ev // saves reading it again, as long as they are few
		}
		failed = q.sub.park(p)
	}
	q.t.settler.record([]outcome{{sub: q.sub, seq: m.ev.Seq, kind: posted, sent: s}}) // before what comes of the next attempt
	if failed != nil {
		q.t.retries.push(q.sub, failed, r.Retry)
	}
	q.mu.Lock()
	q.drop(m)
	q.mu.Unlock()
	return nil
}

// sendAgain makes another attempt at what is set aside.
func (q *webhookQueue) sendAgain(ctx, sendCtx context.Context, g *group, p *parked, pass webhook.Pass) error {
	ev := p.ev
	if ev == nil {
		if !p.written { // what waits behind a failed one gets its row by the settler
			if err := q.t.settler.sync(ctx); err != nil {
				return err
			}
		}
		var err error
		if ev, err = q.t.readEvent(ctx, q.sub, p.seq); err != nil {
			return err
		}
	}
	p.written = true
	if hook := q.hook.Load(); !hook.Enabled || q.tooEarly(hook, ev) && !p.asked {
		pass.Cancel()
		return q.passOver(ctx, g, p)
	}
	s, r, err := q.request(ctx, sendCtx, ev, webhook.NewBodies(ev), p.attempt+1, pass)
	if err != nil || s == nil {
		return err
	}
	p.attempt++
	q.t.settler.record([]outcome{{sub: q.sub, seq: p.seq, kind: retried, sent: s}})
	if q.sub.tried(g, p, r) {
		q.t.retries.push(q.sub, g, time.Now())
	}
	return nil
}

// passOver gives up what waits of a hook that was switched off, or is another since: it begins with what commits from then on.
func (q *webhookQueue) passOver(ctx context.Context, g *group, p *parked) error {
	if err := q.t.settler.sync(ctx); err != nil { // its row may not be written yet
		return err
	}
	b := q.t.fenced()
	b.Queue(`update latchkey.deliveries set status = 'discarded', next_attempt_at = null, asked_at = null, updated_at = now()
		where subscription_id = $1 and seq = $2 and status in ('retry', 'held')`, q.sub.id, p.seq)
	if err := q.t.pool.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("pass over delivery %d: %w", p.seq, lostOr(err))
	}
	if q.sub.tried(g, p, Run{}) {
		q.t.retries.push(q.sub, g, time.Now())
	}
	return nil
}

// request makes one attempt and says what came of it. Without a result it was not made, or cut off by us: it will be made again.
func (q *webhookQueue) request(ctx, sendCtx context.Context, ev *hooks.Event, bodies *webhook.Bodies, attempt int, pass webhook.Pass) (*sent, Run, error) {
	t, hook := q.t, q.hook.Load()
	r := Run{Event: ev, Began: time.Now()}
	again := *ev
	again.Attempt = attempt
	r.Event = &again
	d := &delivery{sub: q.sub, ev: r.Event}
	sendCtx = t.hookSpan(sendCtx, d)
	answer, err := t.post(sendCtx, hook, d, bodies)
	if err != nil {
		pass.Cancel()
		endSpan(d.span, err)
		return nil, r, err
	}
	if sendCtx.Err() != nil && answer.Code == 0 && answer.Err != nil {
		pass.Cancel()
		endSpan(d.span, answer.Err)
		return nil, r, nil
	}
	verdict := webhook.Judge(answer, time.Now())
	pass.Done(verdict)
	r.Took = time.Since(r.Began)
	if verdict.Outcome != webhook.Delivered {
		r.Err = failure(answer)
		wait, ok := t.cfg.WebhookSchedule.Next(attempt, verdict.After)
		r.Retry = time.Now().Add(wait)
		if r.Dead = !ok || errors.Is(answer.Err, errTooDeep); r.Dead {
			r.Retry = time.Time{}
		}
	}
	endHookSpan(d.span, r, nil)
	s := &sent{hook: hook, ev: ev, stamp: bodies.Stamp(), eventID: bodies.EventID(), attempt: attempt, run: r, answer: answer.Attempt()}
	if err := q.judged(ctx, hook, verdict, s); err != nil {
		return nil, r, err
	}
	t.cfg.Trace.sent(Sent{
		TenantID: hook.TenantID, HookID: hook.ID, TriggerID: hook.TriggerID, Event: ev, Attempt: attempt,
		Began: r.Began, Took: answer.Latency, Code: answer.Code, Err: r.Err, Dead: r.Dead, Retry: r.Retry,
	})
	return s, r, nil
}

// post sends, if this process still owns the group: a fence can't take a request back.
func (t *term) post(ctx context.Context, hook *sender.Hook, d *delivery, bodies *webhook.Bodies) (*webhook.Answer, error) {
	if err := tooDeep(d.ev); err != nil {
		return &webhook.Answer{Err: err}, nil
	}
	body, err := bodies.Of(hook.Trigger.Name(d.ev))
	if err != nil {
		return &webhook.Answer{Err: err}, nil
	}
	m := sender.Message{
		ID: webhook.MessageID(bodies.EventID(), hook.ID), Body: body, Timeout: hook.Timeout,
		Traceparent: tracing.Traceparent(trace.SpanContextFromContext(ctx)),
	}
	t.step(stepSend)
	if !time.Now().Before(t.leaseEnd()) {
		return nil, fmt.Errorf("%w: the lease ran out before a request", errLost)
	}
	answer := t.cfg.Webhooks.Send(ctx, hook, m)
	t.step(stepSent)
	return answer, nil
}

// failure is what a failed attempt is called in the delivery's row.
func failure(a *webhook.Answer) error {
	if a.Err != nil {
		return errors.New(a.Attempt().Error)
	}
	return fmt.Errorf("the receiver answered %d", a.Code)
}

// failingSince is when a delivery began, unless one has succeeded since. A webhook's deliveries may be many: it takes deliveries_done.
const failingSince = `select created_at from latchkey.deliveries d where subscription_id = $1 and seq = $2 and not exists
	(select from latchkey.deliveries o where o.subscription_id = $1 and o.status = 'done' and o.updated_at > d.created_at)`

// judged switches a hook off whose receiver wants no more, or has taken nothing for as long as the schedule lasts.
func (q *webhookQueue) judged(ctx context.Context, hook *sender.Hook, v webhook.Verdict, s *sent) error {
	switch {
	case v.Outcome == webhook.Gone:
		return q.switchOff(ctx, hook, "its receiver answered 410 Gone: it wants no more")
	case s.run.Dead && s.attempt > 1:
		var since *time.Time
		err := q.t.pool.QueryRow(ctx, failingSince, q.sub.id, s.ev.Seq).Scan(&since)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("look for a success of hook %s: %w", hook.ID, err)
		}
		return q.switchOff(ctx, hook, "every attempt has failed since "+since.UTC().Format(time.RFC3339))
	}
	return nil
}

// switchOff disables a hook. Its deliveries wait until someone enables it.
func (q *webhookQueue) switchOff(ctx context.Context, hook *sender.Hook, reason string) error {
	if err := q.close(func() error {
		b := q.t.fenced()
		b.Queue(`update auth.hooks set status = 'disabled', status_reason = $3, updated_at = now() where tenant_id = $1 and hook_id = $2 and status = 'active'`, hook.TenantID, hook.ID, reason)
		return q.t.pool.SendBatch(ctx, b).Close()
	}); err != nil {
		return fmt.Errorf("switch hook %s off: %w", hook.ID, lostOr(err))
	}
	q.t.log.WarnContext(ctx, "a webhook is switched off", "tenant", hook.TenantID, "hook", hook.ID, "reason", reason)
	return nil
}

// sent is what came of an attempt, for its rows.
type sent struct {
	hook    *sender.Hook
	ev      *hooks.Event
	stamp   hooks.Stamp
	eventID string
	attempt int
	run     Run
	answer  webhook.Attempt
}

// status is the delivery's afterwards.
func (s *sent) status() string { return s.run.Outcome() }

// record is the attempt as latchkey.deliveries has it.
func (s *sent) record() string {
	text, err := json.Marshal(struct {
		At      time.Time `json:"at"`
		Code    int       `json:"code,omitempty"`
		Latency int64     `json:"latency_ms"`
		Error   string    `json:"error,omitempty"`
		Body    string    `json:"body,omitempty"`
	}{s.run.Began.UTC(), s.answer.Code, s.answer.Latency.Milliseconds(), s.answer.Error, s.answer.Body})
	if err != nil {
		return "{}" // strings and numbers always marshal
	}
	return string(text)
}
