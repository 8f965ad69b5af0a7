package webhook

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, c := range []struct {
		a    Answer
		want Verdict
	}{
		{Answer{Code: 200}, Verdict{Outcome: Delivered}},
		{Answer{Code: 204}, Verdict{Outcome: Delivered}},
		{Answer{Code: 299, Err: ErrTimeout}, Verdict{Outcome: Delivered}}, // its body doesn't matter
		{Answer{Code: 410}, Verdict{Outcome: Gone}},
		{Answer{Code: 301}, Verdict{}},
		{Answer{Code: 400, RetryAfter: "60"}, Verdict{}}, // there it means nothing
		{Answer{Code: 404}, Verdict{}},
		{Answer{Code: 408}, Verdict{}},
		{Answer{Code: 429}, Verdict{Slow: true}},
		{Answer{Code: 429, RetryAfter: "60"}, Verdict{Slow: true, After: time.Minute}},
		{Answer{Code: 500}, Verdict{Down: true}},
		{Answer{Code: 501, RetryAfter: "60"}, Verdict{Down: true}},
		{Answer{Code: 502}, Verdict{Down: true, Slow: true}},
		{Answer{Code: 503, RetryAfter: "120"}, Verdict{Down: true, Slow: true, After: 2 * time.Minute}},
		{Answer{Code: 503, RetryAfter: "soon"}, Verdict{Down: true, Slow: true}},
		{Answer{Code: 504}, Verdict{Down: true, Slow: true}},
		{Answer{Err: errors.New("connection refused")}, Verdict{Down: true}},
		{Answer{Err: ErrTimeout}, Verdict{Down: true}},
	} {
		if got := Judge(&c.a, now); got != c.want {
			t.Errorf("%+v: %+v, want %+v", c.a, got, c.want)
		}
	}
}

func TestParseRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"0": 0, "1": time.Second, " 120 ": 2 * time.Minute, "86400": 24 * time.Hour, "86401": 24 * time.Hour, "99999999999999999999999": 24 * time.Hour, "007": 7 * time.Second,
		"Sun, 01 Mar 2026 12:01:00 GMT":  time.Minute,
		"Sunday, 01-Mar-26 12:01:00 GMT": time.Minute,
		"Sun Mar  1 12:01:00 2026":       time.Minute,
		"Sun, 01 Mar 2026 11:00:00 GMT":  0,
		"Fri, 01 Mar 2090 12:00:00 GMT":  24 * time.Hour,
	} {
		if got, ok := ParseRetryAfter(value, now); !ok || got != want {
			t.Errorf("%q: %s %v, want %s", value, got, ok, want)
		}
	}
	for _, value := range []string{"", "-1", "+1", "1.5", "1e3", "0x10", "soon", "1 second", "2026-03-01T12:01:00Z", "１"} {
		if got, ok := ParseRetryAfter(value, now); ok || got != 0 {
			t.Errorf("%q passed as %s", value, got)
		}
	}
}

func FuzzParseRetryAfter(f *testing.F) {
	for _, value := range []string{"120", "Sun, 01 Mar 2026 12:01:00 GMT", "Sunday, 01-Mar-26 12:01:00 GMT", "Sun Mar  1 12:01:00 2026", "-1", "99999999999999999999", "Mon, 01 Jan 0000 00:00:00 GMT"} {
		f.Add(value, int64(1772366400))
	}
	f.Fuzz(func(t *testing.T, value string, now int64) {
		wait, ok := ParseRetryAfter(value, time.Unix(now, 0))
		if wait < 0 || wait > maxRetryAfter || !ok && wait != 0 {
			t.Errorf("%q at %d: %s %v", value, now, wait, ok)
		}
		if _, isDate := http.ParseTime(value); isDate == nil && !ok {
			t.Errorf("%q is a date", value)
		}
	})
}

func TestDefaultScheduleKeepsItsPromise(t *testing.T) {
	t.Parallel()
	s := DefaultSchedule()
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		attempts, total := 1, time.Duration(0)
		for {
			wait, ok := s.Next(attempts, 0)
			if !ok {
				break
			}
			if gap := s[attempts-1]; wait < gap || wait > gap+gap/10 {
				t.Fatalf("after attempt %d: %s, want %s and up to a tenth", attempts, wait, gap)
			}
			attempts++
			total += wait
		}
		if attempts < 10 || total < 72*time.Hour {
			t.Fatalf("%d attempts over %s", attempts, total)
		}
		if _, ok := s.Next(rapid.IntRange(attempts, 1<<40).Draw(t, "attempt"), time.Minute); ok {
			t.Fatal("it goes on after the last")
		}
	})
}

func TestScheduleHonoursRetryAfter(t *testing.T) {
	t.Parallel()
	s := DefaultSchedule()
	if wait, _ := s.Next(1, time.Hour); wait < time.Hour || wait > 66*time.Minute {
		t.Errorf("asked for an hour, it waits %s", wait)
	}
	if wait, _ := s.Next(11, time.Hour); wait < 24*time.Hour {
		t.Errorf("a shorter Retry-After shortened the pause to %s", wait)
	}
	if wait, ok := s.Next(0, 0); !ok || wait > 6*time.Second {
		t.Errorf("attempt 0: %s %v", wait, ok)
	}
	seen := map[time.Duration]bool{}
	for range 20 {
		wait, _ := s.Next(8, 0)
		seen[wait] = true
	}
	if len(seen) < 2 {
		t.Error("there is no jitter")
	}
	if (Schedule{}).Check() == nil || (Schedule{time.Second, 0}).Check() == nil {
		t.Error("a bad schedule passed")
	}
}
