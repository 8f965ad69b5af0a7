package db

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/db/internal/dbsqlc"
	"github.com/latchkey-dev/latchkey/hooks"
)

// Job is something that takes longer than a request.
type Job = dbsqlc.AuthJob

// What jobs there are, and how they stand.
const (
	UsersImport = "users_import"
	UsersExport = "users_export"

	JobPending    = "pending"
	JobProcessing = "processing"
	JobCompleted  = "completed"
	JobFailed     = "failed"
)

// ErrLeaseLost says that a job is another worker's by now, or over. Nothing is written: leave it.
var ErrLeaseLost = errors.New("the job is another worker's by now, or over")

// CreateJob is what a new job is made of; ID may be left empty.
type CreateJob struct {
	ID           string          `json:"id"`
	Type         string          `json:"type"`
	ConnectionID *string         `json:"connection_id"`
	Upsert       bool            `json:"upsert"`
	ExternalID   string          `json:"external_id"`
	Options      json.RawMessage `json:"options"`
}

// JobProgress is how far a job has come.
type JobProgress struct {
	Percentage int32 // of 100
	Processed  int64 // users that are settled, with those that failed: where a worker goes on
	Inserted   int64
	Updated    int64
	Failed     int64
}

// JobError is what was wrong with a line of an import: a JSON document, without secrets.
type JobError struct {
	Line    int64           `json:"line"` // from 1
	Details json.RawMessage `json:"details"`
}

// Jobs is the repository of jobs, of their payloads in chunks, and of what was wrong with their lines. They are not published,
// and no hook runs for them: the users that a job writes have theirs. A job and what was uploaded are written in one
// transaction by [Store.InTx], as a worker may claim it from its commit on.
//
// A worker claims a job for the length of a lease, and renews it by each Progress. When it is gone, another claims the job, and
// goes on behind what is processed. What it wrote in the transaction of a Progress is written once.
type Jobs struct {
	Journal[Job, CreateJob]
}

// Append stores a part of the job's payload; parts are numbered from 0. Errors: [Invalid] for an unknown job, hooks.ErrOutsideTx.
func (j *Jobs) Append(ctx context.Context, tenantID, jobID string, number int32, data []byte) error {
	return j.write(ctx, "add a chunk of", func(ctx context.Context, w *write) error {
		return w.lastUnstamped().PutJobChunk(ctx, tenantID, jobID, number, data)
	})
}

// Chunk reads a part of the job's payload. Errors: [ErrNotFound], behind the last, and for an import that is over.
func (j *Jobs) Chunk(ctx context.Context, tenantID, jobID string, number int32) ([]byte, error) {
	data, err := dbsqlc.New(j.r.s.reader()).GetJobChunk(ctx, tenantID, jobID, number)
	return data, failed(err, "read a chunk of", "job")
}

// Claim takes the oldest job of any tenant that waits, or whose worker's lease has ended, for as long as the lease. Nobody waits
// for another. Errors: [ErrNotFound], where there is none; hooks.ErrOutsideTx.
func (j *Jobs) Claim(ctx context.Context, lease time.Duration) (Job, error) {
	return inWrite(ctx, j.r.s, j.action("claim"), func(ctx context.Context, w *write) (Job, error) {
		return w.lastUnstamped().ClaimJob(ctx, lease.Seconds())
	})
}

// Progress says how far a claimed job has come, and renews its lease. In the transaction of the users that it tells of, both
// are committed or neither is. Errors: [ErrLeaseLost], [Invalid], hooks.ErrOutsideTx.
func (j *Jobs) Progress(ctx context.Context, claimed Job, p JobProgress, lease time.Duration) (Job, error) {
	return inWrite(ctx, j.r.s, j.action("renew"), func(ctx context.Context, w *write) (Job, error) {
		job, err := w.lastUnstamped().ProgressJob(ctx, dbsqlc.ProgressJobParams{
			TenantID: claimed.TenantID, ID: claimed.ID, Claims: claimed.Claims, Percentage: p.Percentage, Processed: p.Processed,
			Inserted: p.Inserted, Updated: p.Updated, Failed: p.Failed, LeaseSeconds: lease.Seconds(),
		})
		return job, leaseLost(err)
	})
}

// Restart takes back what a claimed job has come to, with all of its chunks, and renews its lease: for an export, which begins anew.
// Errors as [Jobs.Progress].
func (j *Jobs) Restart(ctx context.Context, claimed Job, lease time.Duration) error {
	return j.write(ctx, "restart", func(ctx context.Context, w *write) error {
		_, err := w.step().ProgressJob(ctx, dbsqlc.ProgressJobParams{TenantID: claimed.TenantID, ID: claimed.ID, Claims: claimed.Claims, LeaseSeconds: lease.Seconds()})
		if err != nil {
			return leaseLost(err)
		}
		return w.step().DeleteJobChunks(ctx, claimed.TenantID, claimed.ID)
	})
}

