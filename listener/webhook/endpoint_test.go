package webhook

import (
	"testing"
	"testing/synctest"
	"time"
)

const testURL = "https://receiver.example/hook"

// Time stands still but for time.After in these tests: synctest has a clock of its own.
func after(d time.Duration) { <-time.After(d) }

func mustEnter(t *testing.T, e *Endpoints) Pass {
	t.Helper()
	p, wait := e.Enter("acme", testURL, nil)
	if wait > 0 {
		t.Fatalf("it waits %s", wait)
	}
	return p
}

func mustWait(t *testing.T, e *Endpoints, want time.Duration) {
	t.Helper()
	if p, wait := e.Enter("acme", testURL, nil); wait != want {
		t.Fatalf("it waits %s, want %s (%+v)", wait, want, p)
	}
}

func TestBreakerOpensProbesAndCloses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var e Endpoints
		down, up := Verdict{Down: true}, Verdict{Outcome: Delivered}
		for range breakerFailures - 1 {
			mustEnter(t, &e).Done(down)
		}
		mustEnter(t, &e).Done(up) // in a row, or not at all
		stale := mustEnter(t, &e)
		for range breakerFailures {
			after(time.Millisecond)
			mustEnter(t, &e).Done(down)
		}
		mustWait(t, &e, breakerPause)
		stale.Done(up) // sent before it opened: nothing new
		mustWait(t, &e, breakerPause)
		if s := e.State("acme", testURL); !s.Open || s.Wait != breakerPause {
			t.Fatalf("%+v", s)
		}

		pause := breakerPause
		for range 10 {
			after(pause)
			probe := mustEnter(t, &e)
			mustWait(t, &e, probeWithin) // one at a time
			after(time.Second)
			probe.Done(down)
			pause = min(2*pause, maxBreakerPause)
			mustWait(t, &e, pause)
		}
		if pause != maxBreakerPause {
			t.Fatalf("the pause grew to %s", pause)
		}
		after(pause)
		probe := mustEnter(t, &e)
		after(time.Second)
		probe.Done(Verdict{Outcome: Retry}) // a 404 is an answer
		for range 20 {
			mustEnter(t, &e).Done(up)
		}
		if s := e.State("acme", testURL); s != (State{}) {
			t.Fatalf("%+v", s)
		}
		after(MaxSyncTimeout + time.Second)
		mustEnter(t, &e).Done(up)
		if len(e.trouble) != 0 {
			t.Error("it remembers an endpoint that does well")
		}
	})
}

// An endpoint that refuses all it gets is kept from as one that is down, but later: it may refuse some, and take others.
func TestBreakerOpensWhereAllIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var e Endpoints
		refused, up := Verdict{Outcome: Retry}, Verdict{Outcome: Delivered}
		for range breakerRefusals - 1 {
			mustEnter(t, &e).Done(refused)
		}
		mustEnter(t, &e).Done(up) // in a row, or not at all
		for range breakerRefusals {
			after(time.Millisecond)
			mustEnter(t, &e).Done(refused)
		}
		mustWait(t, &e, breakerPause)
		after(breakerPause)
		mustEnter(t, &e).Done(refused)
		mustWait(t, &e, 2*breakerPause)
		after(2 * breakerPause)
		mustEnter(t, &e).Done(up)
		for range breakerRefusals - 1 {
			mustEnter(t, &e).Done(refused)
		}
		mustEnter(t, &e).Done(up)
	})
}

func TestBreakerOutlivesALostProbe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var e Endpoints
		for range breakerFailures {
			mustEnter(t, &e).Done(Verdict{Down: true})
		}
		after(breakerPause)
		mustEnter(t, &e) // and nobody tells
		mustWait(t, &e, probeWithin)
		after(probeWithin)
		mustEnter(t, &e).Cancel()            // wasn't sent: the next one is the probe
		mustEnter(t, &e).Done(Verdict{})     // it got an answer
		mustEnter(t, &e).Done(Verdict{})     // so it is closed
		Pass{}.Done(Verdict{})               // none was given
		(Pass{of: &e, key: "gone"}).Cancel() // nothing to give back
		if s := e.State("acme", testURL); s.Open {
			t.Fatalf("%+v", s)
		}
	})
}

