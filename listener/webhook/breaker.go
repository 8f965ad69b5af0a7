package webhook

import "time"

const (
	breakerFailures = 5  // in a row of an endpoint that is down, until the breaker opens
	breakerRefusals = 50 // in a row of one that is there and refuses: it may refuse some for good reason, but hardly all
	breakerPause    = 5 * time.Second
	maxBreakerPause = 5 * time.Minute
	// probeWithin is when a probe of which nobody told is taken for lost.
	probeWithin = MaxSyncTimeout + 5*time.Second
)

// breaker keeps requests from an endpoint that is down, or refuses all it gets. Closed, it counts failures in a row; open, it lets
// none through until its pause is over; then one, the probe: if that goes better the breaker closes, else it pauses for twice as
// long.
// It stands under its endpoint's lock.
type breaker struct {
	maxPause time.Duration
	failures int           // while it was down
	refusals int           // of any kind
	refused  bool          // it opened because of these
	pause    time.Duration // 0 while closed
	until    time.Time     // the end of the pause, or of the time for the probe
	changed  time.Time     // when it last opened or closed: what began before tells nothing new
}

// wait is how long no request may go.
func (b *breaker) wait(now time.Time) time.Duration {
	if b.pause == 0 {
		return 0
	}
	return max(0, b.until.Sub(now))
}

// enter lets a request through after wait said 0. It reports whether it is the probe.
func (b *breaker) enter(now time.Time) (probe bool) {
	if b.pause == 0 {
		return false
	}
	b.until = now.Add(probeWithin)
	return true
}

func (b *breaker) record(began, now time.Time, probe bool, v Verdict) {
	refuses := v.Outcome == Retry
	switch {
	case began.Before(b.changed), b.pause > 0 && !probe: // sent before it opened, or before it closed again
	case b.pause > 0 && (v.Down || refuses && b.refused):
		b.open(now, min(2*b.pause, b.maxPause))
	default:
		if b.pause > 0 {
			b.pause, b.refused, b.changed = 0, false, now
		}
		if b.failures++; !v.Down {
			b.failures = 0
		}
		if b.refusals++; !refuses {
			b.refusals = 0
		}
		if b.refused = b.refusals >= breakerRefusals; b.refused || b.failures >= breakerFailures {
			b.open(now, breakerPause)
		}
	}
}

func (b *breaker) open(now time.Time, pause time.Duration) {
	b.failures, b.refusals, b.pause, b.until, b.changed = 0, 0, pause, now.Add(pause), now
}

// cancel gives the place of a probe that was never sent to the next request.
func (b *breaker) cancel(now time.Time) {
	if b.pause > 0 {
		b.until = now
	}
}

// resting keeps it for as long as an answer from before may still come.
func (b *breaker) resting(now time.Time) bool {
	return b.pause == 0 && b.failures == 0 && b.refusals == 0 && now.Sub(b.changed) > MaxSyncTimeout
}
