//go:build unix

package listener_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// TestCrashFrozenOwner stops a process that owns the group in the middle of things. Another takes over, does all there
// is to do, and forgets the acks, because its cursors are past them. Then the first one goes on, the line of
// its stream dead and silent, and new ones open to it: nothing of what it still does may stay. Only the fence can see to that.
func TestCrashFrozenOwner(t *testing.T) {
	t.Parallel()
	c := newCrash(t)
	c.makeSlot()
	rounds := []string{"hook", "hook-ran", "ingest", "chunk", "hook", "settle", stepHookWrote, "hook"}
	if crashKills(t) < crashFull {
		rounds = []string{"hook", "ingest", "hook"}
	}
	for round, step := range rounds {
		c.freeze(round, step)
		if t.Failed() {
			t.Fatalf("round %d: frozen at %s", round, step)
		}
	}
	t.Logf("crash test: frozen at %s: nothing of what the process did afterwards stayed; the hook without a transaction repeated %d of %d runs",
		strings.Join(rounds, ", "), c.sink.repeats(), c.sink.events())
}

// freeze is one round. The first event of a child that follows a clean stop has no row of its own, and the hook with a
// transaction no connection yet: it opens one that nobody has ended.
func (c *crash) freeze(round int, step string) {
	c.t.Helper()
	const lease = crashLeaseEnv + "=1s"
	at := crashPoint{step: step, pass: 1, freeze: true}
	proxy := newCrashProxy(c.t, c.url)
	frozen := startCrashChild(c.t, proxy.url, c.sink, lease, crashAtEnv+"="+at.String())
	frozen.await("owning", "")
	c.insertRoles(fmt.Sprintf("a-%d-", round), 3)
	if step == "chunk" {
		assigned := false
		frozen.repeat("at", func() {
			c.setPermissions(fmt.Sprintf("a-%d-0", round), !assigned)
			assigned = !assigned
		})
	}
	frozen.await("at", step)
	// The engine's own pool opens a new connection where it finds the old one ended. A hook's transaction needs one
	// that was never there.
	proxy.silence(step != "hook")

	heir := startCrashChild(c.t, c.url, c.sink, lease)
	heir.await("owning", "")
	c.insertRoles(fmt.Sprintf("b-%d-", round), 3)
	heir.settle(c.t.Context(), c)
	c.awaitIdle()

	frozen.signal(syscall.SIGCONT)
	frozen.await("stopped", "") // its epoch is over, and it knows
	frozen.signal(syscall.SIGKILL)
	frozen.requireKilled()

	heir.settle(c.t.Context(), c)
	c.awaitIdle()
	events := c.events()
	c.checkEvents(events)
	c.checkRuns(events)
	heir.stop()
}

// insertRoles commits roles in one transaction.
func (c *crash) insertRoles(prefix string, n int) {
	c.t.Helper()
	changes := make([]crashChange, n)
	ids, marks := make([]string, n), make([]string, n)
	for i := range n {
		ids[i], marks[i] = fmt.Sprintf("%s%d", prefix, i), c.truth.mark()
		changes[i] = crashChange{"insert", ids[i], marks[i]}
	}
	c.exec(`insert into auth.roles (tenant_id, id, name, description) select $1, id, id, mark from unnest($2::text[], $3::text[]) as r (id, mark)`, crashTenant, ids, marks)
	c.truth.committed(changes...)
}

// setPermissions gives a role all permissions in one transaction, or takes them.
func (c *crash) setPermissions(role string, give bool) {
	c.t.Helper()
	op := "remove"
	if give {
		op = "assign"
		c.exec(`insert into auth.role_permissions (tenant_id, role_id, resource_server_identifier, permission_name)
			select tenant_id, $1, resource_server_identifier, permission_name from auth.permissions`, role)
	} else {
		c.exec(`delete from auth.role_permissions where role_id = $1`, role)
	}
	c.truth.committedSet(role, op, permissionNames(c.all))
}
