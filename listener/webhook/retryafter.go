package webhook

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter bounds what a receiver may ask for, so that none parks its deliveries for a year.
const maxRetryAfter = 24 * time.Hour

// ParseRetryAfter reads the header Retry-After: seconds, or a date in one of HTTP's three forms. What lies in the past is
// 0, and what is further away than 24 h is 24 h. It is not ok for anything else.
func ParseRetryAfter(value string, now time.Time) (wait time.Duration, ok bool) {
	value = strings.TrimSpace(value)
	if value != "" && strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || seconds > int64(maxRetryAfter/time.Second) { // more digits than a number has
			return maxRetryAfter, true
		}
		return time.Duration(seconds) * time.Second, true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return max(0, min(at.Sub(now), maxRetryAfter)), true
}
