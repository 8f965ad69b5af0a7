package main

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/metrics"
)

// keeping is the flags that say how long rows are kept that nothing else removes. The log of events has --retention.
type keeping struct {
	Logs       time.Duration `name:"log-retention" env:"LATCHKEY_LOG_RETENTION" default:"720h" help:"How long the lines of tenants' logs are kept; 0: for ever."`
	AuthEvents time.Duration `name:"auth-event-retention" env:"LATCHKEY_AUTH_EVENT_RETENTION" default:"720h" help:"How long rows of auth.auth_events are kept; 0: for ever. They go without an event."`
	Jobs       time.Duration `name:"job-retention" env:"LATCHKEY_JOB_RETENTION" default:"168h" help:"How long jobs that are over are kept, with the files of exports; 0: for ever. What an import was given goes at its end."`
	Tickets    time.Duration `name:"ticket-retention" env:"LATCHKEY_TICKET_RETENTION" default:"24h" help:"How long tickets are kept once they have expired; 0: for ever."`
}

// pruneEvery is how often a server looks for what is old, give or take a tenth, so that servers that began together don't go on so.
const pruneEvery = time.Hour

// pruner removes what is old.
type pruner struct {
	store   *db.Store
	keep    db.Retention
	removed *metrics.Store
	log     *slog.Logger
}

func (k keeping) pruner(store *db.Store, removed *metrics.Store, log *slog.Logger) *pruner {
	return &pruner{store, db.Retention{Logs: k.Logs, AuthEvents: k.AuthEvents, Jobs: k.Jobs, Tickets: k.Tickets}, removed, log}
}

// run prunes at once and then every hour, until ctx is done. What failed is tried again at the next turn.
func (p *pruner) run(ctx context.Context) {
	for {
		pruned, err := p.store.Prune(ctx, p.keep)
		p.removed.Pruned(pruned)
		if len(pruned) > 0 {
			p.log.InfoContext(ctx, "what was old is gone", "rows", pruned)
		}
		if err != nil && ctx.Err() == nil {
			p.log.ErrorContext(ctx, "what is old could not be removed; it is tried again within the hour", "error", err)
		}
		next := time.NewTimer(pruneEvery - pruneEvery/10 + rand.N(pruneEvery/5)) //nolint:gosec // no secret
		select {
		case <-next.C:
		case <-ctx.Done():
			next.Stop()
			return
		}
	}
}
