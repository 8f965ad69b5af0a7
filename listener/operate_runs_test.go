package listener_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/listener"
)

// A paused hook gets nothing, others go on; resumed, it gets all it missed, in order, and joins the others.
func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	r := newOperateRig(t)
	both, _ := hooked("a", "b")
	n := r.start(both, attentive())
	r.roles("1")
	n.catchUp()
	if err := r.op.Pause(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	n.awaitLog("a hook is paused")
	r.roles("2", "3")
	n.catchUp() // doesn't wait for what is paused
	r.requireEffects("a", "1", "2", "3")
	r.requireEffects("b", "1")
	n.stop()
	n = r.start(both, attentive()) // it stays paused
	r.roles("4")
	n.catchUp()
	r.requireEffects("b", "1")
	if err := r.op.Resume(t.Context(), "auth.roles/b", false); err != nil {
		t.Fatal(err)
	}
	r.eventually("b has had all", `select count(*) = 4 from effect where hook = 'b'`)
	r.roles("5")
	n.catchUp()
	r.requireEffects("a", "1", "2", "3", "4", "5")
	r.requireEffects("b", "1", "2", "3", "4", "5")
}

// What waits in a lane when its hook is paused is given back, and comes again once.
func TestPauseGivesBack(t *testing.T) {
	t.Parallel()
	r := newOperateRig(t)
	g := newGate(t)
	r.afterRoles("h", func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error {
		if ev.Key == "1" {
			if err := g.passOr(ctx); err != nil {
				return err
			}
		}
		return leave(ctx, tx, "h", ev)
	})
	n := r.start(attentive(), with(func(c *listener.Config) { c.Lanes = 1 }))
	r.roles("1", "2", "3")
	g.awaitArrival()
	if err := r.op.Pause(t.Context(), "h"); err != nil {
		t.Fatal(err)
	}
	n.awaitLog("a hook is paused")
	g.release()
	r.eventually("what ran has ended", `select count(*) = 1 from effect`)
	n.catchUp()
	r.requireEffects("h", "1")
	if err := r.op.Resume(t.Context(), "h", false); err != nil {
		t.Fatal(err)
	}
	r.eventually("the rest has come", `select count(*) = 3 from effect`)
	n.catchUp()
	r.requireEffects("h", "1", "2", "3")
}

// A replay gives a stretch of the log to a hook once more, and to no other; a crash in the middle repeats no effect.
func TestReplay(t *testing.T) {
	t.Parallel()
	r := newOperateRig(t)
	both, _ := hooked("a", "b")
	n := r.start(both, attentive())
	r.roles("1", "2", "3", "4", "5")
	n.catchUp()
	run := must[listener.HookRun](t)(r.op.Replay(t.Context(), listener.ReplayRequest{Hook: "b", From: listener.Point{Seq: 2}, To: listener.Point{Seq: 4}}))
	if run.Run != 1 || run.Kind != "replay" || run.Total() != 3 {
		t.Fatalf("the run is %+v", run)
	}
	if run = r.awaitRun(run); run.Done() != 3 || run.Failed != 0 || run.Finished == nil {
		t.Fatalf("the run ended as %+v", run)
	}
	r.requireEffects("a", "1", "2", "3", "4", "5")
	r.requireEffects("b", "1", "2", "3", "4", "5", "2", "3", "4")
	for _, ran := range r.seen.all() {
		if want := int64(0); ran.Event.Run != want && (ran.Hook.Name != "b" || ran.Event.Run != 1) {
			t.Errorf("hook %s has had event %d of run %d", ran.Hook.Name, ran.Event.Seq, ran.Event.Run)
		}
	}
	n.kill()
	run = must[listener.HookRun](t)(r.op.Replay(t.Context(), listener.ReplayRequest{Hook: "b"})) // all of it, while nobody owns
	n = r.start(both, attentive())
	r.awaitRun(run)
	n.catchUp()
	r.requireEffects("b", "1", "2", "3", "4", "5", "2", "3", "4", "1", "2", "3", "4", "5")
	if got := len(must[[]listener.HookRun](t)(r.op.Runs(t.Context()))); got != 2 {
		t.Errorf("%d runs are listed, want 2", got)
	}
}

// A replay from and to a time begins and ends with what was committed then.
func TestReplayByTime(t *testing.T) {
	t.Parallel()
	r := newOperateRig(t)
	one, _ := hooked("a")
	n := r.start(one, attentive())
	r.roles("1")
	n.catchUp()
	from := value[time.Time](r.rig, `select clock_timestamp()`)
	r.roles("2", "3")
	n.catchUp()
	to := value[time.Time](r.rig, `select clock_timestamp()`)
	r.roles("4")
	n.catchUp()
	run := must[listener.HookRun](t)(r.op.Replay(t.Context(), listener.ReplayRequest{Hook: "a", From: listener.Point{Time: from}, To: listener.Point{Time: to}}))
	if r.awaitRun(run); run.From != 2 || run.To != 3 {
		t.Fatalf("the replay goes from %d to %d, want 2 to 3", run.From, run.To)
	}
	r.requireEffects("a", "1", "2", "3", "4", "2", "3")
	for name, test := range map[string]struct {
		req  listener.ReplayRequest
		want string
	}{
		"later than all":     {listener.ReplayRequest{From: listener.Point{Time: to.Add(time.Hour)}}, "no event was committed at or after"},
		"earlier than all":   {listener.ReplayRequest{To: listener.Point{Time: from.Add(-time.Hour)}}, "at or before"},
		"not stored yet":     {listener.ReplayRequest{To: listener.Point{Seq: 99}}, "event 99 is not stored yet: the last one is 4"},
		"the wrong way":      {listener.ReplayRequest{From: listener.Point{Seq: 3}, To: listener.Point{Seq: 2}}, "nothing between events 3 and 2"},
		"a hook that isn't":  {listener.ReplayRequest{Hook: "b"}, "there is no hook"},
		"a group that isn't": {listener.ReplayRequest{Hook: "other"}, "has no hooks"},
	} {
		op := r.op
		if test.req.Hook == "other" {
			op = listener.NewOperator(r.pool, "other")
		} else if test.req.Hook == "" {
			test.req.Hook = "a"
		}
		if _, err := op.Replay(t.Context(), test.req); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want an error that says %q", name, err, test.want)
		}
	}
}