func TestFailuresFromBeforeDontReopen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var e Endpoints
		var slow []Pass
		for range 2 * breakerFailures {
			slow = append(slow, mustEnter(t, &e))
		}
		after(time.Second)
		for range breakerFailures {
			mustEnter(t, &e).Done(Verdict{Down: true})
		}
		after(breakerPause)
		mustEnter(t, &e).Done(Verdict{Outcome: Delivered})
		for _, p := range slow {
			p.Done(Verdict{Down: true})
		}
		mustEnter(t, &e)
	})
}

func TestThrottleSlowsAndRecovers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var e Endpoints
		slow, up := Verdict{Slow: true}, Verdict{Outcome: Delivered}
		together := []Pass{mustEnter(t, &e), mustEnter(t, &e), mustEnter(t, &e)}
		after(time.Millisecond)
		for _, p := range together { // one bad moment, and not three
			p.Done(slow)
		}
		mustWait(t, &e, firstGap)
		gap := firstGap
		for range 10 {
			after(gap)
			mustEnter(t, &e).Done(slow)
			gap = min(2*gap, maxGap)
			mustWait(t, &e, gap)
		}
		if gap != maxGap {
			t.Fatalf("the gap grew to %s", gap)
		}
		n := 0
		for ; e.State("acme", testURL).Gap > 0; n++ {
			if n > 100 {
				t.Fatal("it never recovers")
			}
			after(e.State("acme", testURL).Wait)
			mustEnter(t, &e).Done(up)
		}
		after(e.State("acme", testURL).Wait)
		mustEnter(t, &e)
		mustEnter(t, &e) // as fast as they come
	})
}

func TestThrottleHonoursRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var e Endpoints
		first, second := mustEnter(t, &e), mustEnter(t, &e)
		first.Done(Verdict{Slow: true, After: time.Hour})
		second.Done(Verdict{Slow: true, After: time.Second}) // shortens nothing
		mustWait(t, &e, time.Hour)
		if _, wait := e.Enter("acme", "https://receiver.example/other", nil); wait != 0 {
			t.Error("another path waits too")
		}
		if _, wait := e.Enter("other", testURL, nil); wait != 0 {
			t.Error("another tenant waits too")
		}
		if _, wait := e.Enter("acme", "https://RECEIVER.example/hook?key=1", nil); wait != time.Hour {
			t.Error("a query makes it another endpoint")
		}
		after(time.Hour)
		mustEnter(t, &e)
	})
}

func TestEndpointsForget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var e Endpoints
		mustEnter(t, &e).Done(Verdict{Down: true})
		after(forgetAfter + time.Second)
		p, _ := e.Enter("other", testURL, nil)
		p.Done(Verdict{Down: true})
		if len(e.trouble) != 1 {
			t.Errorf("%d endpoints are remembered", len(e.trouble))
		}
	})
}

func TestLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var e Endpoints
		limit, err := NewLimit(2)
		if err != nil {
			t.Fatal(err)
		}
		sent := 0
		for began := time.Now(); time.Since(began) < 10*time.Second; {
			p, wait := e.Enter("acme", testURL, limit)
			if wait > 0 {
				after(wait)
				continue
			}
			p.Done(Verdict{Outcome: Delivered})
			sent++
		}
		if sent < 20 || sent > 22 { // 2 at once, then 2 a second
			t.Errorf("%d were sent in 10 s", sent)
		}

		slow, err := NewLimit(0.2)
		if err != nil {
			t.Fatal(err)
		}
		if _, wait := e.Enter("acme", testURL, slow); wait != 0 {
			t.Errorf("the first waits %s", wait)
		}
		for range 3 { // asking takes no turn
			if _, wait := e.Enter("acme", testURL, slow); wait != 5*time.Second {
				t.Errorf("the second waits %s", wait)
			}
		}
		for range breakerFailures {
			mustEnter(t, &e).Done(Verdict{Down: true})
		}
		after(time.Second)
		if _, wait := e.Enter("acme", testURL, slow); wait != breakerPause-time.Second {
			t.Errorf("an open breaker waits %s", wait)
		}
	})
	for _, rate := range []float64{0, -1, 1e7} {
		if _, err := NewLimit(rate); err == nil {
			t.Errorf("%v passed", rate)
		}
	}
}
