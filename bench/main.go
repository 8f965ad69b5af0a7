// Command bench measures Latchkey against the limit of the machine that it runs on: each figure stands beside what
// Postgres alone does in the same run, so that it says something about the engine and not about the disk.
//
//	go run .                          everything, in under 15 minutes
//	go run . -run '^live' -runs 2     what matches, with fewer runs
//	go run . -run '^backlog' -cpuprofile cpu.out
//
// It starts a private Postgres with fsync and synchronous_commit on, in a temporary directory, and ends it afterwards.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main without the process around it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	err := func() error {
		if len(args) > 0 && args[0] == childCommand {
			return runChild(ctx, os.Stdin, stdout, stderr)
		}
		o, err := parseOptions(args, stderr)
		if err != nil {
			return err
		}
		return measure(ctx, o, stdout, stderr)
	}()
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUsage):
		return 2
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "bench: stopped")
		return 1
	default:
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
}

// measure starts the server, measures what is asked for and says what came out.
func measure(ctx context.Context, o options, stdout, stderr io.Writer) (err error) {
	chosen := choose(metrics(), o.run)
	if len(chosen) == 0 {
		return fmt.Errorf("-run %s matches none of: %s", o.run, names(metrics()))
	}
	server, err := startServer(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.destroy()) }()
	b, err := newBench(ctx, server, o, stderr)
	if err != nil {
		return err
	}
	defer b.close()
	var all []figure
	for _, m := range chosen {
		figures, err := m.run(ctx, b)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		all = append(all, figures...)
	}
	if o.json != "" {
		if err := writeJSON(o.json, all); err != nil {
			return err
		}
	}
	return report(stdout, server.describe(), o, chosen, all)
}
