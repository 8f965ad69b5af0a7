package webhook

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Schedule has the pauses between a delivery's attempts: after its first, its second, and so on. After as many attempts as
// it has pauses, and one, the delivery is dead.
type Schedule []time.Duration

// DefaultSchedule is 12 attempts over 73 hours and more: close at first, for a receiver that restarts, then far apart, for one
// that is mended after a weekend.
func DefaultSchedule() Schedule {
	return Schedule{
		5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute,
		2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 18 * time.Hour, 24 * time.Hour,
	}
}

// Check says what is wrong with a schedule.
func (s Schedule) Check() error {
	if len(s) == 0 {
		return errors.New("webhook: a schedule without a pause would try once: give it one, or take DefaultSchedule")
	}
	for i, pause := range s {
		if pause <= 0 {
			return fmt.Errorf("webhook: pause %d of the schedule is %s: it has to be above 0", i+1, pause)
		}
	}
	return nil
}

// Next is how long to wait after attempt number attempt (1 is the first) failed, when the receiver asked for the pause after
// ([Verdict.After]; 0 for none). Up to a tenth is added by chance, never taken away, so that what failed together doesn't
// come back together. It is not ok after the last attempt: the delivery is dead.
func (s Schedule) Next(attempt int, after time.Duration) (wait time.Duration, ok bool) {
	if attempt < 1 {
		attempt = 1
	}
	if attempt > len(s) {
		return 0, false
	}
	wait = max(s[attempt-1], after)
	return wait + rand.N(wait/10+1), true
}
