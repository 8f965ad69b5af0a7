package listener

import "time"

// OnStep has fn called at each step of the listener, in the goroutine that takes it. Set it before Run.
func (l *Listener) OnStep(fn func(step string)) { l.onStep = fn }

// The steps that tests of other packages wait for.
const (
	StepIngest   = stepIngest
	StepIngested = stepIngested
)

// Steps are the names of all steps.
func Steps() []string {
	return []string{
		stepTaken, stepIngest, stepChunk, stepIngested, stepAcknowledged, stepAttempt, stepHook, stepHookRan, stepHookDone,
		stepSettle, stepSettled, stepPark, stepParked,
	}
}

// SetTiming sets how long a lease is, how often it is renewed, how often a standby looks and how often acks are swept.
func (l *Listener) SetTiming(lease, renew, look, sweep time.Duration) {
	l.timing.lease, l.timing.renew, l.timing.look, l.timing.sweep = lease, renew, look, sweep
}

// SetRetention sets how often the log is looked at, and how many events a part of it holds.
func (l *Listener) SetRetention(every time.Duration, part int64) {
	l.timing.retain, l.timing.part = every, part
}

// SetTablesEvery sets how often the hooked tables are looked at.
func (l *Listener) SetTablesEvery(every time.Duration) { l.timing.tables = every }

// Wait is how long to wait after the attempt-th failure.
func (r Retry) Wait(attempt int) time.Duration { return r.wait(attempt) }

// WebhooksInMemory is how many deliveries of webhooks are dispatched and not recorded.
func (l *Listener) WebhooksInMemory() int {
	t := l.term.Load()
	if t == nil {
		return 0
	}
	t.settler.mu.Lock()
	defer t.settler.mu.Unlock()
	return t.settler.webhooks
}

// WebhookReadings is how often this term has read the webhooks and their secrets.
func (l *Listener) WebhookReadings() int64 {
	t := l.term.Load()
	if t == nil {
		return 0
	}
	return t.readings.Load()
}

// FailingSince is asked at each dead letter of a webhook.
const FailingSince = failingSince
