package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/latchkey-dev/latchkey/db"
)

func riverMetric() metric {
	return metric{
		name:    "river",
		figures: []string{"backlog_vs_river", "river_events_per_s", "river_wal_bytes_per_delivery", "river_backlog_events_per_s"},
		about: fmt.Sprintf("the backlog of the metric backlog, a quarter as long, by the same two hooks an event. Latchkey: as there. River: what one would build with it. A reader of a copy of the same slot stores two jobs an event, each with the row, "+
			"by InsertManyFastTx (COPY) with the position in one transaction, as many at once as have arrived, at most %d events; then it acknowledges. A client in the same process works them with %d workers on %d connections, fetching again at once "+
			"(its least cooldown), and all of its maintenance as it is by default. From the start of the stream until every job is completed in river_job. It has no order by entity and no transaction between hook and record, which Latchkey has. "+
			"At most %d runs.", riverBatch, riverWorkers, riverConnections, riverRuns),
		run: measureRiver,
	}
}

const (
	riverRuns        = 3
	riverShare       = 4 // of the backlog: it is slow
	riverBatch       = 1000
	riverWorkers     = 100
	riverConnections = 16
	riverSlot        = "bench_river"
)

func measureRiver(ctx context.Context, b *bench) ([]figure, error) {
	if err := b.migrateRiver(ctx); err != nil {
		return nil, err
	}
	runs := min(b.runs, riverRuns)
	var ours, theirs, wal []float64
	for i := range runs {
		l, err := b.writeBacklog(ctx, b.events/riverShare)
		if err != nil {
			return nil, err
		}
		reg, c := db.NewHooks(), newCounter(backlogHooks*l.all())
		counting(reg, c)
		d, err := b.deliver(ctx, l, reg, c)
		if err != nil {
			return nil, err
		}
		took, bytes, err := b.riverRun(ctx, l)
		if err != nil {
			return nil, err
		}
		ours, theirs = append(ours, rate(l.all(), d.took)), append(theirs, rate(l.all(), took))
		wal = append(wal, bytes/float64(backlogHooks*l.all()))
		b.say("river %d/%d: Latchkey %.0f events/s, River %.0f, ratio %.1f, River's WAL %.0f bytes a delivery", i+1, runs, ours[i], theirs[i], ours[i]/theirs[i], wal[i])
	}
	for _, slot := range []string{"bench_base", riverSlot} {
		if err := b.dropSlot(ctx, slot); err != nil {
			return nil, err
		}
	}
	return []figure{
		{
			Name: "backlog_vs_river", Value: median(ratios(ours, theirs)), Target: &target{AtLeast: true, Value: 10},
			Beside: fmt.Sprintf("%.0f events/s beside River's %.0f, %d runs", median(ours), median(theirs), runs),
		},
		{Name: "river_events_per_s", Value: median(theirs)},
		{Name: "river_wal_bytes_per_delivery", Value: median(wal)},
		{Name: "river_backlog_events_per_s", Value: median(ours), Beside: "Latchkey, of the same backlog"},
	}, nil
}

func (b *bench) migrateRiver(ctx context.Context) error {
	m, err := rivermigrate.New(riverpgxv5.New(b.pool), &rivermigrate.Config{Logger: b.log})
	if err == nil {
		_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	}
	if err == nil {
		_, err = b.pool.Exec(ctx, `create table bench.river_position (lsn pg_lsn not null)`)
	}
	if err != nil {
		return fmt.Errorf("prepare river: %w", err)
	}
	return nil
}

// riverJob is one hook for one event.
type riverJob struct {
	Hook string            `json:"hook"`
	Row  map[string]string `json:"row"`
}

// Kind implements [river.JobArgs].
func (riverJob) Kind() string { return "hook" }

// riverRun lets River deliver a backlog.
func (b *bench) riverRun(ctx context.Context, l backlog) (took time.Duration, wal float64, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, runLimit, errSlow)
	defer cancel()
	for _, sql := range []string{`truncate river_job, bench.river_position`, `insert into bench.river_position values ('0/0')`} {
		if err := b.exec(ctx, sql); err != nil {
			return 0, 0, err
		}
	}
	if err := b.copySlot(ctx, l.slot, riverSlot); err != nil {
		return 0, 0, err
	}
	c := newCounter(backlogHooks * l.all())
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(context.Context, *river.Job[riverJob]) error {
		c.one()
		return nil
	}))
	pool, err := openPool(ctx, b.url, riverConnections)
	if err != nil {
		return 0, 0, err
	}
	defer pool.Close()
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: riverWorkers}}, Workers: workers, FetchCooldown: river.FetchCooldownMin, Logger: b.log,
	})
	if err != nil {
		return 0, 0, fmt.Errorf("river: %w", err)
	}
	if err := client.Start(ctx); err != nil {
		return 0, 0, fmt.Errorf("river: %w", err)
	}
	defer func() { err = errors.Join(err, client.Stop(context.WithoutCancel(ctx))) }()
	if err := b.exec(ctx, `checkpoint`); err != nil {
		return 0, 0, err
	}
	before, err := b.walPosition(ctx)
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err := b.riverIngest(ctx, l, pool, client); err != nil {
		return 0, 0, err
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		return 0, 0, fmt.Errorf("river: %d jobs to go: %w", c.left.Load(), context.Cause(ctx))
	}
	for open := true; open; time.Sleep(5 * time.Millisecond) { // the completer gathers what it writes
		if err := b.pool.QueryRow(ctx, `select exists (select from river_job where state in ('available', 'running'))`).Scan(&open); err != nil {
			return 0, 0, fmt.Errorf("river: read the jobs: %w", err)
		}
	}
	took = time.Since(began)
	after, err := b.walPosition(ctx)
	if err != nil {
		return 0, 0, err
	}
	var done int
	if err := b.pool.QueryRow(ctx, `select count(*) from river_job where state = 'completed'`).Scan(&done); err != nil {
		return 0, 0, fmt.Errorf("river: read the jobs: %w", err)
	}
	if done != backlogHooks*l.all() {
		return 0, 0, fmt.Errorf("river completed %d jobs of %d", done, backlogHooks*l.all())
	}
	return took, float64(after - before), nil
}

// riverIngest makes jobs of the stream until all of the backlog is stored.
func (b *bench) riverIngest(ctx context.Context, l backlog, pool *pgxpool.Pool, client *river.Client[pgx.Tx]) error {
	s, err := b.openRows(ctx, riverSlot)
	if err != nil {
		return err
	}
	defer s.close(ctx)
	for stored := 0; stored < l.all(); {
		rows, lsn, err := s.take(ctx, riverBatch)
		if err != nil {
			return err
		}
		if err := storeJobs(ctx, pool, client, rows, lsn); err != nil {
			return fmt.Errorf("river: store jobs: %w", err)
		}
		s.acknowledge(lsn)
		stored += len(rows)
	}
	return nil
}

func storeJobs(ctx context.Context, pool *pgxpool.Pool, client *river.Client[pgx.Tx], rows []map[string]string, lsn pglogrepl.LSN) error {
	jobs := make([]river.InsertManyParams, 0, backlogHooks*len(rows))
	for _, row := range rows {
		for _, hook := range []string{"first", "second"} {
			jobs = append(jobs, river.InsertManyParams{Args: riverJob{Hook: hook, Row: row}})
		}
	}
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := client.InsertManyFastTx(ctx, tx, jobs); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `update bench.river_position set lsn = $1`, lsn)
		return err
	})
}