// Finish ends a claimed job: status is JobCompleted, or JobFailed with a reason for its owner to read. What was uploaded for an
// import goes, as it holds hashes of passwords; what an export made stays. Errors as [Jobs.Progress].
func (j *Jobs) Finish(ctx context.Context, claimed Job, status, reason string) (Job, error) {
	return inWrite(ctx, j.r.s, j.action("finish"), func(ctx context.Context, w *write) (Job, error) {
		if err := oneOf("job", "status", &status, JobCompleted, JobFailed); err != nil {
			return Job{}, err
		}
		finish := dbsqlc.FinishJobParams{TenantID: claimed.TenantID, ID: claimed.ID, Claims: claimed.Claims, StatusReason: reason, Status: status}
		job, err := w.step().FinishJob(ctx, finish)
		if err != nil {
			return job, leaseLost(err)
		}
		if job.Type == UsersImport {
			err = w.step().DeleteJobChunks(ctx, job.TenantID, job.ID)
		}
		return job, err
	})
}

// AddErrors stores what was wrong with lines; of one line the last is kept. Errors: [Invalid], hooks.ErrOutsideTx.
func (j *Jobs) AddErrors(ctx context.Context, claimed Job, errs ...JobError) error {
	if len(errs) == 0 {
		return nil
	}
	lines, details := make([]int64, len(errs)), make([]string, len(errs))
	for i, e := range errs {
		lines[i], details[i] = e.Line, string(e.Details)
	}
	return j.write(ctx, "add errors of", func(ctx context.Context, w *write) error {
		return w.lastUnstamped().AddJobErrors(ctx, claimed.TenantID, claimed.ID, lines, details)
	})
}

// Errors reads what was wrong with the lines behind after, in order, at most limit of them.
func (j *Jobs) Errors(ctx context.Context, tenantID, jobID string, after int64, limit int32) ([]JobError, error) {
	rows, err := dbsqlc.New(j.r.s.reader()).ListJobErrors(ctx, tenantID, jobID, after, limit)
	errs := make([]JobError, len(rows))
	for i, row := range rows {
		errs[i] = JobError(row)
	}
	return errs, failed(err, "list errors of", "job")
}

// Delete removes a job and all that belongs to it; its worker finds the lease lost. Errors: [ErrNotFound], hooks.ErrOutsideTx.
func (j *Jobs) Delete(ctx context.Context, tenantID, id string) error {
	return j.write(ctx, "delete", func(ctx context.Context, w *write) error {
		n, err := w.lastUnstamped().DeleteJob(ctx, tenantID, id)
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		return err
	})
}

func (j *Jobs) action(verb string) action {
	return action{operation: hooks.Update, table: "auth.jobs", verb: verb, entity: "job"}
}

func (j *Jobs) write(ctx context.Context, verb string, fn func(context.Context, *write) error) error {
	_, err := inWrite(ctx, j.r.s, j.action(verb), func(ctx context.Context, w *write) (struct{}, error) { return struct{}{}, fn(ctx, w) })
	return err
}

func leaseLost(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrLeaseLost
	}
	return err
}

func newJobs(s *session) *Jobs {
	return &Jobs{Journal[Job, CreateJob]{Repository[Job, string, CreateJob, struct{}]{s: s, e: &entity[Job, string, CreateJob, struct{}]{
		name: "job",
		list: listing{
			table: "auth.jobs", tenant: "tenant_id", fallback: "created_at desc, id",
			filter: []string{"id", "type", "status", "connection_id", "external_id"}, sort: []string{"id", "type", "status", "created_at"},
		},
		create: func(tenantID string, now time.Time, in CreateJob) Job {
			return Job{
				TenantID: tenantID, ID: idOr(in.ID, "job_"), Type: in.Type, ConnectionID: in.ConnectionID, Upsert: in.Upsert,
				ExternalID: in.ExternalID, Options: in.Options, CreatedAt: now,
			}
		},
		normalize: func(j *Job) error {
			return every(oneOf("job", "type", &j.Type, UsersImport, UsersExport), object("job", "options", &j.Options))
		},
		get: (*queries).GetJob,
		insert: func(q *queries, ctx context.Context, j Job) (Job, error) {
			return q.InsertJob(ctx, dbsqlc.InsertJobParams{
				TenantID: j.TenantID, ID: j.ID, Type: j.Type, ConnectionID: j.ConnectionID, Upsert: j.Upsert, ExternalID: j.ExternalID,
				Options: j.Options, CreatedAt: j.CreatedAt,
			})
		},
	}}}}
}
