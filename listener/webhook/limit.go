package webhook

import (
	"fmt"
	"math"
	"time"

	"golang.org/x/time/rate"
)

// Limit is the rate that a hook's owner chose. A nil Limit is none. It is safe for concurrent use.
type Limit struct{ limiter *rate.Limiter }

// NewLimit takes requests a second, more than 0 (0.2 is one in five seconds), and lets a second's worth go at once.
func NewLimit(perSecond float64) (*Limit, error) {
	if !(perSecond > 0) || perSecond > 1e6 {
		return nil, fmt.Errorf("webhook: a rate limit of %v: it has to be above 0 and at most 1000000 requests a second", perSecond)
	}
	return &Limit{rate.NewLimiter(rate.Limit(perSecond), int(math.Ceil(perSecond)))}, nil
}

// take takes a turn, or says how long until there may be one.
func (l *Limit) take(now time.Time) time.Duration {
	if l == nil {
		return 0
	}
	r := l.limiter.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
	}
	return wait
}
