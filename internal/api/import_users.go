package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/alexedwards/argon2id"
	"github.com/danielgtaylor/huma/v2"

	"github.com/latchkey-dev/latchkey/db"
)

// importBatch is how many users are one transaction.
const importBatch = 100

// importing is one run of an import.
type importing struct {
	s          *server
	job        *db.Job
	connection db.Connection
	progress   db.JobProgress
}

// imported is one user of the file. A problem with it is the file's, and no reason to stop.
type imported struct {
	line    int64
	in      db.CreateUser
	hash    string
	which   map[string]json.RawMessage // tells which user it was
	problem *Problem
}

// importAll goes on behind what is processed. Each batch commits with the progress that tells of it.
func (s *server) importAll(ctx context.Context, j *db.Job, size int64) error {
	connection, err := s.cfg.Store.Connections.Get(ctx, j.TenantID, valueOf(j.ConnectionID))
	if errors.Is(err, db.ErrNotFound) {
		return badRequest("The connection is gone.")
	}
	if err != nil {
		return err
	}
	i := &importing{s: s, job: j, connection: connection, progress: db.JobProgress{Processed: j.Processed, Inserted: j.Inserted, Updated: j.Updated, Failed: j.Failed}}
	from := s.chunksOf(ctx, j)
	file, err := openImport(from)
	if err != nil {
		return err
	}
	for skip := j.Processed; ; {
		var batch []imported
		for len(batch) < importBatch {
			line, text, err := file.next()
			if errors.Is(err, io.EOF) {
				return i.commit(ctx, batch, 100)
			}
			if err != nil {
				return errors.Join(err, i.commit(ctx, batch, i.progress.Percentage))
			}
			if skip > 0 {
				skip--
				continue
			}
			batch = append(batch, i.read(line, text))
		}
		if err := i.commit(ctx, batch, int32(min(99, from.read*100/max(size, 1)))); err != nil { //nolint:gosec // at most 99
			return err
		}
	}
}

// read checks a user as POST /users does.
func (i *importing) read(line int64, text []byte) imported {
	u := imported{line: line, which: map[string]json.RawMessage{}}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		u.problem = badRequest("It is no JSON object.")
		return u
	}
	for _, name := range []string{"user_id", "email", "username", "phone_number"} {
		if value, is := members[name]; is {
			u.which[name] = value
		}
	}
	if hash, is := members["password_hash"]; is {
		delete(members, "password_hash")
		if json.Unmarshal(hash, &u.hash) != nil || !strings.HasPrefix(u.hash, "$argon2id$") {
			u.problem = badRequest("password_hash: has to be one of Argon2id, which begins with $argon2id$.")
			return u
		}
	}
	body, err := i.s.validUser(members)
	if err == nil && body.Password != nil {
		u.hash, err = argon2id.CreateHash(*body.Password, argon2id.DefaultParams)
	}
	if err != nil {
		u.problem = problemOf(err)
		return u
	}
	u.in = body.row()
	u.in.Connection, u.in.Provider = i.connection.Name, i.connection.Strategy
	if prefix := u.in.Provider + "|"; u.in.UserID != "" && !strings.HasPrefix(u.in.UserID, prefix) {
		u.in.UserID = prefix + u.in.UserID
	}
	return u
}

// validUser holds members against the description of a new user.
func (s *server) validUser(members map[string]json.RawMessage) (b newUser, err error) {
	text, err := json.Marshal(members)
	if err != nil {
		return b, err
	}
	var value interface{}
	if err := json.Unmarshal(text, &value); err != nil {
		return b, err
	}
	schemas, found := s.api.OpenAPI().Components.Schemas, &huma.ValidateResult{}
	huma.Validate(schemas, schemas.Schema(typeOf[newUser](), true, ""), huma.NewPathBuffer([]byte("body"), 4), huma.ModeWriteToServer, value, found)
	if len(found.Errors) > 0 {
		model := &huma.ErrorModel{}
		for _, err := range found.Errors {
			model.Add(err)
		}
		return b, badRequest(complaints(model))
	}
	return b, json.Unmarshal(text, &b)
}

// commit writes a batch in one transaction. Where webhooks have to be asked, which no transaction may wait for, each user is one.
func (i *importing) commit(ctx context.Context, batch []imported, percentage int32) error {
	err := i.inTx(ctx, batch, percentage, func(tx *db.Tx, u *imported) (bool, error) { return i.write(ctx, tx, u, nil) })
	if !errors.Is(err, db.ErrNotAsked) {
		return err
	}
	for n := range batch {
		one := batch[n : n+1]
		if one[0].problem == nil {
			permit, err := i.s.cfg.Store.Users.AskCreate(ctx, i.job.TenantID, one[0].in)
			if err == nil {
				err = i.inTx(ctx, one, percentage, func(tx *db.Tx, u *imported) (bool, error) { return i.write(ctx, tx, u, &permit) })
				if err != nil {
					return err
				}
				continue
			}
			if one[0].problem = problemOf(err); one[0].problem.StatusCode >= 500 {
				return err
			}
		}
		if err := i.inTx(ctx, one, percentage, nil); err != nil {
			return err
		}
	}
	return nil
}

func (i *importing) inTx(ctx context.Context, batch []imported, percentage int32, write func(*db.Tx, *imported) (bool, error)) error {
	progress := i.progress
	progress.Percentage = percentage
	err := i.s.cfg.Store.InTx(ctx, func(tx *db.Tx) error {
		var wrong []db.JobError
		for n := range batch {
			u, updated := &batch[n], false
			problem := u.problem
			if problem == nil {
				var err error
				if updated, err = write(tx, u); err != nil {
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
	return err
}

// write creates a user, or updates the one of its address where the job says so.
func (i *importing) write(ctx context.Context, tx *db.Tx, u *imported, permit *db.CreatePermit) (updated bool, err error) {
	var row db.User
	err = tx.InTx(ctx, func(tx *db.Tx) error {
		if permit != nil {
			row, err = tx.Users.CreateAsked(ctx, *permit)
		} else {
			row, err = tx.Users.Create(ctx, i.job.TenantID, u.in)
		}
		if err != nil || u.hash == "" {
			return err
		}
		return tx.Users.SetPassword(ctx, row.TenantID, row.UserID, u.hash)
	})
	var taken *db.Conflict
	if !errors.As(err, &taken) || !i.job.Upsert || u.in.Email == nil {
		return false, err
	}
	page, listed := tx.Users.List(ctx, i.job.TenantID, db.ListOptions{Filter: []db.Filter{db.Equal("email", strings.ToLower(*u.in.Email)), db.Equal("connection", i.connection.Name)}})
	if listed != nil || len(page.Rows) == 0 {
		return false, errors.Join(listed, err)
	}
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
	_, err = tx.Users.Update(ctx, i.job.TenantID, page.Rows[0].UserID, in)
	if permit != nil && errors.Is(err, db.ErrNotAsked) {
		err = conflict("The user is there, and webhooks have to be asked about its update, which an import doesn't do.")
	}
	return true, err
}

func (u *imported) wrong(p *Problem) db.JobError {
	which, err := json.Marshal(u.which)
	if err != nil {
		which = []byte("{}")
	}
	details, _ := json.Marshal(jobError{User: anyJSONObject(which), Errors: []jobComplaint{{Code: p.Code, Message: p.Message}}}) // strings alone
	return db.JobError{Line: u.line, Details: details}
}
