package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

const (
	maxImport   = 256 << 20 // bytes
	importChunk = 1 << 20
	uploadTime  = 5 * time.Minute
	mostErrors  = 1000 // in one answer
)

// job is a job as it is answered.
type job struct {
	ID           string      `json:"id"`
	Type         string      `json:"type"`
	Status       string      `json:"status" enum:"pending,processing,completed,failed"`
	StatusReason string      `json:"status_details,omitempty" doc:"Why it failed."`
	CreatedAt    time.Time   `json:"created_at"`
	ConnectionID *string     `json:"connection_id,omitempty"`
	ExternalID   string      `json:"external_id,omitempty"`
	Percentage   int32       `json:"percentage_done"`
	Summary      *jobSummary `json:"summary,omitempty" doc:"Of an import."`

	Format   string        `json:"format,omitempty" doc:"Of an export, as the next two."`
	Fields   []exportField `json:"fields,omitempty"`
	Limit    int           `json:"limit,omitempty"`
	Location string        `json:"location,omitempty" doc:"Where an export's file is, once it is completed: a path of this API, for the scope read:users."`
}

type jobSummary struct {
	Failed   int64 `json:"failed"`
	Updated  int64 `json:"updated"`
	Inserted int64 `json:"inserted"`
	Total    int64 `json:"total"`
}

func jobJSON(j *db.Job) job {
	shown := job{
		ID: j.ID, Type: j.Type, Status: j.Status, StatusReason: j.StatusReason, CreatedAt: j.CreatedAt.UTC(), ConnectionID: j.ConnectionID, ExternalID: j.ExternalID,
		Percentage: j.Percentage,
	}
	if j.Type == db.UsersImport {
		shown.Summary = &jobSummary{Failed: j.Failed, Updated: j.Updated, Inserted: j.Inserted, Total: j.Processed}
		return shown
	}
	var options jobOptions
	if json.Unmarshal(j.Options, &options) == nil && options.Export != nil { // it was written here
		shown.Format, shown.Fields, shown.Limit = options.Export.Format, options.Export.Fields, options.Export.Limit
	}
	if j.Status == db.JobCompleted {
		shown.Location = root + "/jobs/" + url.PathEscape(j.ID) + "/file"
	}
	return shown
}

// jobError is what was wrong with one user of an import.
type jobError struct {
	Line   int64          `json:"line" doc:"Of the file, or the place in its array, from 1."`
	User   anyJSONObject  `json:"user" doc:"What tells which user it was."`
	Errors []jobComplaint `json:"errors" nullable:"false"`
}

type jobComplaint struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// jobOptions is what a worker needs to know beside the row: on whose behalf it works, and what an export is to have.
type jobOptions struct {
	Stamp hooks.Stamp `json:"stamp"`
	Bytes int64       `json:"bytes"` // of what was uploaded

	Export *export `json:"export,omitempty"`
}

// upload is a request whose body is read as it comes.
type upload struct {
	kind string
	body io.Reader
}

// Resolve implements huma.Resolver.
func (u *upload) Resolve(ctx huma.Context) []error {
	u.kind, u.body = ctx.Header("Content-Type"), ctx.BodyReader()
	_ = ctx.SetReadDeadline(time.Now().Add(uploadTime)) // a test's reader has none
	return nil
}

type (
	uploadInput struct{ upload }
	errorsInput struct {
		ID    string `path:"id" maxLength:"600"`
		After int64  `query:"after" minimum:"0" doc:"The line of the last that came."`
	}
	jobErrors struct {
		Body []jobError `nullable:"false"`
	}
)

func (s *server) addJobs() {
	add(s, operation{
		id: "import-users", method: http.MethodPost, path: "/jobs/users-imports", scope: "create:users", tag: tagUsers, summary: "Import users from a file",
		status: http.StatusAccepted, change: true,
		about: "multipart/form-data with `connection_id`, `upsert`, `external_id` and last the file `users`: a JSON array, or an object a line. " +
			"Each user is as in POST /users, and has its hooks run. 256 MiB at most.",
	}, s.importUsers)
	add(s, operation{id: "get-job", method: http.MethodGet, path: "/jobs/{id}", scope: "read:users", tag: tagUsers, summary: "Get a job"},
		func(ctx context.Context, c *caller, in *one) (*shown[job], error) {
			row, err := s.cfg.Store.Jobs.Get(ctx, c.tenant, in.ID)
			return &shown[job]{jobJSON(&row)}, err
		})
	add(s, operation{id: "list-job-errors", method: http.MethodGet, path: "/jobs/{id}/errors", scope: "read:users", tag: tagUsers, summary: "List what was wrong with an import's users"},
		func(ctx context.Context, c *caller, in *errorsInput) (*jobErrors, error) {
			if _, err := s.cfg.Store.Jobs.Get(ctx, c.tenant, in.ID); err != nil {
				return nil, err
			}
			rows, err := s.cfg.Store.Jobs.Errors(ctx, c.tenant, in.ID, in.After, mostErrors)
			list := make([]jobError, len(rows))
			for i := range rows {
				err = errors.Join(err, json.Unmarshal(rows[i].Details, &list[i]))
				list[i].Line = rows[i].Line
			}
			return &jobErrors{list}, err
		})
}

