package db_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/db"
)

func (e *env) job(t *testing.T, kind string, chunks ...string) db.Job {
	t.Helper()
	var job db.Job
	ok(t, e.InTx(t.Context(), func(tx *db.Tx) (err error) {
		if job, err = tx.Jobs.Create(t.Context(), "acme", db.CreateJob{Type: kind}); err != nil {
			return err
		}
		for i, chunk := range chunks {
			if err := tx.Jobs.Append(t.Context(), "acme", job.ID, int32(i), []byte(chunk)); err != nil {
				return err
			}
		}
		return nil
	}))
	return job
}

func TestJobs(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	_, err := e.Jobs.Claim(ctx, time.Minute)
	wantError(t, err, db.ErrNotFound)
	job := e.job(t, db.UsersImport, "one", "two")
	if job.Status != db.JobPending || job.StartedAt != nil || string(job.Options) != "{}" {
		t.Errorf("created %+v", job)
	}
	claimed, err := e.Jobs.Claim(ctx, time.Minute)
	ok(t, err)
	if claimed.ID != job.ID || claimed.Status != db.JobProcessing || claimed.Claims != 1 || claimed.StartedAt == nil {
		t.Errorf("claimed %+v", claimed)
	}
	_, err = e.Jobs.Claim(ctx, time.Minute)
	wantError(t, err, db.ErrNotFound)
	for i, want := range []string{"one", "two"} {
		data, err := e.Jobs.Chunk(ctx, "acme", job.ID, int32(i))
		ok(t, err)
		if string(data) != want {
			t.Errorf("chunk %d is %q", i, data)
		}
	}
	_, err = e.Jobs.Chunk(ctx, "acme", job.ID, 2)
	wantError(t, err, db.ErrNotFound)
	_, err = e.Jobs.Chunk(ctx, "globex", job.ID, 0)
	wantError(t, err, db.ErrNotFound)

	ok(t, e.Jobs.AddErrors(ctx, claimed))
	ok(t, e.Jobs.AddErrors(ctx, claimed, db.JobError{Line: 7, Details: json.RawMessage(`{"a": 1}`)}, db.JobError{Line: 3, Details: json.RawMessage(`{}`)}))
	ok(t, e.Jobs.AddErrors(ctx, claimed, db.JobError{Line: 7, Details: json.RawMessage(`{"a": 2}`)})) // again, after a crash
	errs, err := e.Jobs.Errors(ctx, "acme", job.ID, 0, 10)
	ok(t, err)
	if len(errs) != 2 || errs[0].Line != 3 || string(errs[1].Details) != `{"a": 2}` {
		t.Errorf("errors %+v", errs)
	}
	errs, err = e.Jobs.Errors(ctx, "acme", job.ID, 3, 1)
	ok(t, err)
	if len(errs) != 1 || errs[0].Line != 7 {
		t.Errorf("errors behind the third %+v", errs)
	}
	done, err := e.Jobs.Progress(ctx, claimed, db.JobProgress{Percentage: 50, Processed: 10, Inserted: 7, Updated: 1, Failed: 2}, time.Minute)
	ok(t, err)
	if done.Percentage != 50 || done.Processed != 10 || done.Inserted != 7 || done.Updated != 1 || done.Failed != 2 {
		t.Errorf("progress %+v", done)
	}
	_, err = e.Jobs.Finish(ctx, claimed, db.JobPending, "")
	wantInvalid(t, err, "status")
	done, err = e.Jobs.Finish(ctx, claimed, db.JobCompleted, "")
	ok(t, err)
	if done.Status != db.JobCompleted || done.Percentage != 100 || done.FinishedAt == nil {
		t.Errorf("finished %+v", done)
	}
	e.wantCount(t, 0, `auth.job_chunks`)
	_, err = e.Jobs.Finish(ctx, claimed, db.JobFailed, "")
	wantError(t, err, db.ErrLeaseLost)

	_, err = e.Jobs.Create(ctx, "acme", db.CreateJob{Type: "dance"})
	wantInvalid(t, err, "type")
	_, err = e.Jobs.Get(ctx, "globex", job.ID)
	wantError(t, err, db.ErrNotFound)
	wantError(t, e.Jobs.Delete(ctx, "globex", job.ID), db.ErrNotFound)
	ok(t, e.Jobs.Delete(ctx, "acme", job.ID))
	e.wantCount(t, 0, `auth.job_errors`)
}

