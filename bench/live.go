package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

func liveMetric() metric {
	return metric{
		name:    "live",
		figures: []string{"live_p50_vs_commit", "live_p99_vs_commit", "live_p50_ms", "live_p99_ms", "commit_p50_ms", "commit_p99_ms"},
		about: fmt.Sprintf("%d one-row transactions a second by %d writers. Hook: from the moment that a writer sends COMMIT of its insert into the hooked table to the call of the second of "+
			"two hooks for it. Commit: from sending COMMIT to its answer, at the same rate, on the bare table (no trigger, default identity, not published) without a listener. "+
			"The first tenth of each run is left out.", liveRate, loadWriters),
		run: measureLive,
	}
}

const liveRate = 2000 // transactions a second

func measureLive(ctx context.Context, b *bench) ([]figure, error) {
	var hook50, hook99, commit50, commit99, hookRate, commitRate []float64
	for i := range b.runs {
		commits, reached, err := b.bareLoad(ctx)
		if err != nil {
			return nil, err
		}
		commit50, commit99, commitRate = append(commit50, quantile(commits, 0.5)), append(commit99, quantile(commits, 0.99)), append(commitRate, reached)
		calls, reached, err := b.hookedLoad(ctx)
		if err != nil {
			return nil, err
		}
		hook50, hook99, hookRate = append(hook50, quantile(calls, 0.5)), append(hook99, quantile(calls, 0.99)), append(hookRate, reached)
		b.say("live %d/%d: hook p50 %.2f p99 %.2f ms at %.0f/s, bare commit p50 %.2f p99 %.2f ms at %.0f/s",
			i+1, b.runs, hook50[i], hook99[i], hookRate[i], commit50[i], commit99[i], commitRate[i])
	}
	if err := b.dropSlot(ctx, "bench_base"); err != nil {
		return nil, err
	}
	beside := func(hook, commit []float64) string {
		text := fmt.Sprintf("hook after %.2f ms at %.0f/s beside commits of %.2f ms at %.0f/s", median(hook), median(hookRate), median(commit), median(commitRate))
		if slices.Min(append(hookRate, commitRate...)) < 0.95*liveRate {
			text += "; the machine did not hold the rate in every run"
		}
		return text
	}
	return []figure{
		{Name: "live_p50_vs_commit", Value: median(ratios(hook50, commit50)), Target: &target{Value: 3}, Beside: beside(hook50, commit50)},
		{Name: "live_p99_vs_commit", Value: median(ratios(hook99, commit99)), Target: &target{Value: 5}, Beside: beside(hook99, commit99)},
		{Name: "live_p50_ms", Value: median(hook50)},
		{Name: "live_p99_ms", Value: median(hook99)},
		{Name: "commit_p50_ms", Value: median(commit50)},
		{Name: "commit_p99_ms", Value: median(commit99)},
	}, nil
}

func (b *bench) liveCount() int { return int(liveRate * b.live.Seconds()) }

func (b *bench) bareLoad(ctx context.Context) (times []float64, reached float64, err error) {
	if err := b.empty(ctx); err != nil {
		return nil, 0, err
	}
	l := newLoad("bench.bare_roles", b.liveCount())
	if reached, err = l.run(ctx, b.url, liveRate); err != nil {
		return nil, 0, err
	}
	times, err = l.times(l.committed)
	return times, reached, err
}

func (b *bench) hookedLoad(ctx context.Context) (times []float64, reached float64, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, runLimit, errSlow)
	defer cancel()
	if err := b.empty(ctx); err != nil {
		return nil, 0, err
	}
	if err := b.createSlot(ctx, "bench_base"); err != nil {
		return nil, 0, err
	}
	l, reg := newLoad("auth.roles", b.liveCount()), db.NewHooks()
	c := newCounter(b.liveCount())
	reg.Roles.AfterCreate("first", func(context.Context, hooks.Tx, hooks.Event, db.Role) error { return nil })
	reg.Roles.AfterCreate("second", func(_ context.Context, _ hooks.Tx, _ hooks.Event, row db.Role) error {
		l.see(row.ID)
		c.one()
		return nil
	})
	e, err := b.prepareEngine(ctx, "bench_base", reg)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, e.stop()) }()
	e.start(ctx)
	if _, err := e.owned(ctx); err != nil {
		return nil, 0, err
	}
	if reached, err = l.run(ctx, b.url, liveRate); err != nil {
		return nil, 0, err
	}
	if err := e.wait(ctx, c.done); err != nil {
		return nil, 0, err
	}
	times, err = l.times(l.seen)
	return times, reached, err
}
