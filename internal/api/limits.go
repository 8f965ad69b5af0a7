package api

import (
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/httprate"
)

const (
	codeRateLimit = "too_many_requests"

	defaultLimit = 6000 // requests a minute
	tokenLimit   = 300  // of those for tokens, from one address: each may be a guess
)

// limits count requests within a minute; nil counts none.
type limits struct{ calls, tokens *httprate.RateLimiter }

func newLimits(perMinute int) limits {
	if perMinute < 0 {
		return limits{}
	}
	if perMinute == 0 {
		perMinute = defaultLimit
	}
	return limits{calls: httprate.NewRateLimiter(perMinute, time.Minute), tokens: httprate.NewRateLimiter(min(perMinute, tokenLimit), time.Minute)}
}

// limit counts a call for its token's subject, and sets the headers that tell how many more there may be.
func (s *server) limit(ctx huma.Context, c *caller) error {
	if s.limits.calls == nil {
		return nil
	}
	r, w := humachi.Unwrap(ctx)
	if s.limits.calls.OnLimit(w, r, c.tenant+"\n"+c.Subject) {
		return tooMany(w)
	}
	return nil
}

func tooMany(w http.ResponseWriter) *Problem {
	return newProblem(http.StatusTooManyRequests, codeRateLimit, fmt.Sprintf("More than %s requests within a minute: wait, and send fewer.", w.Header().Get("X-RateLimit-Limit")))
}