// Failures of a replay are its own, and nobody waits for a long one.
func TestReplayBesideTheLive(t *testing.T) {
	t.Parallel()
	r := newOperateRig(t)
	g := newGate(t)
	r.afterRoles("h", func(ctx context.Context, tx hooks.Tx, ev hooks.Event) error {
		if ev.Run > 0 && ev.Key == "1" {
			if err := g.passOr(ctx); err != nil {
				return err
			}
			return errors.New("not in a replay")
		}
		return leave(ctx, tx, "h", ev)
	})
	n := r.start(attentive())
	r.roles("1", "2")
	n.catchUp()
	run := must[listener.HookRun](t)(r.op.Replay(t.Context(), listener.ReplayRequest{Hook: "h"}))
	g.awaitArrival()
	r.roles("3")
	n.catchUp()
	r.eventually("what is live goes on", `select exists (select from effect where key = '3')`)
	g.release()
	if run = r.awaitRun(run); run.Failed != 1 {
		t.Fatalf("the run ended as %+v, want one failure", run)
	}
	r.eventually("the delivery is dead", `select status = 'dead' from latchkey.deliveries`)
	if d, _, err := r.op.Delivery(t.Context(), "h", 1, 1); err != nil || d.Run != 1 || d.Status != "dead" {
		t.Fatalf("the run's delivery is %+v, %v", d, err)
	}
}

// A backfill gives the rows that a table has to one hook as inserts, each once, also over an interruption and a crash.
func TestBackfill(t *testing.T) {
	t.Parallel()
	r := newOperateRig(t)
	const count = 1200 // more than two chunks
	r.exec(`insert into auth.roles (tenant_id, id, name, metadata) select 't', 'r' || i, 'R' || i, '{"a": [1, null]}' from generate_series(1, $1) i`, count)
	old, _ := hooked("old")
	n := r.start(old, attentive())
	n.stop()
	both, reg := hooked("old", "new")
	var origins witnessOrigins
	reg.Roles.AfterCreate("origin", origins.see)
	n = r.start(both, attentive())

	ctx, cancel := context.WithCancel(t.Context())
	_, err := r.op.Backfill(ctx, "new", func(int64, int64) { cancel() }) // interrupted after the first chunk
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("the interrupted backfill ended with %v", err)
	}
	n.kill()
	n = r.start(both, attentive())
	var reports []string
	run := must[listener.HookRun](t)(r.op.Backfill(t.Context(), "new", func(read, of int64) { reports = append(reports, fmt.Sprintf("%d/%d", read, of)) }))
	if got := strings.Join(reports, " "); got != "1000/1200 1200/1200" {
		t.Errorf("progress was %s", got)
	}
	if run = r.awaitRun(run); run.Run != 1 || run.Kind != "backfill" || run.Done() != count || run.Total() != count {
		t.Fatalf("the run ended as %+v", run)
	}
	if got := value[string](r.rig, `select format('%s %s', count(*), count(distinct key)) from effect where hook = 'new'`); got != "1200 1200" {
		t.Fatalf("%s effects and keys, want 1200 of each", got)
	}
	r.requireEffects("old")
	r.exec(`insert into auth.roles (tenant_id, id, name) values ('t', 'live', 'live')`)
	n.catchUp()
	r.requireEffects("old", "live")

	must[listener.HookRun](t)(r.op.Backfill(t.Context(), "origin", nil))
	r.eventually("all have come", `select status = 'done' from latchkey.subscriptions where hook = 'origin' and run = 1`)
	if got := origins.String(); got != "app 0, backfill 1201, external 1" {
		t.Errorf("the origins are %s", got)
	}
	if _, err := r.op.Backfill(t.Context(), "nothing", nil); err == nil {
		t.Error("a hook that there isn't was backfilled")
	}
}

// Where a table has no rows, its backfill is done at once; a hook that takes no inserts is refused.
func TestBackfillOfNothing(t *testing.T) {
	t.Parallel()
	r := newOperateRig(t)
	one, reg := hooked("a")
	reg.UserRoles.AfterDelete("gone", func(context.Context, hooks.Tx, hooks.Event, userRole) error { return nil })
	r.start(one, attentive())
	if run := r.awaitRun(must[listener.HookRun](t)(r.op.Backfill(t.Context(), "a", nil))); run.Total() != 0 {
		t.Errorf("the run is %+v", run)
	}
	if _, err := r.op.Backfill(t.Context(), "gone", nil); err == nil || !strings.Contains(err.Error(), "AfterCreate") {
		t.Errorf("a hook that takes no inserts: %v", err)
	}
}
