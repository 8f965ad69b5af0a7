package listener

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/lazytx"
	"github.com/latchkey-dev/latchkey/internal/tracing"
)

// delivery is one event for one hook. Its attempt is 0 as long as it has no row of its own: then an ack settles it, and
// otherwise the row does, which goes from running, with its attempt's number, to what comes next.
type delivery struct {
	sub     *subscription
	ev      *hooks.Event
	attempt int
	parked  *parked // where it stands in its group's queue, if it does
	tx      *lazytx.Tx
	running hooks.Running
	began   time.Time
	span    trace.Span // nothing, but continues the writer's trace, where nobody makes spans
}

// insertAck settles a delivery that has no row, and is what makes it settle once.
const insertAck = `insert into latchkey.acks (subscription_id, seq) values ($1, $2)`

// tag marks the transaction of a delivery; the seal finds it gone if the hook ended the transaction.
func (d *delivery) tag() string {
	return fmt.Sprintf("%d/%d/%d", d.sub.id, d.ev.Seq, d.attempt)
}

// stamp is what SQL of the hook's own leaves in the log.
func (d *delivery) stamp() string {
	stamp, err := json.Marshal(hooks.Stamp{Origin: hooks.OriginApp, Cause: d.running.Cause(), Traceparent: tracing.Traceparent(d.span.SpanContext())})
	if err != nil {
		return "" // a struct of strings and numbers always marshals; empty means that the trigger says what it sees
	}
	return string(stamp)
}

// begin makes the transaction that the hook is given.
func (t *term) begin(d *delivery) {
	d.began = time.Now()
	d.tx = lazytx.NewFunc(t.hookPool, func() []lazytx.Statement {
		return []lazytx.Statement{{
			SQL:  `select set_config('latchkey.delivery', $1::text, true), set_config('latchkey.context', $2::text, true)`,
			Args: []any{d.tag(), d.stamp()},
		}}
	})
	d.running = hooks.Running{Hook: d.sub.name, Table: d.sub.table, Tx: d.tx, Event: d.ev, Log: t.log}
	d.tx.Give(&d.running)
}

// conclude records what a hook's return means and says how the delivery stands. An error of its own is the term's: what
// could not be recorded is found again after the next start.
func (t *term) conclude(ctx context.Context, d *delivery, hookErr error) (r Run, err error) {
	r = Run{Hook: d.sub.after, Event: d.ev, Began: d.began, Took: time.Since(d.began)}
	if hookErr == nil {
		t.step(stepHookRan)
		hookErr, err = t.commit(ctx, d)
		if hookErr == nil || err != nil {
			t.step(stepHookDone)
			return r, err
		}
	}
	if d.tx.Escaped() {
		hookErr = fmt.Errorf("%w: %w", errEnded, hookErr)
	}
	if err := d.tx.Rollback(ctx); err != nil {
		t.log.WarnContext(trace.ContextWithSpan(ctx, d.span), "rolling a hook's transaction back", "hook", d.sub.name, "error", err)
	}
	t.step(stepPark)
	return t.fail(ctx, d, r, hookErr)
}

// commit settles a delivery whose hook returned nil. failed is why the hook's transaction could not commit.
func (t *term) commit(ctx context.Context, d *delivery) (failed, err error) {
	var record lazytx.Statement
	switch {
	case d.attempt > 0:
		record = lazytx.Statement{SQL: `select latchkey.finish($1, $2, $3, 'done', null, null)`, Args: []any{d.sub.id, d.ev.Seq, d.attempt}}
	case d.tx.Begun():
		record = lazytx.Statement{SQL: insertAck, Args: []any{d.sub.id, d.ev.Seq}}
	default: // the settler writes its ack, with many others; a transaction that could not begin says so here
		return d.tx.Commit(ctx), nil
	}
	if !ackEnabled {
		record = lazytx.Statement{SQL: `select 1`}
	}
	if !d.tx.Begun() {
		if err := d.tx.Commit(ctx); err != nil {
			return err, nil
		}
		q := t.fenced()
		q.Queue(record.SQL, record.Args...)
		return nil, settledOr(t.pool.SendBatch(ctx, q).Close())
	}
	seal := lazytx.Statement{SQL: `select latchkey.seal($1, $2, $3, $4, $5, $6)`, Args: []any{t.cfg.Group, t.epoch, d.sub.id, d.ev.Seq, d.attempt, d.tag()}}
	if !fenceEnabled {
		seal = lazytx.Statement{SQL: `select 1`}
	}
	err = d.tx.Commit(ctx, record, seal)
	switch state := sqlState(err); {
	case err == nil:
		return nil, nil
	case state == stateLost:
		return nil, fmt.Errorf("%w: %w", errLost, err)
	case state == stateSettled, ackExists(err):
		t.log.InfoContext(trace.ContextWithSpan(ctx, d.span), "a delivery was settled already; this run's effects are rolled back", "hook", d.sub.name, "seq", d.ev.Seq)
		return nil, nil
	default:
		return err, nil
	}
}

