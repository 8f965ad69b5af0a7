package webhook

import "time"

const (
	firstGap = 250 * time.Millisecond
	maxGap   = 30 * time.Second
)

// throttle spaces the requests to an endpoint that asked for less: each 429, 502, 503 or 504 doubles the gap between them,
// each delivery takes a quarter off, until there is none. It stands under its endpoint's lock.
type throttle struct {
	gap     time.Duration // 0: as fast as they come
	next    time.Time     // the earliest time for the next request
	doubled time.Time     // what began before got its answer from the same bad moment
}

func (t *throttle) wait(now time.Time) time.Duration { return max(0, t.next.Sub(now)) }

// enter takes a turn after wait said 0.
func (t *throttle) enter(now time.Time) {
	if t.gap > 0 {
		t.next = now.Add(t.gap)
	}
}

func (t *throttle) record(began, now time.Time, v Verdict) {
	switch {
	case v.Slow:
		if !began.Before(t.doubled) {
			t.gap, t.doubled = min(max(2*t.gap, firstGap), maxGap), now
		}
		t.hold(now.Add(max(t.gap, v.After)))
	case v.Outcome == Delivered && t.gap > 0:
		if t.gap -= t.gap / 4; t.gap < firstGap/4 {
			t.gap = 0
		}
	}
}

// hold is never shortened by another answer that asks for less.
func (t *throttle) hold(until time.Time) {
	if until.After(t.next) {
		t.next = until
	}
}

func (t *throttle) resting(now time.Time) bool { return t.gap == 0 && !t.next.After(now) }
