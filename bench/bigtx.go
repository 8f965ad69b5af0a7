package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

func bigTxMetric() metric {
	return metric{
		name:    "big_tx",
		figures: []string{"big_tx_rss_mb", "big_tx_seconds"},
		about: fmt.Sprintf("one transaction of many rows, written while a listener in a process of its own follows, with two hooks: the peak of its resident memory until everything is settled, less what it had "+
			"when its stream began. At most %d runs: one takes most of a minute, and a peak hardly varies. big_tx_seconds: from the transaction's commit until all is settled.", bigTxRuns),
		run: measureBigTx,
	}
}

const bigTxRuns = 3

func measureBigTx(ctx context.Context, b *bench) ([]figure, error) {
	runs := min(b.runs, bigTxRuns)
	var grown, seconds []float64
	for i := range runs {
		mb, took, err := b.bigTxRun(ctx)
		if err != nil {
			return nil, err
		}
		grown, seconds = append(grown, mb), append(seconds, took.Seconds())
		b.say("big_tx %d/%d: %d rows, memory grew by %.1f MB, settled %.1f s after the commit", i+1, runs, b.rows, mb, took.Seconds())
	}
	if err := b.dropSlot(ctx, "bench_base"); err != nil {
		return nil, err
	}
	return []figure{
		{Name: "big_tx_rss_mb", Value: median(grown), Target: &target{Below: true, Value: 64}, Beside: fmt.Sprintf("%d rows, %d runs", b.rows, runs)},
		{Name: "big_tx_seconds", Value: median(seconds)},
	}, nil
}

func (b *bench) bigTxRun(ctx context.Context) (grownMB float64, took time.Duration, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, runLimit, errSlow)
	defer cancel()
	if err := b.empty(ctx); err != nil {
		return 0, 0, err
	}
	if err := b.createSlot(ctx, "bench_base"); err != nil {
		return 0, 0, err
	}
	if err := b.resetEngine(ctx, "bench_base"); err != nil {
		return 0, 0, err
	}
	c, err := b.startChild(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	before, err := c.memory("VmRSS")
	if err != nil {
		return 0, 0, err
	}
	if err := b.exec(ctx, `insert into auth.roles (tenant_id, id, name, description, metadata)
		select 't' || i % $2, 'rol_big_' || i, 'Role ' || i, $3, $4::jsonb from generate_series(1, $1::int) i`, b.rows, tenants, description, metadata); err != nil {
		return 0, 0, err
	}
	committed := time.Now()
	if err := b.settled(ctx, int64(b.rows), 50*time.Millisecond); err != nil {
		return 0, 0, err
	}
	took = time.Since(committed)
	peak, err := c.memory("VmHWM")
	return float64(peak-before) / (1 << 20), took, err
}
