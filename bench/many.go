package main

import (
	"context"
	"fmt"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

func manyHooksMetric() metric {
	return metric{
		name:    "hooks",
		figures: []string{"hooks_100_vs_1", "hooks_1_us_per_event", "hooks_100_us_per_event", "hooks_1_cpu_us_per_event", "hooks_100_cpu_us_per_event"},
		about: fmt.Sprintf("what an event costs with one hook, and with %d: that one, as many others on the same table with a filter that doesn't match as make half of them, and the rest on other tables, which nothing happens to. "+
			"Time: from the start of the stream until the cursor of the hook that both have has reached the last event (those of hooks that nothing concerns are stored once a second), over half of the backlog, each side with one of its own; they take turns at being first.", manyHooks),
		run: measureManyHooks,
	}
}

const (
	manyHooks  = 100
	idlePrefix = "idle_"
)

func measureManyHooks(ctx context.Context, b *bench) ([]figure, error) {
	var one, many, oneCPU, manyCPU []float64
	for i := range b.runs {
		for turn := range 2 {
			with := 1
			if (i+turn)%2 == 1 {
				with = manyHooks
			}
			us, cpu, err := b.hooksRun(ctx, with)
			if err != nil {
				return nil, err
			}
			if with == 1 {
				one, oneCPU = append(one, us), append(oneCPU, cpu)
			} else {
				many, manyCPU = append(many, us), append(manyCPU, cpu)
			}
		}
		b.say("hooks %d/%d: %.2f us an event with 1 hook, %.2f with %d, ratio %.3f", i+1, b.runs, one[i], many[i], manyHooks, many[i]/one[i])
	}
	if err := b.dropSlot(ctx, "bench_base"); err != nil {
		return nil, err
	}
	return []figure{
		{
			Name: "hooks_100_vs_1", Value: median(ratios(many, one)), Target: &target{Value: 1.3},
			Beside: fmt.Sprintf("%.2f us an event beside %.2f with one hook", median(many), median(one)),
		},
		{Name: "hooks_1_us_per_event", Value: median(one)},
		{Name: "hooks_100_us_per_event", Value: median(many)},
		{Name: "hooks_1_cpu_us_per_event", Value: median(oneCPU), Beside: "Latchkey's process"},
		{Name: "hooks_100_cpu_us_per_event", Value: median(manyCPU), Beside: "Latchkey's process"},
	}, nil
}

func (b *bench) hooksRun(ctx context.Context, hookCount int) (us, cpu float64, err error) {
	l, err := b.writeBacklog(ctx, b.events/2)
	if err != nil {
		return 0, 0, err
	}
	reg, c := db.NewHooks(), newCounter(l.all())
	reg.Roles.AfterCreate("counts", func(context.Context, hooks.Tx, hooks.Event, db.Role) error {
		c.one()
		return nil
	})
	idle(reg, hookCount)
	d, err := b.deliver(ctx, l, reg, c)
	if err != nil {
		return 0, 0, err
	}
	perEvent := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 / float64(l.all()) }
	return perEvent(d.took), perEvent(d.cpu), nil
}

// idle registers hooks beside the one that counts, until there are so many: half of all on its table, where they don't
// want what happens, the others where nothing happens.
func idle(reg *db.Hooks, all int) {
	never := hooks.Filter(func(ev *hooks.Event) bool { return ev.TenantID == "nobody" })
	for i := 1; i < all; i++ {
		name := fmt.Sprint(idlePrefix, i)
		switch {
		case i < all/2:
			reg.Roles.AfterCreate(name, func(context.Context, hooks.Tx, hooks.Event, db.Role) error { return nil }, never)
		case i%2 == 0:
			reg.Users.AfterCreate(name, func(context.Context, hooks.Tx, hooks.Event, db.User) error { return nil })
		default:
			reg.Connections.AfterCreate(name, func(context.Context, hooks.Tx, hooks.Event, db.Connection) error { return nil })
		}
	}
}
