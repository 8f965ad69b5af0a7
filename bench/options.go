package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"time"
)

// options are the flags.
type options struct {
	run        *regexp.Regexp
	runs       int
	events     int
	rows       int
	live       time.Duration
	overSocket bool
	json       string
	cpuProfile string
}

var errUsage = errors.New("usage")

func parseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	var pattern string
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&pattern, "run", ".", "measure the metrics whose name matches this `regexp`")
	flags.IntVar(&o.runs, "runs", 5, "runs of each metric, of which the median counts")
	flags.IntVar(&o.events, "events", 200_000, "transactions in the backlog; many hooks get a half of it, River a quarter, the hook with a transaction a tenth")
	flags.IntVar(&o.rows, "rows", 1_000_000, "rows of the big transaction")
	flags.DurationVar(&o.live, "live", 10*time.Second, "length of a run of the live load")
	flags.BoolVar(&o.overSocket, "socket", false, "let Latchkey's stream take the unix socket instead of TCP")
	flags.StringVar(&o.json, "json", "", "write the figures to this `file` too")
	flags.StringVar(&o.cpuProfile, "cpuprofile", "", "write a CPU profile of the backlog's runs to this `file`")
	if err := flags.Parse(args); err != nil {
		return o, errUsage // it has been said
	}
	var err error
	if o.run, err = regexp.Compile(pattern); err != nil {
		return o, fmt.Errorf("-run: %w", err)
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q: see -help", flags.Arg(0))
	case o.runs < 1:
		return o, errors.New("-runs: at least 1")
	case o.events < 100:
		return o, errors.New("-events: at least 100")
	case o.rows < 1000:
		return o, errors.New("-rows: at least 1000")
	case o.live < time.Second:
		return o, errors.New("-live: at least 1s")
	}
	return o, nil
}
