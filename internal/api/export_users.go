package api

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/latchkey-dev/latchkey/db"
)

const (
	exportBatch = 100 // users, which are one chunk of the file

	formatJSON, formatCSV = "json", "csv"
)

// export is what to export, and how.
type export struct {
	ConnectionID *string       `json:"connection_id,omitempty" maxLength:"128" doc:"Only users of this connection."`
	Format       string        `json:"format,omitempty" enum:"json,csv" default:"json" doc:"json is an object a line."`
	Fields       []exportField `json:"fields,omitempty" maxItems:"100" doc:"Without it: all of JSON, the usual ones of CSV."`
	Limit        int           `json:"limit,omitempty" minimum:"1" doc:"At most so many users, by their id."`
}

type exportField struct {
	Name     string `json:"name" minLength:"1" maxLength:"255" doc:"A user's field, or what is in one: user_metadata.color, identities[0].connection."`
	ExportAs string `json:"export_as,omitempty" maxLength:"255" doc:"What the file calls it."`
}

// usualFields are those of a CSV file for which none are named.
func usualFields() []exportField {
	var fields []exportField
	for _, name := range []string{
		"user_id", "email", "email_verified", "username", "phone_number", "name", "given_name", "family_name", "nickname", "picture", "blocked",
		"created_at", "updated_at",
	} {
		fields = append(fields, exportField{Name: name})
	}
	return append(fields, exportField{Name: "identities[0].connection", ExportAs: "connection"})
}

// path is where in a user the field is.
func (f *exportField) path() []string {
	return strings.FieldsFunc(f.Name, func(c rune) bool { return strings.ContainsRune(".[]", c) })
}

func (f *exportField) title() string {
	if f.ExportAs != "" {
		return f.ExportAs
	}
	return f.Name
}

func (s *server) addExports() {
	add(s, operation{
		id: "export-users", method: http.MethodPost, path: "/jobs/users-exports", scope: "read:users", tag: tagUsers, summary: "Export users to a file", change: true,
		about: "When the job is completed, its `location` is where the file is: JSON, an object a line, or CSV. No password is in it, nor its hash.",
	}, s.exportUsers)
	add(s, operation{
		id: "get-job-file", method: http.MethodGet, path: "/jobs/{id}/file", scope: "read:users", tag: tagUsers, summary: "Get the file of an export",
		errors: []int{http.StatusConflict}, about: "409 until the job is completed.",
		answer: &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{
			"application/x-ndjson": {Schema: &huma.Schema{Type: huma.TypeString}}, "text/csv": {Schema: &huma.Schema{Type: huma.TypeString}},
		}},
	}, s.jobFile)
}

func (s *server) exportUsers(ctx context.Context, c *caller, in *created[export]) (*shown[job], error) {
	schemas := s.api.OpenAPI().Components.Schemas
	members := schemas.SchemaFromRef(schemas.Schema(typeOf[user](), true, "").Ref).Properties
	for i, f := range in.Body.Fields {
		if path := f.path(); len(path) == 0 || members[path[0]] == nil {
			return nil, badRequest(fmt.Sprintf("fields[%d].name: a user has no %s.", i, f.Name))
		}
	}
	if id := in.Body.ConnectionID; id != nil {
		if _, err := s.cfg.Store.Connections.Get(ctx, c.tenant, *id); errors.Is(err, db.ErrNotFound) {
			return nil, badRequest("connection_id: there is no such connection.")
		} else if err != nil {
			return nil, err
		}
	}
	options, err := json.Marshal(jobOptions{Stamp: db.StampOf(ctx), Export: &in.Body})
	if err != nil {
		return nil, err
	}
	row, err := s.cfg.Store.Jobs.Create(ctx, c.tenant, db.CreateJob{Type: db.UsersExport, ConnectionID: in.Body.ConnectionID, Options: options})
	if err != nil {
		return nil, err
	}
	s.wakeJobs()
	return &shown[job]{jobJSON(&row)}, nil
}

