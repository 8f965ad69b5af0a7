package webhook

import (
	"net/http"
	"time"
)

// Outcome is what an attempt means for its delivery.
type Outcome uint8

// The outcomes.
const (
	Retry     Outcome = iota // not delivered: try again as the [Schedule] says
	Delivered                // a 2xx; whether its body could be read doesn't matter
	Gone                     // a 410: the receiver wants no more, so the hook is to be switched off
)

func (o Outcome) String() string {
	switch o {
	case Delivered:
		return "delivered"
	case Gone:
		return "gone"
	default:
		return "retry"
	}
}

// Verdict is what an answer means: for the delivery, and for the endpoint.
type Verdict struct {
	Outcome Outcome
	After   time.Duration // the receiver asked not to be tried before, in a 429 or 503; at most 24 h
	Slow    bool          // it asked for less: 429, 502, 503, 504
	Down    bool          // nobody answered, or a 5xx: the breaker counts these
}

// Judge says what an answer means. Redirects are failures, for a signed body goes where the hook's owner said and nowhere
// else; so are all codes but 2xx.
func Judge(a *Answer, now time.Time) Verdict {
	switch {
	case a.Code >= 200 && a.Code <= 299:
		return Verdict{Outcome: Delivered}
	case a.Code == http.StatusGone:
		return Verdict{Outcome: Gone}
	}
	v := Verdict{Down: a.Code == 0 || a.Code >= 500}
	switch a.Code {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		v.After, _ = ParseRetryAfter(a.RetryAfter, now)
		v.Slow = true
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		v.Slow = true
	}
	return v
}

// JudgeAsked says what the answer to a question means for its endpoint. A question waits for nothing, so all that counts is whether
// asking costs the writer time for nothing: an endpoint that refuses, asks for less, or answers nonsense, does so at once.
func JudgeAsked(a *Answer) Verdict {
	if a.Err != nil || a.Code >= 500 {
		return Verdict{Down: true}
	}
	return Verdict{Outcome: Delivered}
}
