package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

func writeMetric() metric {
	return metric{
		name:    "write",
		figures: []string{"write_vs_bare", "creates_per_s", "bare_inserts_per_s"},
		about: fmt.Sprintf("%d clients. Latchkey: store.Roles.Create with one before-hook that does nothing, and the stamp; no listener runs. Bare: the same columns, prepared, `returning *`, "+
			"autocommit, into a table with the same columns, checks, indexes and foreign key, but no trigger, default identity and no publication.", writeClients),
		run: measureWrite,
	}
}

const (
	writeClients = 8
	writeTime    = 3 * time.Second
)

func measureWrite(ctx context.Context, b *bench) ([]figure, error) {
	bare, err := openPool(ctx, b.url, writeClients)
	if err != nil {
		return nil, err
	}
	defer bare.Close()
	reg := db.NewHooks()
	reg.Roles.BeforeCreate("nothing", func(context.Context, hooks.Tx, *db.Role) error { return nil })
	store, err := db.Open(ctx, db.Config{DatabaseURL: b.url + "&pool_max_conns=" + strconv.Itoa(writeClients), Hooks: reg})
	if err != nil {
		return nil, err
	}
	defer store.Close()
	stamped := db.WithStamp(ctx, hooks.Stamp{Actor: "auth0|64b7e2a1c3d4", ClientID: "cli_4f9a2b7c", RequestID: "req_01J9Z0K3V8", IP: "203.0.113.7", UserAgent: "Mozilla/5.0 (X11; Linux x86_64)"})

	create := func(ctx context.Context, tenant, id string) error {
		_, err := store.Roles.Create(ctx, tenant, db.CreateRole{ID: id, Name: "Role " + id, Description: description, Metadata: json.RawMessage(metadata)})
		return err
	}
	insert := func(ctx context.Context, tenant, id string) error { return bareInsert(ctx, bare, tenant, id) }
	var ours, theirs []float64
	for i := range b.runs {
		if err := b.empty(ctx); err != nil {
			return nil, err
		}
		one, _, err := clients(stamped, create)
		if err != nil {
			return nil, fmt.Errorf("create: %w", err)
		}
		other, _, err := clients(ctx, insert)
		if err != nil {
			return nil, fmt.Errorf("insert: %w", err)
		}
		ours, theirs = append(ours, one), append(theirs, other)
		b.say("write %d/%d: Latchkey %.0f creates/s, bare %.0f inserts/s, ratio %.3f", i+1, b.runs, one, other, one/other)
	}
	return []figure{
		{
			Name: "write_vs_bare", Value: median(ratios(ours, theirs)), Target: &target{AtLeast: true, Value: 0.88},
			Beside: fmt.Sprintf("%.0f creates/s beside %.0f bare inserts/s", median(ours), median(theirs)),
		},
		{Name: "creates_per_s", Value: median(ours)},
		{Name: "bare_inserts_per_s", Value: median(theirs)},
	}, nil
}

const (
	description = "May read and write some things"
	metadata    = `{"locale": "en", "groups": ["a", "b"]}`
)

// bareInsert is what one writes without Latchkey.
func bareInsert(ctx context.Context, pool *pgxpool.Pool, tenant, id string) error {
	now := time.Now().UTC()
	var r db.Role
	return pool.QueryRow(ctx, `insert into bench.bare_roles (tenant_id, id, name, description, metadata, created_at, updated_at)
		values ($1, $2, $3, $4, $5, $6, $7) returning *`, tenant, id, "Role "+id, description, json.RawMessage(metadata), now, now).
		Scan(&r.TenantID, &r.ID, &r.Name, &r.Description, &r.Metadata, &r.CreatedAt, &r.UpdatedAt)
}

// clients is how many writes a second writeClients make, each as fast as it can, and how many they made.
func clients(ctx context.Context, write func(ctx context.Context, tenant, id string) error) (perSecond float64, n int, err error) {
	var count atomic.Int64
	began := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	for range writeClients {
		g.Go(func() error {
			for time.Since(began) < writeTime {
				n := count.Add(1)
				if err := write(ctx, "t"+strconv.FormatInt(n%tenants, 10), "rol_"+strconv.FormatInt(n, 10)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return 0, 0, err
	}
	n = int(count.Load())
	return rate(n, time.Since(began)), n, nil
}
