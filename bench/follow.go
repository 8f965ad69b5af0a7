package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

func followMetric() metric {
	return metric{
		name:    "writers",
		figures: []string{"writers_vs_alone", "writers_per_s", "writers_alone_per_s", "writers_settled_s"},
		about: fmt.Sprintf("%d clients that call store.Roles.Create as fast as they can for %v, with a listener in this process that follows with two hooks that count, against without one; they take turns. "+
			"writers_settled_s: from the last write until its deliveries are settled, which says how far the listener fell behind.", writeClients, writeTime),
		run: measureFollow,
	}
}

func measureFollow(ctx context.Context, b *bench) ([]figure, error) {
	var followed, alone, behind []float64
	for i := range b.runs {
		one, err := b.writersAlone(ctx)
		if err != nil {
			return nil, err
		}
		other, settled, err := b.writersFollowed(ctx)
		if err != nil {
			return nil, err
		}
		alone, followed, behind = append(alone, one), append(followed, other), append(behind, settled.Seconds())
		b.say("writers %d/%d: %.0f creates/s with the listener, settled %.2f s later, %.0f without, ratio %.3f", i+1, b.runs, other, behind[i], one, other/one)
	}
	if err := b.dropSlot(ctx, "bench_base"); err != nil {
		return nil, err
	}
	return []figure{
		{
			Name: "writers_vs_alone", Value: median(ratios(followed, alone)), Target: &target{AtLeast: true, Value: 0.5},
			Beside: fmt.Sprintf("%.0f creates/s beside %.0f without a listener", median(followed), median(alone)),
		},
		{Name: "writers_per_s", Value: median(followed)},
		{Name: "writers_alone_per_s", Value: median(alone)},
		{Name: "writers_settled_s", Value: median(behind)},
	}, nil
}

// writersAlone is how many roles a second are created where nobody follows; the engine's slot is there, and not read.
func (b *bench) writersAlone(ctx context.Context) (float64, error) {
	if err := b.empty(ctx); err != nil {
		return 0, err
	}
	perSecond, _, err := b.creates(ctx)
	return perSecond, err
}

func (b *bench) writersFollowed(ctx context.Context) (perSecond float64, behind time.Duration, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, runLimit, errSlow)
	defer cancel()
	if err := b.empty(ctx); err != nil {
		return 0, 0, err
	}
	if err := b.createSlot(ctx, "bench_base"); err != nil {
		return 0, 0, err
	}
	reg := db.NewHooks()
	counting(reg, newCounter(0))
	e, err := b.prepareEngine(ctx, "bench_base", reg)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, e.stop()) }()
	e.start(ctx)
	if _, err := e.owned(ctx); err != nil {
		return 0, 0, err
	}
	perSecond, n, err := b.creates(ctx)
	if err != nil {
		return 0, 0, err
	}
	ended := time.Now()
	if err := b.settled(ctx, int64(n), time.Millisecond); err != nil {
		return 0, 0, err
	}
	return perSecond, time.Since(ended), nil
}

// creates has writeClients create roles through the store.
func (b *bench) creates(ctx context.Context) (perSecond float64, n int, err error) {
	store, err := db.Open(ctx, db.Config{DatabaseURL: b.url + "&pool_max_conns=" + strconv.Itoa(writeClients)})
	if err != nil {
		return 0, 0, err
	}
	defer store.Close()
	return clients(db.WithStamp(ctx, hooks.Stamp{Actor: "bench"}), func(ctx context.Context, tenant, id string) error {
		_, err := store.Roles.Create(ctx, tenant, db.CreateRole{ID: id, Name: "Role " + id, Description: description, Metadata: json.RawMessage(metadata)})
		return err
	})
}
