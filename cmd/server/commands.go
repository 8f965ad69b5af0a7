package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/listener"
)

type migrateCommand struct {
	Down *int64 `placeholder:"VERSION" help:"Undo migrations until VERSION is the last one applied; 0 undoes all, data included."`
}

// Run migrates.
func (m *migrateCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	if err := d.need(); err != nil {
		return err
	}
	migrate := db.Migrate
	if m.Down != nil {
		migrate = func(ctx context.Context, url string) (db.Migrations, error) { return db.MigrateDown(ctx, url, *m.Down) }
	}
	result, err := migrate(ctx, d.DatabaseURL)
	for _, file := range result.Applied {
		_, _ = fmt.Fprintln(stdout, file)
	}
	if err == nil {
		_, err = fmt.Fprintln(stdout, "schema version", result.Version)
	}
	return err
}

type statusCommand struct {
	JSON   bool          `name:"json" help:"Print JSON."`
	Sample time.Duration `default:"500ms" help:"How long to look at the cursors, for the rates; 0 for no rates."`
}

// Run prints how the group stands.
func (s *statusCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	conn, err := d.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }() // nothing is open
	status, err := listener.ReadStatus(ctx, conn, d.Group)
	if err != nil {
		return err
	}
	if s.Sample > 0 {
		select {
		case <-time.After(s.Sample):
		case <-ctx.Done():
			return ctx.Err()
		}
		before := status
		if status, err = listener.ReadStatus(ctx, conn, d.Group); err != nil {
			return err
		}
		status.RatesSince(before, s.Sample)
	}
	if s.JSON {
		return printJSON(stdout, status)
	}
	return printStatus(stdout, status)
}

func printStatus(stdout io.Writer, s listener.Status) error {
	owner := s.Owner
	if owner == "" {
		owner = "nobody"
	}
	slot := "missing"
	if s.WALState != "" {
		slot = s.WALState
	}
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "group\t%s, owned by %s, epoch %d\n", s.Group, owner, s.Epoch)
	seconds := "nobody reads it"
	if s.LagSeconds != nil {
		seconds = fmt.Sprintf("%.3f s", *s.LagSeconds)
	}
	_, _ = fmt.Fprintf(w, "slot\t%s (%s), behind by %d bytes, %s; stored up to %s\n", s.Slot, slot, s.LagBytes, seconds, s.Done)
	_, _ = fmt.Fprintf(w, "events\t%d to %d\n\n", s.First, s.Stored)
	_, _ = fmt.Fprintln(w, "TABLE\tHOOK\tSTATUS\tCURSOR\tLAG\tBEHIND\tRATE\tRETRY\tHELD\tDEAD")
	for _, h := range s.Hooks {
		status := h.Status
		if h.Orphan {
			status = "orphan"
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%.1f s\t%.0f/s\t%d\t%d\t%d\n", h.Table, h.Hook, status, h.Cursor, h.Lag, h.Behind, h.Rate, h.Retry, h.Held, h.Dead)
	}
	return w.Flush()
}

type tailCommand struct {
	After *int64        `placeholder:"SEQ" help:"Begin after this event; without it, after the last one."`
	Every time.Duration `default:"200ms" help:"How often to look."`
}

// Run prints events until ctx ends.
func (t *tailCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	conn, err := d.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nothing is open
	out := newConsole(stdout)
	after := int64(0)
	if t.After != nil {
		after = *t.After
	} else if err := conn.QueryRow(ctx, `select coalesce(max(last_seq), 0) from latchkey.event_batches where group_name = $1`, d.Group).Scan(&after); err != nil {
		return err
	}
	ticker := time.NewTicker(t.Every)
	defer ticker.Stop()
	for {
		last, err := t.print(ctx, conn, out, d.Group, after)
		if err != nil {
			return err
		}
		after = last
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (t *tailCommand) print(ctx context.Context, conn *pgx.Conn, out *console, group string, after int64) (int64, error) {
	rows, err := conn.Query(ctx, `select e.seq, coalesce(e.table_name, ''), e.operation, e.key, coalesce(e.tenant_id, ''), e.origin, e.committed_at
		from latchkey.events_after($1, $2) e order by e.seq limit 1000`, group, after)
	if err != nil {
		return after, err
	}
	var table, operation, key, tenant, origin string
	var at time.Time
	_, err = pgx.ForEachRow(rows, []any{&after, &table, &operation, &key, &tenant, &origin, &at}, func() error {
		out.line("%s %s %s %s %s %s", out.paint(dim, at.Format(time.RFC3339Nano)), table, out.paint(cyan, operation), key, tenant, out.paint(dim, fmt.Sprintf("#%d by %s", after, origin)))
		return nil
	})
	return after, err
}

type resetCommand struct {
	AcceptGap bool `help:"Yes: changes that were committed since the stored position are not seen by any hook."`
}

// Run makes the group forget its slot.
func (r *resetCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	if !r.AcceptGap {
		return errors.New("reset makes a new slot, from now on: what was committed since the stored position is not seen by any hook. Say --accept-gap if that is dealt with")
	}
	if err := d.need(); err != nil {
		return err
	}
	from, err := listener.Reset(ctx, listener.RepairConfig{DatabaseURL: d.DatabaseURL, Group: d.Group})
	if err == nil {
		_, err = fmt.Fprintf(stdout, "the slot of group %s was reset. The next start makes a new one; what was committed between %s and then is not seen.\n", d.Group, from)
	}
	return err
}

type skipCommand struct {
	LSN string `name:"lsn" required:"" help:"Where the transaction's commit stands, as the stop said."`
}

// Run passes over a transaction.
func (s *skipCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	lsn, err := pglogrepl.ParseLSN(s.LSN)
	if err != nil {
		return fmt.Errorf("--lsn %q is no LSN such as 16/B374D848", s.LSN)
	}
	if err := d.need(); err != nil {
		return err
	}
	if err := listener.Skip(ctx, listener.RepairConfig{DatabaseURL: d.DatabaseURL, Group: d.Group}, lsn); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "the transaction that commits at %s is skipped; its changes are not seen by any hook.\n", lsn)
	return err
}

func (d *database) connect(ctx context.Context) (*pgx.Conn, error) {
	if err := d.need(); err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, d.DatabaseURL)
	if err != nil {
		return nil, err
	}
	if err := db.CheckSchema(ctx, conn); err != nil {
		_ = conn.Close(ctx) // err says more
		return nil, err
	}
	return conn, nil
}
