package webhook

import (
	"cmp"
	"maps"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Endpoints says when a request may go. It remembers only endpoints in trouble: one that answers as it should costs nothing.
// It is safe for concurrent use; the zero value is ready. It lives in memory: a new process asks the endpoints anew.
type Endpoints struct {
	// MaxPause is how long a breaker pauses at most between two probes. Default 5 min. Set it before use.
	MaxPause time.Duration
	// Now is the clock. Default time.Now. Set it before use.
	Now func() time.Time

	mu      sync.Mutex
	trouble map[string]*endpoint
}

type endpoint struct {
	breaker  breaker
	throttle throttle
	heard    time.Time // when it was last told how a request went
}

// forgetAfter is for endpoints that nobody asks for any more.
const forgetAfter = time.Hour

// Pass lets one request go. Done or Cancel ends it; one that is lost keeps nobody out for longer than a request takes.
type Pass struct {
	of    *Endpoints
	key   string
	began time.Time
	probe bool
}

// Enter says whether a request may go to a hook's URL now, in the name of a tenant: one tenant's trouble with a receiver is not
// another's, who may have been asked by it for less. If wait is above 0 it may not: ask again then. No turn is reserved in
// between, and waiting is no attempt.
func (e *Endpoints) Enter(tenantID, rawURL string, limit *Limit) (pass Pass, wait time.Duration) {
	now := e.now()
	key := endpointKey(tenantID, rawURL)
	e.mu.Lock()
	defer e.mu.Unlock()
	at := e.trouble[key]
	if at != nil {
		wait = max(at.breaker.wait(now), at.throttle.wait(now))
	}
	if wait == 0 { // last, because it takes a turn
		wait = limit.take(now)
	}
	if wait > 0 {
		return Pass{}, wait
	}
	pass = Pass{of: e, key: key, began: now}
	if at != nil {
		pass.probe = at.breaker.enter(now)
		at.throttle.enter(now)
	}
	return pass, 0
}

// Done tells the endpoint how the request went.
func (p Pass) Done(v Verdict) {
	if p.of == nil {
		return
	}
	now := p.of.now()
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	at := p.of.trouble[p.key]
	if at == nil {
		if v.Outcome != Retry {
			return
		}
		at = &endpoint{breaker: breaker{maxPause: cmp.Or(p.of.MaxPause, maxBreakerPause)}}
	}
	at.breaker.record(p.began, now, p.probe, v)
	at.throttle.record(p.began, now, v)
	p.of.keep(p.key, at, now)
}

// Cancel is for a request that wasn't sent, or was cut off by us: it says nothing of the endpoint.
func (p Pass) Cancel() {
	if p.of == nil || !p.probe {
		return
	}
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	if at := p.of.trouble[p.key]; at != nil {
		at.breaker.cancel(p.of.now())
	}
}

func (e *Endpoints) now() time.Time {
	if e.Now != nil {
		return e.Now()
	}
	return time.Now()
}

func (e *Endpoints) keep(key string, at *endpoint, now time.Time) {
	if at.breaker.resting(now) && at.throttle.resting(now) {
		delete(e.trouble, key)
		return
	}
	if at.heard = now; e.trouble[key] != nil {
		return
	}
	if e.trouble == nil {
		e.trouble = map[string]*endpoint{}
	}
	maps.DeleteFunc(e.trouble, func(_ string, other *endpoint) bool {
		return now.Sub(other.heard) > forgetAfter && !other.throttle.next.After(now)
	})
	e.trouble[key] = at
}

// State is how an endpoint does, for those who look on.
type State struct {
	Open     bool          // the breaker is: nobody answers
	Gap      time.Duration // between requests, because it asked for less; 0 for none
	Wait     time.Duration // until the next request may go
	Failures int           // in a row, while the breaker is closed
}

// State looks at an endpoint and changes nothing.
func (e *Endpoints) State(tenantID, rawURL string) State {
	now := e.now()
	e.mu.Lock()
	defer e.mu.Unlock()
	at := e.trouble[endpointKey(tenantID, rawURL)]
	if at == nil {
		return State{}
	}
	return State{
		Open: at.breaker.pause > 0, Gap: at.throttle.gap, Failures: at.breaker.failures,
		Wait: max(at.breaker.wait(now), at.throttle.wait(now)),
	}
}

// endpointKey leaves the query out, which may differ by hook. The path stays: at a shared receiver one path is one customer's.
func endpointKey(tenantID, rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return tenantID + "\n" + rawURL
	}
	return tenantID + "\n" + u.Scheme + "://" + strings.ToLower(u.Host) + u.EscapedPath()
}
