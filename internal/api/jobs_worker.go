package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/latchkey-dev/latchkey/db"
)

const (
	jobTries  = 5 // that come no further, and then it fails
	jobLease  = time.Minute
	jobsEvery = 2 * time.Second // how soon those are seen that another process was given
)

// wakeJobs has the worker look for jobs at once.
func (s *server) wakeJobs() {
	select {
	case s.jobs <- struct{}{}:
	default: // it will
	}
}

// RunJobs works on jobs, one at a time, until ctx is done. Several processes may: each job is one's. One that is cut off is gone on with,
// here or elsewhere, when its lease has ended.
func (a *API) RunJobs(ctx context.Context) {
	tick := time.NewTicker(jobsEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		claimed, err := a.s.cfg.Store.Jobs.Claim(ctx, jobLease)
		switch {
		case err == nil:
			a.s.work(ctx, claimed)
			continue
		case !errors.Is(err, db.ErrNotFound) && ctx.Err() == nil:
			a.s.log.ErrorContext(ctx, "jobs could not be looked for", "error", err)
		}
		select {
		case <-tick.C:
		case <-a.s.jobs:
		case <-ctx.Done():
		}
	}
}

func (s *server) work(ctx context.Context, claimed db.Job) {
	var options jobOptions
	err := json.Unmarshal(claimed.Options, &options)
	if err == nil {
		ctx := db.WithStamp(ctx, options.Stamp)
		switch {
		case claimed.Fruitless > jobTries:
			err = badRequest(fmt.Sprintf("It was begun %d times and came no further than its first %d users: what comes then stops the server's work on it, and the server's log may say how. "+
				"Begin a new job without it.", jobTries, claimed.Reached))
		case claimed.Type == db.UsersImport:
			err = s.importAll(ctx, &claimed, options.Bytes)
		case options.Export != nil:
			err = s.exportAll(ctx, &claimed, options.Export)
		default:
			err = badRequest("The job doesn't say what to export.")
		}
	}
	status, reason := db.JobCompleted, ""
	var p *Problem
	switch {
	case ctx.Err() != nil || errors.Is(err, db.ErrLeaseLost):
		return
	case errors.As(err, &p):
		status, reason = db.JobFailed, p.Message
	case err != nil: // it is tried again when the lease has ended
		s.log.ErrorContext(ctx, "a job stopped", "tenant", claimed.TenantID, "job", claimed.ID, "error", err)
		return
	}
	if _, err := s.cfg.Store.Jobs.Finish(ctx, claimed, status, reason); err != nil && !errors.Is(err, db.ErrLeaseLost) {
		s.log.ErrorContext(ctx, "a job could not be ended", "tenant", claimed.TenantID, "job", claimed.ID, "error", err)
	}
}