// exportAll writes a chunk of the file for each page of users. One that was cut off begins anew: where it was, the file may not say.
func (s *server) exportAll(ctx context.Context, j *db.Job, e *export) error {
	if err := s.cfg.Store.Jobs.Restart(ctx, *j, jobLease); err != nil {
		return err
	}
	filter := []db.Filter{db.Unset("linked_to")}
	if e.ConnectionID != nil {
		connection, err := s.cfg.Store.Connections.Get(ctx, j.TenantID, *e.ConnectionID)
		if errors.Is(err, db.ErrNotFound) {
			return badRequest("The connection is gone.")
		}
		if err != nil {
			return err
		}
		filter = append(filter, db.Equal("connection", connection.Name))
	}
	if e.Format == formatCSV && len(e.Fields) == 0 {
		e.Fields = usualFields()
	}
	var progress db.JobProgress
	page, total := db.ListOptions{PerPage: exportBatch, Totals: true, Filter: filter}, 0
	for number := int32(0); ; number++ {
		read, err := s.cfg.Store.Users.List(ctx, j.TenantID, page)
		if err != nil {
			return err
		}
		total = max(total, read.Total)
		rows, last := read.Rows, len(read.Rows) < exportBatch
		if left := int64(e.Limit) - progress.Processed; e.Limit > 0 && left <= int64(len(rows)) {
			rows, last = rows[:left], true
		}
		users, err := s.showUsers(ctx, &caller{tenant: j.TenantID}, rows)
		if err != nil {
			return err
		}
		data, err := e.chunk(users, number == 0)
		if err != nil {
			return err
		}
		progress.Processed += int64(len(users))
		progress.Percentage = int32(min(99, progress.Processed*100/int64(max(total, 1)))) //nolint:gosec // at most 99
		err = s.cfg.Store.InTx(ctx, func(tx *db.Tx) error {
			if len(data) > 0 {
				if err := tx.Jobs.Append(ctx, j.TenantID, j.ID, number, data); err != nil {
					return err
				}
			}
			_, err := tx.Jobs.Progress(ctx, *j, progress, jobLease)
			return err
		})
		if err != nil || last {
			return err
		}
		page.Totals, page.Filter = false, append(slices.Clip(filter), db.After("user_id", rows[len(rows)-1].UserID))
	}
}

// chunk is a page of users as the file has them.
func (e *export) chunk(users []user, first bool) ([]byte, error) {
	var data bytes.Buffer
	lines, table := json.NewEncoder(&data), csv.NewWriter(&data)
	if first && e.Format == formatCSV {
		titles := make([]string, len(e.Fields))
		for i := range e.Fields {
			titles[i] = e.Fields[i].title()
		}
		if err := table.Write(titles); err != nil {
			return nil, err
		}
	}
	for i := range users {
		text, err := json.Marshal(users[i])
		if err != nil {
			return nil, err
		}
		line := map[string]json.RawMessage{}
		record := make([]string, len(e.Fields))
		for n := range e.Fields {
			value := memberAt(text, e.Fields[n].path())
			if len(value) > 0 {
				line[e.Fields[n].title()] = value
			}
			if json.Unmarshal(value, &record[n]) != nil { // no string: as JSON
				record[n] = string(value)
			}
		}
		switch {
		case e.Format == formatCSV:
			err = table.Write(record)
		case len(e.Fields) == 0:
			err = lines.Encode(json.RawMessage(text))
		default:
			err = lines.Encode(line)
		}
		if err != nil {
			return nil, err
		}
	}
	table.Flush()
	return data.Bytes(), table.Error()
}

// memberAt follows a path into JSON; where it leads nowhere is nothing.
func memberAt(text json.RawMessage, path []string) json.RawMessage {
	for _, step := range path {
		var object map[string]json.RawMessage
		var array []json.RawMessage
		switch {
		case json.Unmarshal(text, &object) == nil:
			text = object[step]
		case json.Unmarshal(text, &array) == nil:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(array) {
				return nil
			}
			text = array[i]
		default:
			return nil
		}
	}
	return text
}

type fileOutput struct {
	Body func(huma.Context)
}

// jobFile sends the file chunk by chunk. The first is read before the answer begins, so that an error can be one.
func (s *server) jobFile(ctx context.Context, c *caller, in *one) (*fileOutput, error) {
	row, err := s.cfg.Store.Jobs.Get(ctx, c.tenant, in.ID)
	if err != nil {
		return nil, err
	}
	shown := jobJSON(&row)
	switch {
	case row.Type != db.UsersExport:
		return nil, notFound("The job makes no file.")
	case row.Status != db.JobCompleted:
		return nil, conflict("The job is " + row.Status + ": its file is there when it is completed.")
	}
	from, kind := s.chunksOf(ctx, &row), "application/x-ndjson"
	if shown.Format == formatCSV {
		kind = "text/csv"
	}
	if _, err := from.Read(nil); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return &fileOutput{func(hc huma.Context) {
		control := patient(hc)
		hc.SetHeader("Content-Type", kind)
		hc.SetHeader("Content-Disposition", `attachment; filename="users.`+strings.TrimPrefix(strings.TrimPrefix(kind, "application/x-"), "text/")+`"`)
		hc.SetStatus(http.StatusOK)
		part := make([]byte, 64<<10)
		for {
			n, err := from.Read(part)
			_ = control.SetWriteDeadline(time.Now().Add(writeWithin)) // a test's writer has none
			if _, gone := hc.BodyWriter().Write(part[:n]); gone != nil || errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				s.log.ErrorContext(ctx, "a file could not be read to its end", "request_id", c.requestID, "tenant", c.tenant, "job", row.ID, "error", err)
				panic(http.ErrAbortHandler) // or the caller takes it for the whole
			}
		}
	}}, nil
}