// recordAttempt gives a delivery its row before it runs: after an unclean end nobody knows which hook ended the process.
func (t *term) recordAttempt(ctx context.Context, d *delivery) error {
	q := t.fenced()
	q.Queue(insertAck, d.sub.id, d.ev.Seq)
	q.Queue(`insert into latchkey.deliveries (subscription_id, seq, entities, status, attempt) values ($1, $2, $3, 'running', 1)`, d.sub.id, d.ev.Seq, entities(d.ev))
	if err := t.pool.SendBatch(ctx, q).Close(); err != nil {
		return fmt.Errorf("record an attempt: %w", lostOr(err))
	}
	d.attempt = 1
	t.step(stepAttempt)
	return nil
}

// settledOr passes over the refusal to close an attempt that is closed.
func settledOr(err error) error {
	if sqlState(err) == stateSettled {
		return nil
	}
	return lostOr(err)
}

// fail gives the delivery its row, or closes the attempt in it. A unique violation on the ack means that the COMMIT whose
// answer got lost had succeeded: then it is done.
func (t *term) fail(ctx context.Context, d *delivery, r Run, cause error) (Run, error) {
	attempt := max(d.attempt, 1)
	r.Err = cause
	r.Dead = attempt >= t.cfg.Retry.Attempts || sqlState(cause) == stateEnded || errors.Is(cause, errEnded) || errors.Is(cause, errTooDeep)
	status, next := "dead", (*time.Time)(nil)
	if !r.Dead {
		r.Retry = time.Now().Add(t.cfg.Retry.wait(attempt))
		status, next = "retry", &r.Retry
	}
	q := t.fenced()
	if d.attempt == 0 {
		q.Queue(insertAck, d.sub.id, d.ev.Seq)
		q.Queue(`insert into latchkey.deliveries (subscription_id, seq, entities, status, attempt, next_attempt_at, last_error) values ($1, $2, $3, $4, 1, $5, $6)`,
			d.sub.id, d.ev.Seq, entities(d.ev), status, next, errorText(cause))
	} else {
		q.Queue(`select latchkey.finish($1, $2, $3, $4, $5, $6)`, d.sub.id, d.ev.Seq, d.attempt, status, next, errorText(cause))
	}
	err := t.pool.SendBatch(ctx, q).Close()
	switch {
	case ackExists(err), sqlState(err) == stateSettled:
		r.Err, r.Dead, r.Retry = nil, false, time.Time{}
		return r, nil
	case err != nil:
		return r, fmt.Errorf("record a failed delivery: %w", lostOr(err))
	}
	d.attempt = attempt
	t.step(stepParked)
	return r, nil
}

// maxDepth is how many deliveries may lie behind an event, each the cause of the next.
const maxDepth = 8

// tooDeep stops hooks that would call each other for ever.
func tooDeep(ev *hooks.Event) error {
	if !bytes.Contains(ev.RawStamp, []byte(`"cause"`)) { // reading every stamp would cost more
		return nil
	}
	if cause := ev.Stamp().Cause; cause != nil && cause.Depth > maxDepth {
		return fmt.Errorf("%w: this event is of depth %d, caused by hook %s for event %d", errTooDeep, cause.Depth, cause.Hook, cause.Seq)
	}
	return nil
}

// errorText is what is kept of an error: a panic with its stack, and no more than fits a screen or two.
func errorText(err error) string {
	text := err.Error()
	var p *hooks.Panic
	if errors.As(err, &p) {
		text += "\n" + string(p.Stack)
	}
	if len(text) > 4000 {
		text = text[:4000]
	}
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "?")
}

// entities are those whose order the event keeps.
func entities(ev *hooks.Event) []string {
	if old := ev.OldEntity(); old != "" {
		return []string{ev.Entity(), old}
	}
	return []string{ev.Entity()}
}
