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

// importBatch is how many users are one transaction. Each is a savepoint, and Postgres keeps 64 of these for a session in memory: with more,
// every other session looks them up on disk.
const importBatch = 60

// importing is one run of an import.
type importing struct {
	s          *server
	job        *db.Job
	connection db.Connection
	progress   db.JobProgress
	asks       bool // webhooks have to be asked, as a write has said
}

// imported is one user of the file. A problem with it is the file's, and no reason to stop.
type imported struct {
	line    int64
	in      db.CreateUser
	hash    string
	which   map[string]json.RawMessage // tells which user it was
	problem *Problem

	asked  int // times
	create *db.CreatePermit
	update *db.UpdatePermit
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

func (u *imported) wrong(p *Problem) db.JobError {
	which, err := json.Marshal(u.which)
	if err != nil {
		which = []byte("{}")
	}
	details, _ := json.Marshal(jobError{User: anyJSONObject(which), Errors: []jobComplaint{{Code: p.Code, Message: p.Message}}}) // strings alone
	return db.JobError{Line: u.line, Details: details}
}
