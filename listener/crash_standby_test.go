//go:build unix

package listener_test

import (
	"slices"
	"syscall"
	"testing"
	"time"
)

// TestCrashStandbys lets three processes share a group, with leases as they are in production. One owns it; when it is killed
// another does within 3 s, and when that one is frozen the third does within 10 s. The zombie that wakes changes
// nothing: each change is done once, in order.
func TestCrashStandbys(t *testing.T) {
	t.Parallel()
	c := newCrash(t)
	c.makeSlot()
	const seconds = crashLeaseEnv + "=5s"
	alive := []*crashProcess{startCrashChild(t, c.url, c.sink, seconds)}
	alive[0].await("owning", "")
	alive = append(alive, startCrashChild(t, c.url, c.sink, seconds), startCrashChild(t, c.url, c.sink, seconds))
	c.insertRoles("first-", 3)
	alive[0].settle(t.Context(), c)

	for _, step := range []struct {
		name   string
		end    syscall.Signal
		within time.Duration
	}{{"killed", syscall.SIGKILL, 3 * time.Second}, {"frozen", syscall.SIGSTOP, 10 * time.Second}} {
		began := time.Now()
		alive[0].signal(step.end)
		c.insertRoles(step.name+"-", 3)
		heir := c.awaitHeir(alive[1:])
		took := time.Since(began)
		t.Logf("the owner was %s; another owned the group after %v", step.name, took.Round(time.Millisecond))
		if took > step.within {
			t.Errorf("that is more than %v", step.within)
		}
		heir.settle(t.Context(), c)
		if step.end == syscall.SIGSTOP {
			alive[0].signal(syscall.SIGCONT)
			alive[0].await("stopped", "")
		}
		others := slices.DeleteFunc(alive[1:], func(p *crashProcess) bool { return p == heir })
		alive = append([]*crashProcess{heir}, others...)
	}
	c.insertRoles("last-", 3)
	alive[0].settle(t.Context(), c)
	c.awaitIdle()
	events := c.events()
	c.checkEvents(events)
	c.checkRuns(events)
}

// awaitHeir waits until one of several processes owns the group.
func (c *crash) awaitHeir(standbys []*crashProcess) (heir *crashProcess) {
	c.t.Helper()
	c.await("a standby owns the group", func() (bool, error) {
		for _, p := range standbys {
			p.mu.Lock()
			if _, owning := p.last["owning"]; owning {
				heir = p
			}
			p.mu.Unlock()
		}
		return heir != nil, nil
	})
	return heir
}
