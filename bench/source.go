package main

import (
	"context"
	"fmt"

	"github.com/jackc/pglogrepl"
	"golang.org/x/sync/errgroup"
)

// tenants share the rows, so that writers don't queue for the lock that a foreign key takes on one tenant.
const tenants = 100

// createTables makes what the product's schema lacks: the bare twin of auth.roles (the same columns, checks, indexes and
// foreign key; no trigger, default identity, not published), where a hook's effects go, and the writer of a backlog.
func (b *bench) createTables(ctx context.Context) error {
	for _, sql := range []string{
		`create schema bench`,
		`create table bench.bare_roles (like auth.roles including all, foreign key (tenant_id) references auth.tenants on delete cascade)`,
		`create table bench.effects (role_id text not null, at timestamptz not null default now())`,
		fmt.Sprintf(`insert into auth.tenants (id) select 't' || i from generate_series(0, %d) i`, tenants-1),
		`create procedure bench.write_roles(p_prefix text, p_first int, p_last int, p_tenants int) language plpgsql as $$
			begin
				for i in p_first..p_last loop
					insert into auth.roles (tenant_id, id, name, description, metadata)
					values ('t' || i % p_tenants, 'rol_' || p_prefix || '_' || i, 'Role ' || p_prefix || ' ' || i, 'May read and write some things', '{"locale": "en", "groups": ["a", "b"]}');
					commit;
				end loop;
			end $$`,
	} {
		if err := b.exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// empty takes the rows of the last run away.
func (b *bench) empty(ctx context.Context) error {
	return b.exec(ctx, `truncate auth.roles, bench.bare_roles, bench.effects cascade`)
}

// backlog is transactions that wait behind a slot.
type backlog struct {
	slot   string
	events int           // one-row transactions, without the marker
	end    pglogrepl.LSN // all of them committed below it, the marker above it
}

// all counts the marker.
func (l backlog) all() int { return l.events + 1 }

const backlogWriters = 4

// writeBacklog makes a slot and writes n one-row transactions behind it, and one more as a marker: pg_recvlogical stops at
// the first message above a position, and without one it would go on to decode what the engine wrote in its turn. Each
// round has a backlog of its own for the same reason: no side reads what another run left. The source commits
// asynchronously, which its readers can't tell.
func (b *bench) writeBacklog(ctx context.Context, n int) (backlog, error) {
	return b.writeBacklogOf(ctx, n, tenants)
}

// writeBacklogOf is writeBacklog with the rows of so many tenants, of which t0 is the first.
func (b *bench) writeBacklogOf(ctx context.Context, n, tenants int) (backlog, error) {
	l := backlog{slot: "bench_base", events: n}
	if err := b.empty(ctx); err != nil {
		return l, err
	}
	if err := b.createSlot(ctx, l.slot); err != nil {
		return l, err
	}
	g, writing := errgroup.WithContext(ctx)
	for w := range backlogWriters {
		g.Go(func() error {
			return b.writeRoles(writing, fmt.Sprintf("w%d", w), n*w/backlogWriters+1, n*(w+1)/backlogWriters, tenants)
		})
	}
	if err := g.Wait(); err != nil {
		return l, err
	}
	var err error
	if l.end, err = b.walPosition(ctx); err != nil {
		return l, err
	}
	return l, b.writeRoles(ctx, "marker", 1, 1, tenants)
}

func (b *bench) writeRoles(ctx context.Context, prefix string, first, last, tenants int) error {
	conn, err := b.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("write the backlog: %w", err)
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, `set synchronous_commit = off`); err != nil {
		return fmt.Errorf("write the backlog: %w", err)
	}
	if _, err := conn.Exec(ctx, `call bench.write_roles($1, $2, $3, $4)`, prefix, first, last, tenants); err != nil {
		return fmt.Errorf("write the backlog: %w", err)
	}
	if _, err := conn.Exec(ctx, `set synchronous_commit = on`); err != nil {
		return fmt.Errorf("write the backlog: %w", err)
	}
	return nil
}
