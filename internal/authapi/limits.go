package authapi

import (
	"net/http"
	"time"

	"github.com/go-chi/httprate"
)

const (
	defaultLimit = 300      // requests a minute from an address
	maxBody      = 64 << 10 // bytes
)

// limiter counts requests within a minute by address; nil counts none.
type limiter struct{ calls *httprate.RateLimiter }

func newLimiter(perMinute int) *limiter {
	switch {
	case perMinute < 0:
		return nil
	case perMinute == 0:
		perMinute = defaultLimit
	}
	return &limiter{httprate.NewRateLimiter(perMinute, time.Minute)}
}

// count sets the headers that tell how many more there may be.
func (l *limiter) count(w http.ResponseWriter, r *http.Request, address string) error {
	if l == nil || !l.calls.OnLimit(w, r, address) {
		return nil
	}
	return &problem{status: http.StatusTooManyRequests, code: "too_many_requests", message: "Too many requests came from this address within a minute: wait, and send fewer."}
}
