package sender

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/listener/webhook"
)

// The codes of refusals.
const (
	CodeRefused  = "webhook_refused"   // the receiver said no
	CodeNoAnswer = "webhook_no_answer" // it said nothing of use, and the hook's on_error is deny
)

// maxAskPause is how long an endpoint that is down gets no question at most: as long may it refuse users after it is back.
const maxAskPause = 30 * time.Second

// errBreakerOpen is the answer of one that was not asked.
var errBreakerOpen = errors.New("not asked, because it did not answer the last questions in time")

var _ db.Asker = (*Sender)(nil)

// Ask implements [db.Asker]. It asks the tenant's enabled and active webhooks of a trigger, as their rows are now: those of
// higher priority first, then the oldest. The first refusal is the answer, a hooks.Rejection; each sees the user_metadata that
// those before it made. All together have Config.AskTimeout, or the longest timeout that one of them has for itself if that is more;
// those whose turn comes too late have not answered, and their on_error decides.
//
// An endpoint that did not answer five times in a row (a timeout, no connection, a 5xx) is not asked for 5 s, then for twice as
// long each time that one question is not answered either, 30 s at most: on_error decides at once. Rate limits are for
// asynchronous webhooks: a question doesn't wait.
//
// The webhook-id is that of the question and the hook, so the same when a write has to ask again. A refusal, and an answer that
// is none, leave a line in auth.logs, whatever on_error decides; where the line can't be written, the write doesn't happen.
func (s *Sender) Ask(ctx context.Context, q *db.Question) (db.Answer, error) {
	answer, err := s.ask(ctx, q)
	var no *hooks.Rejection
	if err != nil && !errors.As(err, &no) {
		err = fmt.Errorf("sender: ask %s: %w", q.Trigger, err)
	}
	return answer, err
}

func (s *Sender) ask(ctx context.Context, q *db.Question) (db.Answer, error) {
	if s.cfg.DB == nil {
		return db.Answer{}, errors.New("Config.DB is nil: give it a pool")
	}
	asked, err := s.load(ctx, s.cfg.DB, ` and h.tenant_id = $1 and h.trigger_id = $2 and h.enabled and h.status = $3
		order by h.priority desc, h.created_at, h.hook_id`, q.TenantID, q.Trigger, StatusActive)
	if err != nil || len(asked) == 0 {
		return db.Answer{}, err
	}
	began := time.Now()
	within, cancel := context.WithDeadline(ctx, began.Add(s.budget(asked)))
	defer cancel()
	var answer db.Answer
	now := *q // as the hooks so far made it
	for _, h := range asked {
		decision, err := s.askHook(ctx, within, h, &now, began)
		if err != nil {
			return db.Answer{}, err
		}
		answer.Asked = append(answer.Asked, h.ID)
		if decision.UserMetadata == nil {
			continue
		}
		if now.User.UserMetadata, err = webhook.MergeMetadata(now.User.UserMetadata, decision.UserMetadata); err != nil {
			return db.Answer{}, err
		}
		answer.UserMetadata = now.User.UserMetadata
	}
	return answer, nil
}

// askHook asks one. within ends when the time for all of them is over, ctx when the writer doesn't want to write any more.
func (s *Sender) askHook(ctx, within context.Context, h *Hook, q *db.Question, at time.Time) (webhook.Decision, error) {
	body, err := webhook.SyncBody(q, at)
	if err != nil {
		return webhook.Decision{}, err
	}
	m := Message{ID: webhook.MessageID(q.ID, h.ID), Body: body, Timeout: s.timeoutOf(h), Traceparent: q.Stamp.Traceparent}
	a := s.sendQuestion(ctx, within, h, m)
	if err := ctx.Err(); err != nil { // it was the writer who stopped: no answer was waited for
		return webhook.Decision{}, err
	}
	d := webhook.Decide(q.Trigger, h.OnError, a)
	d.Reason = a.Mask(d.Reason) // it goes to the user
	if d.Fault == nil && d.Allowed {
		return d, nil
	}
	if err := s.logAsked(ctx, h, q, a, d); err != nil {
		return d, err
	}
	switch {
	case d.Allowed:
		return d, nil
	case d.Fault != nil:
		return d, &hooks.Rejection{Hook: h.ID, Code: CodeNoAnswer, Reason: d.Reason}
	default:
		return d, &hooks.Rejection{Hook: h.ID, Code: CodeRefused, Reason: d.Reason}
	}
}

// sendQuestion asks, unless the endpoint is known to be down: then each writer would wait for nothing. One question in a while,
// the probe, finds out whether it still is.
func (s *Sender) sendQuestion(ctx, within context.Context, h *Hook, m Message) *webhook.Answer {
	r, err := s.request(within, h, m)
	if err != nil {
		return &webhook.Answer{Err: err}
	}
	pass, wait := s.asked.Enter(h.TenantID, h.URL, nil)
	if wait > 0 {
		return &webhook.Answer{Err: fmt.Errorf("%w: it gets another question in %s at the latest", errBreakerOpen, wait.Round(time.Second))}
	}
	a := s.client.Send(within, r)
	hurried := within.Err() != nil && a.Latency < m.Timeout/2 // by those asked before, who took the time
	if ctx.Err() != nil || hurried && errors.Is(a.Err, webhook.ErrTimeout) {
		pass.Cancel()
	} else {
		pass.Done(webhook.JudgeAsked(a))
	}
	return a
}

func (s *Sender) budget(asked []*Hook) time.Duration {
	all := s.cfg.AskTimeout
	for _, h := range asked {
		all = max(all, h.Timeout)
	}
	return all
}

func (s *Sender) timeoutOf(h *Hook) time.Duration { return cmp.Or(h.Timeout, s.cfg.AskTimeout) }