// A job whose worker is gone is claimed again, and goes on where it stood; the worker, should it be back, writes nothing.
func TestJobTakenOver(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	e.job(t, db.UsersExport)
	slow, err := e.Jobs.Claim(ctx, time.Minute)
	ok(t, err)
	_, err = e.Jobs.Progress(ctx, slow, db.JobProgress{Processed: 5}, time.Minute)
	ok(t, err)
	e.exec(t, `update auth.jobs set leased_until = now()`)
	next, err := e.Jobs.Claim(ctx, time.Minute)
	ok(t, err)
	if next.ID != slow.ID || next.Claims != 2 || next.Processed != 5 || !next.StartedAt.Equal(*slow.StartedAt) {
		t.Errorf("claimed again %+v", next)
	}
	err = e.InTx(ctx, func(tx *db.Tx) error {
		_, err := tx.Users.Create(ctx, "acme", db.CreateUser{})
		ok(t, err)
		_, err = tx.Jobs.Progress(ctx, slow, db.JobProgress{Processed: 6}, time.Minute)
		return err
	})
	wantError(t, err, db.ErrLeaseLost)
	e.wantCount(t, 0, `auth.users`)
	_, err = e.Jobs.Finish(ctx, slow, db.JobFailed, "late")
	wantError(t, err, db.ErrLeaseLost)
	ok(t, e.Jobs.Append(ctx, "acme", next.ID, 0, []byte("users")))
	done, err := e.Jobs.Finish(ctx, next, db.JobFailed, "no")
	ok(t, err)
	if done.Status != db.JobFailed || done.StatusReason != "no" || done.Percentage != 0 {
		t.Errorf("finished %+v", done)
	}
	e.wantCount(t, 1, `auth.job_chunks`) // what an export made stays
}

// Workers don't wait for each other, and no two get the same job.
func TestJobsClaimedTogether(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	first, second := e.job(t, db.UsersExport), e.job(t, db.UsersExport)
	ok(t, e.InTx(ctx, func(tx *db.Tx) error {
		one, err := tx.Jobs.Claim(ctx, time.Minute)
		ok(t, err)
		two, err := e.Jobs.Claim(ctx, time.Minute) // while the other holds its row
		ok(t, err)
		if one.ID != first.ID || two.ID != second.ID {
			t.Errorf("claimed %s and %s", one.ID, two.ID)
		}
		_, err = e.Jobs.Claim(ctx, time.Minute)
		if !errors.Is(err, db.ErrNotFound) {
			t.Errorf("a third: %v", err)
		}
		return nil
	}))
}

// Claims that come no further are counted, so that whoever works on jobs can tell one that ends its workers from one that goes on.
func TestJobFruitless(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	e.job(t, db.UsersExport)
	claim := func(want int32) db.Job {
		t.Helper()
		e.exec(t, `update auth.jobs set leased_until = now()`)
		job, err := e.Jobs.Claim(t.Context(), time.Minute)
		ok(t, err)
		if job.Fruitless != want {
			t.Errorf("claimed %+v; want %d fruitless claims", job, want)
		}
		return job
	}
	claim(1)
	job := claim(2)
	_, err := e.Jobs.Progress(t.Context(), job, db.JobProgress{Processed: 100}, time.Minute)
	ok(t, err)
	job = claim(1)
	ok(t, e.Jobs.Restart(t.Context(), job, time.Minute))
	_, err = e.Jobs.Progress(t.Context(), job, db.JobProgress{Processed: 100}, time.Minute) // no further than before
	ok(t, err)
	job = claim(2)
	_, err = e.Jobs.Progress(t.Context(), job, db.JobProgress{Processed: 101}, time.Minute)
	ok(t, err)
	if job = claim(1); job.Reached != 101 {
		t.Errorf("it reached %d", job.Reached)
	}
}
