package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/internal/api"
)

func importMetric() metric {
	return metric{
		name:    "import",
		figures: []string{"import_vs_copy", "import_users_per_s", "copy_users_per_s"},
		about: fmt.Sprintf("%d users as NDJSON. Latchkey: from POST /api/v2/jobs/users-imports until GET /api/v2/jobs/{id} says completed: parsing, checks, the repositories' writes with their stamps, progress and the job's commits. "+
			"COPY: the same columns straight into auth.users, in one statement. No listener runs.", importUsers),
		run: measureImport,
	}
}

const importUsers = 20_000

func measureImport(ctx context.Context, b *bench) (_ []figure, err error) {
	s, err := b.apiSite(ctx, "create:users read:users")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.end()) }()
	working, stop := context.WithCancel(ctx)
	worked := make(chan struct{})
	go func() {
		s.api.RunJobs(working)
		close(worked)
	}()
	defer func() { stop(); <-worked }()
	if err := b.exec(ctx, `insert into auth.connections (tenant_id, id, name, strategy) values ('t0', 'con_bench', 'bench', 'auth0') on conflict do nothing`); err != nil {
		return nil, err
	}
	var file bytes.Buffer
	for i := range importUsers {
		fmt.Fprintf(&file, `{"email":"i%d@example.com","name":"User %d","user_metadata":{"plan":"free"}}`+"\n", i, i)
	}
	var ours, theirs []float64
	for i := range b.runs {
		for turn := range 2 {
			if err := b.exec(ctx, `truncate auth.users, auth.jobs, auth.logs cascade`); err != nil {
				return nil, err
			}
			began := time.Now()
			if (i+turn)%2 == 0 {
				err = importFile(ctx, s, file.Bytes())
				ours = append(ours, rate(importUsers, time.Since(began)))
			} else {
				err = b.copyUsers(ctx)
				theirs = append(theirs, rate(importUsers, time.Since(began)))
			}
			if err != nil {
				return nil, err
			}
		}
		b.say("import %d/%d: Latchkey %.0f users/s, COPY %.0f, ratio %.3f", i+1, b.runs, ours[i], theirs[i], ours[i]/theirs[i])
	}
	return []figure{
		{Name: "import_vs_copy", Value: median(ratios(ours, theirs)), Beside: fmt.Sprintf("%.0f users/s beside %.0f by COPY", median(ours), median(theirs))},
		{Name: "import_users_per_s", Value: median(ours)},
		{Name: "copy_users_per_s", Value: median(theirs)},
	}, nil
}

// importFile uploads users and waits until the job is over.
func importFile(ctx context.Context, s *apiSite, file []byte) error {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	err := form.WriteField("connection_id", "con_bench")
	part, partErr := form.CreateFormFile("users", "users.json")
	if err = errors.Join(err, partErr); err != nil {
		return err
	}
	if _, err := part.Write(file); err != nil {
		return err
	}
	if err := form.Close(); err != nil {
		return err
	}
	var job struct {
		ID      string `json:"id"`
		Status  string `json:"status"`
		Summary struct{ Inserted int }
	}
	if err := s.ask(ctx, http.MethodPost, "/api/v2/jobs/users-imports", form.FormDataContentType(), &body, &job); err != nil {
		return err
	}
	for job.Status == "pending" || job.Status == "processing" {
		time.Sleep(5 * time.Millisecond)
		if err := s.ask(ctx, http.MethodGet, "/api/v2/jobs/"+job.ID, "", nil, &job); err != nil {
			return err
		}
	}
	if job.Status != "completed" || job.Summary.Inserted != importUsers {
		return fmt.Errorf("the import is %s with %d users", job.Status, job.Summary.Inserted)
	}
	return nil
}

// ask makes a request and reads its answer.
func (s *apiSite) ask(ctx context.Context, method, path, contentType string, body io.Reader, answer any) error {
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+s.bearer)
	req.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusBadRequest {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 500)) // the status says enough
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	return json.NewDecoder(resp.Body).Decode(answer)
}

// copyUsers is what the same users cost without anything around them.
func (b *bench) copyUsers(ctx context.Context) error {
	_, err := b.pool.CopyFrom(ctx, pgx.Identifier{"auth", "users"}, []string{"tenant_id", "user_id", "email", "name", "connection", "user_metadata"},
		pgx.CopyFromSlice(importUsers, func(i int) ([]any, error) {
			return []any{"t0", fmt.Sprintf("auth0|%024d", i), fmt.Sprintf("i%d@example.com", i), fmt.Sprintf("User %d", i), "bench", json.RawMessage(`{"plan":"free"}`)}, nil
		}))
	return err
}

// apiSite is the management API as `latchkey serve` has it, and a token for it.
type apiSite struct {
	*site
	api    *api.API
	bearer string
	end    func() error
}
