package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"
)

// load writes one-row transactions at a steady rate and notes when each was committed and seen.
type load struct {
	table   string
	tenants int
	moments
}

// moments are by the number of the transaction, nanoseconds since the load's beginning; 0 is never.
type moments struct {
	zero                  time.Time
	sent, committed, seen []atomic.Int64
}

// loadWriters is enough for the rate while a transaction takes under 8 ms.
const loadWriters = 16

const loadPrefix = "rol_live_"

func newLoad(table string, n int) *load {
	return &load{table: table, tenants: tenants, moments: moments{zero: time.Now(), sent: make([]atomic.Int64, n), committed: make([]atomic.Int64, n), seen: make([]atomic.Int64, n)}}
}

func (m *moments) note(at []atomic.Int64, i int) { at[i].Store(int64(time.Since(m.zero))) }

// see notes that the hook of a row is called.
func (l *load) see(id string) {
	i, err := strconv.Atoi(strings.TrimPrefix(id, loadPrefix))
	if err == nil && i >= 0 && i < len(l.seen) {
		l.note(l.seen, i)
	}
}

// run writes all, and says how many a second it came to.
func (l *load) run(ctx context.Context, url string, perSecond int) (float64, error) {
	pool, err := openPool(ctx, url, loadWriters)
	if err != nil {
		return 0, err
	}
	defer pool.Close()
	work := make(chan int, len(l.sent)) // a late writer delays nobody's turn
	g, ctx := errgroup.WithContext(ctx)
	for range loadWriters {
		g.Go(func() error {
			for i := range work {
				if err := l.write(ctx, pool, i); err != nil {
					return fmt.Errorf("write: %w", err)
				}
			}
			return nil
		})
	}
	began := time.Now()
	for i := range l.sent {
		time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(perSecond))))
		if ctx.Err() != nil {
			break
		}
		work <- i
	}
	close(work)
	if err := g.Wait(); err != nil {
		return 0, err
	}
	return rate(len(l.sent), time.Since(began)), nil
}

// write sends begin and insert, then commit on its own, because that is what is timed.
func (l *load) write(ctx context.Context, pool *pgxpool.Pool, i int) error {
	return pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		q := &pgx.Batch{}
		q.Queue(`begin`)
		q.Queue(`insert into `+l.table+` (tenant_id, id, name, description, metadata) values ($1, $2, $3, 'May read and write some things', '{"locale": "en", "groups": ["a", "b"]}')`,
			"t"+strconv.Itoa(i%l.tenants), loadPrefix+strconv.Itoa(i), "Role "+strconv.Itoa(i))
		if err := conn.SendBatch(ctx, q).Close(); err != nil {
			return err
		}
		l.note(l.sent, i)
		if _, err := conn.Exec(ctx, `commit`); err != nil {
			return err
		}
		l.note(l.committed, i)
		return nil
	})
}

// times are the milliseconds from sending each commit to another moment. The first tenth warms up.
func (m *moments) times(until []atomic.Int64) ([]float64, error) {
	var out []float64
	for i := len(until) / 10; i < len(until); i++ {
		if until[i].Load() == 0 {
			return nil, fmt.Errorf("transaction %d was not seen", i)
		}
		out = append(out, float64(until[i].Load()-m.sent[i].Load())/1e6)
	}
	return out, nil
}
