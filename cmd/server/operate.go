package main

import (
	"context"
	"encoding/json"
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

// deliveriesCommand looks at what failed, and decides what becomes of it.
type deliveriesCommand struct {
	List    listCommand    `cmd:"" help:"List deliveries that failed, or wait behind one that did."`
	Show    showCommand    `cmd:"" help:"Show one delivery, with its error and its event."`
	Retry   retryCommand   `cmd:"" help:"Have dead deliveries tried again, one attempt each."`
	Discard discardCommand `cmd:"" help:"Give dead deliveries up: what waits behind them goes on."`
}

// chosen are flags that choose deliveries.
type chosen struct {
	Hook string  `placeholder:"[TABLE/]NAME" help:"Only those of this hook."`
	Seq  []int64 `placeholder:"SEQ" help:"Only those of these events."`
}

func (c *chosen) filter() listener.DeliveryFilter {
	return listener.DeliveryFilter{Hook: listener.HookRef(c.Hook), Seqs: c.Seq}
}

type listCommand struct {
	chosen `embed:""`

	Status []string `placeholder:"STATUS" help:"Only those that are retry, running, held, dead, done or discarded. Default: all but done and discarded."`
	After  int64    `placeholder:"SEQ" help:"Only those of later events: the last one of the page before."`
	Limit  int      `default:"100" help:"At most so many."`
	JSON   bool     `name:"json" help:"Print JSON."`
}

// Run lists deliveries.
func (l *listCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	return d.operate(ctx, func(op *listener.Operator, _ *pgx.Conn) error {
		f := l.filter()
		f.Status, f.After, f.Limit = l.Status, l.After, l.Limit
		if len(f.Status) == 0 {
			f.Status = []string{"retry", "running", "held", "dead"}
		}
		list, err := op.Deliveries(ctx, f)
		if err != nil {
			return err
		}
		if l.JSON {
			return printJSON(stdout, list)
		}
		w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(w, "SEQ\tHOOK\tRUN\tSTATUS\tATTEMPT\tNEXT\tERROR")
		for _, d := range list {
			next := ""
			if d.Next != nil {
				next = d.Next.Local().Format(time.DateTime)
			}
			_, _ = fmt.Fprintf(w, "%d\t%s/%s\t%d\t%s\t%d\t%s\t%s\n", d.Seq, d.Table, d.Hook, d.Run, d.Status, d.Attempt, next, shortened(d.LastError, 80))
		}
		if len(list) == l.Limit {
			_, _ = fmt.Fprintf(w, "there may be more: --after %d\n", list[len(list)-1].Seq)
		}
		return w.Flush()
	})
}

func shortened(text string, most int) string {
	line, _, more := strings.Cut(text, "\n")
	if runes := []rune(line); len(runes) > most {
		return string(runes[:most]) + "..."
	}
	if more {
		return line + " ..."
	}
	return line
}

type showCommand struct {
	Hook  string `arg:"" placeholder:"[TABLE/]NAME" help:"The hook."`
	Seq   int64  `arg:"" help:"The event's number."`
	OfRun int64  `name:"run" placeholder:"RUN" help:"Of this replay or backfill, instead of the ordinary run."`
	JSON  bool   `name:"json" help:"Print JSON."`
}

// Run shows a delivery.
func (s *showCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	return d.operate(ctx, func(op *listener.Operator, _ *pgx.Conn) error {
		delivery, event, err := op.Delivery(ctx, listener.HookRef(s.Hook), s.OfRun, s.Seq)
		if err != nil {
			return err
		}
		if s.JSON {
			return printJSON(stdout, struct {
				listener.Delivery
				Event json.RawMessage `json:"event"`
			}{delivery, event})
		}
		w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
		for _, line := range [][2]string{
			{"hook", delivery.Table + "/" + delivery.Hook},
			{"event", strconv.FormatInt(delivery.Seq, 10)},
			{"status", delivery.Status},
			{"attempts", strconv.Itoa(delivery.Attempt)},
			{"first tried", delivery.Created.Local().Format(time.DateTime)},
			{"last change", delivery.Updated.Local().Format(time.DateTime)},
			{"error", strings.ReplaceAll(delivery.LastError, "\n", "\n\t")},
		} {
			_, _ = fmt.Fprintf(w, "%s\t%s\n", line[0], line[1])
		}
		if err := w.Flush(); err != nil {
			return err
		}
		if event == nil {
			_, err = fmt.Fprintln(stdout, "the log has dropped its event; the delivery keeps it for the next attempt")
			return err
		}
		return printJSON(stdout, event)
	})
}

type retryCommand struct {
	chosen `embed:""`

	All bool `help:"Yes: all dead deliveries of the group."`
}

// Run has deliveries tried again.
func (r *retryCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	return r.change(ctx, stdout, d, r.All, "retry", "to be tried again", (*listener.Operator).Retry)
}

type discardCommand struct {
	chosen `embed:""`

	All bool `help:"Yes: all dead deliveries of the group."`
}

// Run gives deliveries up.
func (r *discardCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	return r.change(ctx, stdout, d, r.All, "discard", "discarded", (*listener.Operator).Discard)
}

func (c *chosen) change(ctx context.Context, stdout io.Writer, d *database, all bool, verb, done string, change func(*listener.Operator, context.Context, listener.DeliveryFilter) (int64, error)) error {
	if c.Hook == "" && len(c.Seq) == 0 && !all {
		return fmt.Errorf("say which dead deliveries to %s: --hook NAME, --seq SEQ, or --all", verb)
	}
	return d.operate(ctx, func(op *listener.Operator, conn *pgx.Conn) error {
		n, err := change(op, ctx, c.filter())
		if err != nil {
			return err
		}
		if n == 0 {
			return errors.New("there is no dead delivery of that choice (latchkey deliveries list --status dead)")
		}
		_, err = fmt.Fprintf(stdout, "%d dead deliveries are %s%s\n", n, done, d.whenOwned(ctx, conn))
		return err
	})
}

type pauseCommand struct {
	Hook string `arg:"" placeholder:"[TABLE/]NAME" help:"The hook."`
}

// Run pauses a hook.
func (p *pauseCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	return d.operate(ctx, func(op *listener.Operator, conn *pgx.Conn) error {
		if err := op.Pause(ctx, listener.HookRef(p.Hook)); err != nil {
			return err
		}
		_, err := fmt.Fprintf(stdout, "hook %s is paused%s; the log is kept for it until `latchkey resume %s`, for a limited time\n", p.Hook, d.whenOwned(ctx, conn), p.Hook)
		return err
	})
}

type resumeCommand struct {
	Hook      string `arg:"" placeholder:"[TABLE/]NAME" help:"The hook."`
	AcceptGap bool   `help:"Yes: go on also where the log no longer has what the hook has still to get. It never gets that."`
}

// Run resumes a hook.
func (r *resumeCommand) Run(ctx context.Context, stdout io.Writer, d *database) error {
	return d.operate(ctx, func(op *listener.Operator, conn *pgx.Conn) error {
		if err := op.Resume(ctx, listener.HookRef(r.Hook), r.AcceptGap); err != nil {
			return err
		}
		_, err := fmt.Fprintf(stdout, "hook %s goes on where it was%s\n", r.Hook, d.whenOwned(ctx, conn))
		return err
	})
}

// operate runs fn with an operator of the group.
func (d *database) operate(ctx context.Context, fn func(*listener.Operator, *pgx.Conn) error) error {
	conn, err := d.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nothing is open
	return fn(listener.NewOperator(conn, d.Group), conn)
}

// whenOwned says when something takes effect, where that is not at once.
func (d *database) whenOwned(ctx context.Context, conn listener.Querier) string {
	if s, err := listener.ReadStatus(ctx, conn, d.Group); err == nil && s.Owner == "" {
		return ", as soon as a listener runs: there is none at the moment"
	}
	return ""
}

func printJSON(stdout io.Writer, v any) error {
	e := json.NewEncoder(stdout)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
