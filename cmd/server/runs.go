package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/listener"
)

// replayCommand gives a stretch of the log to a hook once more.
type replayCommand struct {
	stretch `embed:""`

	Hook string `arg:"" placeholder:"[TABLE/]NAME" help:"The hook."`
}

// stretch are the flags of replays.
type stretch struct {
	From string `placeholder:"SEQ|TIME" help:"The first event: its number, or a time such as 2026-01-31T09:00:00Z or 2h (ago). Default: the first that the log still has."`
	To   string `placeholder:"SEQ|TIME" help:"The last event, likewise. Default: the last that is stored now."`
	Wait bool   `negatable:"" default:"true" help:"Wait until it is done, and show how far it is."`
}

// Run begins a replay.
func (r *replayCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	return d.operate(ctx, func(op *listener.Operator, conn *pgx.Conn) error {
		run, err := r.begin(ctx, op, listener.HookRef(r.Hook))
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(stdout, "run %d of hook %s/%s replays events %d to %d%s\n", run.Run, run.Table, run.Hook, run.From, run.To, d.whenOwned(ctx, conn))
		return follow(ctx, stdout, op, run, r.Wait)
	})
}

// begin begins a replay of the stretch.
func (s *stretch) begin(ctx context.Context, op *listener.Operator, hook listener.HookRef) (listener.HookRun, error) {
	from, err := point("from", s.From)
	if err != nil {
		return listener.HookRun{}, err
	}
	to, err := point("to", s.To)
	if err != nil {
		return listener.HookRun{}, err
	}
	return op.Replay(ctx, listener.ReplayRequest{Hook: hook, From: from, To: to})
}

// point reads where a replay begins or ends.
func point(flag, text string) (p listener.Point, err error) {
	if text == "" {
		return p, nil
	}
	if p.Seq, err = strconv.ParseInt(text, 10, 64); err == nil && p.Seq > 0 {
		return p, nil
	}
	p.Seq = 0
	if ago, err := time.ParseDuration(text); err == nil {
		p.Time = time.Now().Add(-ago.Abs())
		return p, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateTime, time.DateOnly} {
		if p.Time, err = time.ParseInLocation(layout, text, time.Local); err == nil {
			return p, nil
		}
	}
	return p, fmt.Errorf("--%s %q is neither an event's number, nor a time such as 2026-01-31T09:00:00Z, nor how long ago such as 2h", flag, text)
}

// backfillCommand gives the rows that a table has to a hook.
type backfillCommand struct {
	Hook string `arg:"" placeholder:"[TABLE/]NAME" help:"The hook: it gets every row of its table as an insert."`
	Wait bool   `negatable:"" default:"true" help:"Wait until the hook has run for all, and show how far it is."`
}

// Run reads the table.
func (b *backfillCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	return d.operate(ctx, func(op *listener.Operator, conn *pgx.Conn) error {
		bar := newBar(stdout, "read")
		run, err := op.Backfill(ctx, listener.HookRef(b.Hook), func(read, of int64) { bar.show(read, of, "") })
		bar.end()
		if errors.Is(err, context.Canceled) {
			return errors.New("interrupted: the same command goes on where this one was")
		}
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(stdout, "run %d of hook %s/%s gives it %d rows%s\n", run.Run, run.Table, run.Hook, run.Total(), d.whenOwned(ctx, conn))
		return follow(ctx, stdout, op, run, b.Wait)
	})
}

