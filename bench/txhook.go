package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

func txHookMetric() metric {
	return metric{
		name:    "tx_hook",
		figures: []string{"tx_hook_events_per_s", "tx_hook_vs_loop", "tx_hook_vs_connections"},
		about: fmt.Sprintf("one hook that inserts a row through its hooks.Tx, over a tenth of the backlog. The loop: one connection, begin, the same insert, commit. "+
			"tx_hook_vs_connections: the same loop on %d connections at once, as many as the hooks have.", hookConnections),
		run: measureTxHook,
	}
}

const (
	loopTime     = 3 * time.Second
	insertEffect = `insert into bench.effects (role_id) values ($1)`
)

func measureTxHook(ctx context.Context, b *bench) ([]figure, error) {
	var ours, loop, many []float64
	for i := range b.runs {
		one, err := b.txHookRun(ctx)
		if err != nil {
			return nil, err
		}
		alone, err := b.loops(ctx, 1)
		if err != nil {
			return nil, err
		}
		together, err := b.loops(ctx, hookConnections)
		if err != nil {
			return nil, err
		}
		ours, loop, many = append(ours, one), append(loop, alone), append(many, together)
		b.say("tx_hook %d/%d: Latchkey %.0f events/s, one loop %.0f/s, %d loops %.0f/s", i+1, b.runs, one, alone, hookConnections, together)
	}
	if err := b.dropSlot(ctx, "bench_base"); err != nil {
		return nil, err
	}
	return []figure{
		{Name: "tx_hook_events_per_s", Value: median(ours)},
		{Name: "tx_hook_vs_loop", Value: median(ratios(ours, loop)), Beside: fmt.Sprintf("one loop: %.0f transactions/s", median(loop))},
		{Name: "tx_hook_vs_connections", Value: median(ratios(ours, many)), Beside: fmt.Sprintf("%d loops: %.0f transactions/s", hookConnections, median(many))},
	}, nil
}

func (b *bench) txHookRun(ctx context.Context) (float64, error) {
	l, err := b.writeBacklog(ctx, b.events/10)
	if err != nil {
		return 0, err
	}
	reg, c := db.NewHooks(), newCounter(l.all())
	reg.Roles.AfterCreate("effect", func(ctx context.Context, tx hooks.Tx, _ hooks.Event, row db.Role) error {
		_, err := tx.Exec(ctx, insertEffect, row.ID)
		c.one()
		return err
	})
	d, err := b.deliver(ctx, l, reg, c)
	if err != nil {
		return 0, err
	}
	var effects int
	if err := b.pool.QueryRow(ctx, `select count(*) from bench.effects`).Scan(&effects); err != nil {
		return 0, fmt.Errorf("count the effects: %w", err)
	}
	if effects != l.all() {
		return 0, fmt.Errorf("%d events had %d effects", l.all(), effects)
	}
	return rate(l.all(), d.took), nil
}

// loops is how many transactions a second n connections make that do what the hook does.
func (b *bench) loops(ctx context.Context, n int) (float64, error) {
	pool, err := openPool(ctx, b.url, n)
	if err != nil {
		return 0, err
	}
	defer pool.Close()
	var count atomic.Int64
	began := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	for range n {
		g.Go(func() error {
			for time.Since(began) < loopTime {
				if err := effect(ctx, pool); err != nil {
					return err
				}
				count.Add(1)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return 0, fmt.Errorf("loop: %w", err)
	}
	return rate(int(count.Load()), time.Since(began)), nil
}

func effect(ctx context.Context, pool *pgxpool.Pool) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, insertEffect, "rol_loop")
		return err
	})
}

// openPool opens n connections before anything is measured.
func openPool(ctx context.Context, url string, n int) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	config.MaxConns = int32(n)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	var held []*pgxpool.Conn
	for range n {
		conn, err := pool.Acquire(ctx)
		if err != nil {
			pool.Close()
			return nil, fmt.Errorf("connect: %w", err)
		}
		held = append(held, conn)
	}
	for _, conn := range held {
		conn.Release()
	}
	return pool, nil
}