// importUsers stores what is uploaded, chunk by chunk, and the job in the same transaction.
func (s *server) importUsers(ctx context.Context, c *caller, in *uploadInput) (*shown[job], error) {
	kind, params, err := mime.ParseMediaType(in.kind)
	if err != nil || kind != "multipart/form-data" {
		return nil, newProblem(http.StatusUnsupportedMediaType, codeMediaType, "The body has to be multipart/form-data.")
	}
	form, create := multipart.NewReader(io.LimitReader(in.body, maxImport+1), params["boundary"]), db.CreateJob{Type: db.UsersImport}
	file, err := readFields(form, &create)
	if err != nil {
		return nil, err
	}
	if create.ConnectionID == nil {
		return nil, badRequest("connection_id: is required, ahead of the file.")
	}
	if _, err := s.cfg.Store.Connections.Get(ctx, c.tenant, *create.ConnectionID); errors.Is(err, db.ErrNotFound) {
		return nil, badRequest("connection_id: there is no such connection.")
	} else if err != nil {
		return nil, err
	}
	spool, size, err := spooled(file) // no transaction waits for the caller
	if err != nil {
		return nil, err
	}
	defer func() { _ = spool.Close() }()
	if create.Options, err = json.Marshal(jobOptions{Stamp: db.StampOf(ctx), Bytes: size}); err != nil {
		return nil, err
	}
	var row db.Job
	err = s.cfg.Store.InTx(ctx, func(tx *db.Tx) error {
		if row, err = tx.Jobs.Create(ctx, c.tenant, create); err != nil {
			return err
		}
		return storeChunks(ctx, tx, &row, spool)
	})
	if err != nil {
		return nil, err
	}
	s.wakeJobs()
	return &shown[job]{jobJSON(&row)}, nil
}

// readFields reads a form up to its file.
func readFields(form *multipart.Reader, in *db.CreateJob) (io.Reader, error) {
	for {
		part, err := form.NextPart()
		if err != nil {
			return nil, badRequest("users: is required, a file.")
		}
		if part.FormName() == "users" {
			return part, nil
		}
		text, err := io.ReadAll(io.LimitReader(part, 1<<10))
		if err != nil {
			return nil, badRequest("the form ends too early.")
		}
		switch value := string(text); part.FormName() {
		case "connection_id":
			in.ConnectionID = given(value)
		case "upsert":
			in.Upsert = value == "true"
		case "external_id":
			in.ExternalID = value
		case "send_completion_email": // accepted; hooks send mails
		default:
			return nil, badRequest(part.FormName() + ": there is no such field.")
		}
	}
}

// spooled keeps an upload in a file that has no name, and goes when it is closed.
func spooled(from io.Reader) (*os.File, int64, error) {
	file, err := os.CreateTemp("", "latchkey-import-")
	if err != nil {
		return nil, 0, err
	}
	_ = os.Remove(file.Name()) // where that fails, it stays in the temporary folder
	size, err := io.Copy(file, from)
	switch {
	case err != nil:
		err = badRequest("the form ends too early.")
	case size == 0:
		err = badRequest("users: the file is empty.")
	case size >= maxImport:
		err = newProblem(http.StatusRequestEntityTooLarge, codeTooLarge, "The file is larger than 256 MiB.")
	default:
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = file.Close()
	}
	return file, size, err
}

func storeChunks(ctx context.Context, tx *db.Tx, j *db.Job, file io.Reader) error {
	chunk := make([]byte, importChunk)
	for number := int32(0); ; number++ {
		n, err := io.ReadFull(file, chunk)
		if n > 0 {
			if err := tx.Jobs.Append(ctx, j.TenantID, j.ID, number, chunk[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