// follow shows how far a run is, until it is done.
func follow(ctx context.Context, stdout io.Writer, op *listener.Operator, run listener.HookRun, wait bool) error {
	if !wait {
		return nil
	}
	bar := newBar(stdout, "done")
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		now, err := op.Again(ctx, run)
		if errors.Is(err, context.Canceled) {
			bar.end()
			return errors.New("interrupted: the run goes on by itself (latchkey runs)")
		}
		if err != nil {
			return err
		}
		failed := ""
		if now.Failed > 0 {
			failed = fmt.Sprintf(", %d set aside", now.Failed)
		}
		bar.show(now.Done(), now.Total(), failed)
		if now.Status == "done" {
			bar.end()
			if now.Failed > 0 {
				return fmt.Errorf("the run is at its end, but %d deliveries of it failed or wait: see `latchkey deliveries list --hook %s/%s`", now.Failed, now.Table, now.Hook)
			}
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}

// bar is a line that shows progress: in place on a terminal, now and then otherwise.
type bar struct {
	out      io.Writer
	terminal bool
	label    string
	shown    time.Time
	last     string
}

func newBar(out io.Writer, label string) *bar {
	return &bar{out: out, terminal: isTerminal(out), label: label}
}

func (b *bar) show(n, of int64, more string) {
	const width = 30
	part := 1.0
	if of > 0 {
		part = min(1, float64(n)/float64(of))
	}
	full := int(part * width)
	b.last = fmt.Sprintf("%s [%s%s] %3.0f%% %d of %d%s", b.label, strings.Repeat("#", full), strings.Repeat(".", width-full), part*100, n, of, more)
	switch {
	case b.terminal:
		_, _ = fmt.Fprint(b.out, "\r"+b.last+"\x1b[K")
		b.last = ""
	case time.Since(b.shown) > 5*time.Second:
		b.shown = time.Now()
		_, _ = fmt.Fprintln(b.out, b.last)
		b.last = ""
	}
}

func (b *bar) end() {
	switch {
	case b.terminal:
		_, _ = fmt.Fprintln(b.out)
	case b.last != "":
		_, _ = fmt.Fprintln(b.out, b.last)
	}
}

// runsCommand lists replays and backfills.
type runsCommand struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run lists them.
func (r *runsCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	return d.operate(ctx, func(op *listener.Operator, _ *pgx.Conn) error {
		runs, err := op.Runs(ctx)
		if err != nil {
			return err
		}
		if r.JSON {
			return printJSON(stdout, runs)
		}
		w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(w, "HOOK\tRUN\tKIND\tSTATUS\tDONE\tOF\tSET ASIDE\tBEGUN")
		for _, run := range runs {
			_, _ = fmt.Fprintf(w, "%s/%s\t%d\t%s\t%s\t%d\t%d\t%d\t%s\n", run.Table, run.Hook, run.Run, run.Kind, run.Status, run.Done(), run.Total(), run.Failed, run.Created.Local().Format(time.DateTime))
		}
		return w.Flush()
	})
}

// doctorCommand looks for what is wrong.
type doctorCommand struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// errUnwell makes doctor end with exit code 1.
var errUnwell = errors.New("something needs you: see above")

// Run examines the database.
func (c *doctorCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	if err := d.need(); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, d.DatabaseURL)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nothing is open
	replication := conn
	if d.ReplicationURL != "" {
		if replication, err = pgx.Connect(ctx, d.ReplicationURL); err != nil {
			return fmt.Errorf("the replication URL: %w", err)
		}
		defer func() { _ = replication.Close(context.WithoutCancel(ctx)) }() // likewise
	}
	findings, err := listener.Examine(ctx, conn, replication, d.Group)
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(stdout, findings)
	} else {
		printFindings(newConsole(stdout), findings)
	}
	for _, f := range findings {
		if f.Verdict == listener.Problem {
			err = errors.Join(err, errUnwell)
			break
		}
	}
	return err
}

func printFindings(out *console, findings []listener.Finding) {
	colors := map[listener.Verdict]string{listener.Well: green, listener.Warning: yellow, listener.Problem: red}
	widest := 0
	for _, f := range findings {
		widest = max(widest, len(f.What))
	}
	for _, f := range findings {
		out.line("%s  %-*s  %s", out.paint(colors[f.Verdict], fmt.Sprintf("%-7s", f.Verdict)), widest, f.What, f.Detail)
		if f.Fix != "" {
			out.line("         %-*s  %s", widest, "", out.paint(bold, "to do: "+f.Fix))
		}
	}
}
