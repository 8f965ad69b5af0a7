package api

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"github.com/latchkey-dev/latchkey/db"
)

const (
	askedTogether = 10 // users: so many are asked about at once, and then are one transaction
	mostAsks      = 3  // about one user, when it is changed by others meanwhile
)

// commit writes a batch. Where webhooks have to be asked, which no transaction may wait for, it goes on in small parts: each is asked about
// first, and a worker that is killed leaves no more than one part that is asked about a second time.
func (i *importing) commit(ctx context.Context, batch []imported, percentage int32) error {
	for {
		part := batch
		if i.asks {
			part = batch[:min(len(batch), askedTogether)]
			if err := i.askAll(ctx, part); err != nil {
				return err
			}
		}
		settled, err := i.inTx(ctx, part, percentage)
		if err != nil {
			return err
		}
		if batch = batch[settled:]; len(batch) == 0 {
			return nil
		}
	}
}

// askAll asks about users at once. Who was asked about before, and not written, is not asked about again.
func (i *importing) askAll(ctx context.Context, part []imported) error {
	g, ctx := errgroup.WithContext(ctx)
	for n := range part {
		if u := &part[n]; u.problem == nil && u.create == nil && u.update == nil {
			g.Go(func() error { return i.ask(ctx, u) })
		}
	}
	return g.Wait()
}

// ask asks about the user's creation, or about the update of the one that is there where the job says so.
func (i *importing) ask(ctx context.Context, u *imported) error {
	u.asked++
	users := i.s.cfg.Store.Users
	id, err := i.present(ctx, users, u)
	if err == nil && id != "" {
		var permit db.UpdatePermit
		if permit, err = users.AskUpdate(ctx, i.job.TenantID, id, u.changes()); err == nil {
			u.update = &permit
			return nil
		}
		if errors.Is(err, db.ErrNotFound) { // it was deleted since
			id, err = "", nil
		}
	}
	if err == nil && id == "" {
		var permit db.CreatePermit
		if permit, err = users.AskCreate(ctx, i.job.TenantID, u.in); err == nil {
			u.create = &permit
			return nil
		}
	}
	if problem := problemOf(err); problem.StatusCode < 500 {
		u.problem = problem
		return nil
	}
	return err
}

// inTx writes users in one transaction with the progress that tells of them, and returns how many it settled: it ends ahead of one that has to
// be asked about, for the first time or again.
func (i *importing) inTx(ctx context.Context, batch []imported, percentage int32) (settled int, err error) {
	var progress db.JobProgress
	err = i.s.cfg.Store.InTx(ctx, func(tx *db.Tx) error {
		progress = i.progress
		progress.Percentage = percentage
		var wrong []db.JobError
		for settled = 0; settled < len(batch); settled++ {
			u, updated := &batch[settled], false
			problem := u.problem
			if problem == nil {
				var err error
				updated, err = i.write(ctx, tx, u)
				if (errors.Is(err, db.ErrNotAsked) || errors.Is(err, db.ErrChanged)) && u.asked < mostAsks {
					i.asks, u.create, u.update = true, nil, nil
					break
				}
				if err != nil {
					if problem = problemOf(err); problem.StatusCode >= 500 {
						return err
					}
				}
			}
			progress.Processed++
			switch {
			case problem != nil:
				progress.Failed++
				wrong = append(wrong, u.wrong(problem))
			case updated:
				progress.Updated++
			default:
				progress.Inserted++
			}
		}
		if err := tx.Jobs.AddErrors(ctx, *i.job, wrong...); err != nil {
			return err
		}
		_, err := tx.Jobs.Progress(ctx, *i.job, progress, jobLease)
		return err
	})
	if err == nil {
		i.progress = progress
	}
	return settled, err
}

// write creates a user, or updates the one of its address where the job says so.
func (i *importing) write(ctx context.Context, tx *db.Tx, u *imported) (updated bool, err error) {
	if u.update != nil {
		_, err = tx.Users.UpdateAsked(ctx, *u.update)
		return true, err
	}
	if u.hash == "" { // one savepoint does, the repository's own
		err = i.insert(ctx, tx, u)
	} else {
		err = tx.InTx(ctx, func(tx *db.Tx) error { return i.insert(ctx, tx, u) })
	}
	var taken *db.Conflict
	if !errors.As(err, &taken) {
		return false, err
	}
	id, listed := i.present(ctx, tx.Users, u)
	if listed != nil || id == "" {
		return false, errors.Join(listed, err)
	}
	_, err = tx.Users.Update(ctx, i.job.TenantID, id, u.changes())
	return true, err
}

// insert writes a new user, and the password's hash.
func (i *importing) insert(ctx context.Context, tx *db.Tx, u *imported) (err error) {
	var row db.User
	if u.create != nil {
		row, err = tx.Users.CreateAsked(ctx, *u.create)
	} else {
		row, err = tx.Users.Create(ctx, i.job.TenantID, u.in)
	}
	if err != nil || u.hash == "" {
		return err
	}
	return tx.Users.SetPassword(ctx, row.TenantID, row.UserID, u.hash)
}

// present is the user of the address that an upsert updates; empty, where there is none, or the job says nothing of it.
func (i *importing) present(ctx context.Context, users *db.Users, u *imported) (string, error) {
	if !i.job.Upsert || u.in.Email == nil {
		return "", nil
	}
	found, err := users.ByEmail(ctx, i.job.TenantID, *u.in.Email)
	for n := range found {
		if found[n].Connection == i.connection.Name {
			return found[n].UserID, nil
		}
	}
	return "", err
}

// changes are what an upsert changes of the user that is there.
func (u *imported) changes() db.UpdateUser {
	in := db.UpdateUser{MergeMetadata: true}
	if u.in.Name != nil {
		in.Name = db.Set(*u.in.Name)
	}
	if len(u.in.UserMetadata) > 0 {
		in.UserMetadata = db.Set(u.in.UserMetadata)
	}
	if len(u.in.AppMetadata) > 0 {
		in.AppMetadata = db.Set(u.in.AppMetadata)
	}
	return in
}
