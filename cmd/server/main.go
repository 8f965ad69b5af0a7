// Command latchkey runs hooks on auth data in Postgres: before-hooks inside the writer's transaction, after-hooks once for
// every committed change, whoever made it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// cli is the command line; each field is a subcommand or a flag of all of them.
type cli struct {
	Serve   serveCommand   `cmd:"" help:"Run the server and its hooks. Without a database URL it starts a private Postgres under .latchkey/."`
	Migrate migrateCommand `cmd:"" help:"Bring the database's schema to this program's version, or back to an older one."`
	Status  statusCommand  `cmd:"" help:"Show the slot, the log and where each hook stands."`
	Doctor  doctorCommand  `cmd:"" help:"Look for what is wrong, and say what to do about it. Exit code 1 if something doesn't work."`
	Tail    tailCommand    `cmd:"" help:"Print events as they are stored."`
	Reset   resetCommand   `cmd:"" help:"Make a new slot after a stop that named this command. Changes since the stored position are not seen."`
	Skip    skipCommand    `cmd:"" help:"Pass over one transaction that can't be read, after a stop that named this command."`

	Deliveries deliveriesCommand `cmd:"" help:"Look at what failed; retry or discard dead letters."`
	Pause      pauseCommand      `cmd:"" help:"Pause a hook; the log is kept for it. A webhook is webhook/TENANT/ID."`
	Resume     resumeCommand     `cmd:"" help:"Let a paused hook go on where it was."`
	Replay     replayCommand     `cmd:"" help:"Give a stretch of the log to a hook once more."`
	Backfill   backfillCommand   `cmd:"" help:"Give the rows that a table has now to a hook, as inserts."`
	Runs       runsCommand       `cmd:"" help:"List replays and backfills."`

	Hooks        hooksCommand        `cmd:"" help:"Webhooks and other hooks that tenants keep as data: make, look at, pause, try, send again."`
	FailedEvents failedEventsCommand `cmd:"" help:"Look at what a tenant's webhooks didn't get; retry what is dead."`
	Events       eventsCommand       `cmd:"" help:"Print a tenant's committed changes, in order, as its webhooks get them."`

	Token  tokenCommand  `cmd:"" help:"Print a token for the management API."`
	Keys   keysCommand   `cmd:"" help:"List and rotate the keys that sign tokens."`
	Secret secretCommand `cmd:"" help:"Print a new key for LATCHKEY_SECRET_KEY, with which secrets are sealed."`

	Database database `embed:""`
}

// Exit codes, for scripts.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// standardError is where traces go that are asked for on the console.
type standardError struct{ io.Writer }

// run is main without the process around it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c cli
	var exit *int
	parser, err := kong.New(&c, kong.Name("latchkey"), kong.Description("Hooks on auth data in Postgres that don't get lost, don't run twice, and don't depend on who wrote."),
		kong.UsageOnError(), kong.Writers(stdout, stderr), kong.Exit(func(code int) { exit = &code }))
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "latchkey:", err)
		return exitError
	}
	command, err := parser.Parse(args)
	if exit != nil { // --help
		return *exit
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "latchkey: %v\nRun latchkey --help to see what there is.\n", err)
		return exitUsage
	}
	log := slog.New(tracedLog{slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn})})
	command.BindTo(ctx, (*context.Context)(nil))
	command.BindTo(stdout, (*io.Writer)(nil))
	command.Bind(standardError{stderr})
	if err := command.Run(&c.Database, log); err != nil && !errors.Is(err, context.Canceled) {
		_, _ = fmt.Fprintln(stderr, "latchkey:", err)
		return exitError
	}
	return exitOK
}
