package api_test

import (
	"bytes"
	"context"
	"fmt"
	"mime/multipart"
	"strings"
	"testing"
	"time"

	"github.com/auth0/go-auth0"
	"github.com/auth0/go-auth0/management"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

type shownJob struct {
	ID, Status string
	Details    string `json:"status_details"`
	Location   string
	Percentage int `json:"percentage_done"`
	Summary    struct{ Failed, Updated, Inserted, Total int }
}

// working runs the worker until the test ends.
func (r *rig) working() {
	r.t.Helper()
	ctx, stop := context.WithCancel(r.t.Context())
	done := make(chan struct{})
	go func() {
		r.api.RunJobs(ctx)
		close(done)
	}()
	r.t.Cleanup(func() {
		stop()
		<-done
	})
}

// imported uploads a file and waits until its job is over.
func (r *rig) imported(upsert bool, file string) shownJob {
	r.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	r.ok(form.WriteField("connection_id", "con_mine"))
	r.ok(form.WriteField("upsert", fmt.Sprint(upsert)))
	part, err := form.CreateFormFile("users", "users.json")
	r.ok(err)
	_, err = part.Write([]byte(file))
	r.ok(err)
	r.ok(form.Close())
	a := r.call("acme/"+r.everything(), "POST", "/api/v2/jobs/users-imports", body.String(), "Content-Type", form.FormDataContentType()).want(r.t, 202, "pending")
	return r.over(into[shownJob](r, a).ID)
}

func (r *rig) over(id string) shownJob {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		j := into[shownJob](r, r.as("GET", "/api/v2/jobs/"+id, "").want(r.t, 200, ""))
		if j.Status == "completed" || j.Status == "failed" {
			return j
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			r.t.Fatalf("the job is %+v", j)
		}
	}
}

func TestImport(t *testing.T) {
	t.Parallel()
	reg, actors := db.NewHooks(), &ran{}
	reg.Users.BeforeCreate("hear", func(ctx context.Context, _ hooks.Tx, u *db.User) error {
		_ = actors.heard(&actors.actors, db.StampOf(ctx).Actor)
		if u.Email != nil && *u.Email == "no@example.com" {
			return hooks.Reject("unwanted", "Not that one.")
		}
		return nil
	})
	r := newRigOn(t, reg)
	r.exec(seed)
	r.exec(`delete from auth.jobs`)
	r.working()
	var lines strings.Builder
	for i := range 250 {
		fmt.Fprintf(&lines, `{"email": "u%d@example.com", "name": "%d"}`+"\n", i, i)
	}
	lines.WriteString("\nnonsense\n" + `{"email": "no@example.com"}` + "\n" + `{"email": "u1@example.com"}` + "\n" + `{"color": 1, "email": "x"}` + "\n" +
		`{"email": "hash@example.com", "password_hash": "$argon2id$v=19$m=65536,t=1,p=2$c2FsdHNhbHQ$aGFzaA"}`)
	j := r.imported(false, lines.String())
	if j.Status != "completed" || j.Percentage != 100 || j.Summary.Inserted != 251 || j.Summary.Failed != 4 || j.Summary.Total != 255 {
		t.Errorf("the job is %+v", j)
	}
	if _, _, heard := actors.take(); len(heard) != 253 || heard[0] != "tester" { // 251, the refused and the one that is there
		t.Errorf("the hook ran %d times, for %v", len(heard), heard[:1])
	}
	wrong := into[[]struct {
		Line   int
		User   map[string]string
		Errors []struct{ Code, Message string }
	}](r, r.as("GET", "/api/v2/jobs/"+j.ID+"/errors", "").want(t, 200, ""))
	var told []string
	for _, w := range wrong {
		told = append(told, strings.Join(strings.Fields(fmt.Sprintln(w.Line, w.User["email"], w.Errors[0].Code)), " "))
	}
	if got := strings.Join(told, ", "); got != "252 invalid_request, 253 no@example.com unwanted, 254 u1@example.com conflict, 255 x invalid_request" {
		t.Errorf("the errors are %s", got)
	}
	if n := one[int](r, `select count(*) from auth.users where connection = 'mine' and user_id like 'auth0|%'`); n != 251 {
		t.Errorf("there are %d users", n)
	}
	if n := one[int](r, `select (select count(*) from auth.passwords) * 10 + (select count(*) from auth.job_chunks)`); n != 10 {
		t.Errorf("passwords and chunks: %d", n)
	}
	j = r.imported(true, `[{"email": "u1@example.com", "name": "changed"}, {"email": "new@example.com"}]`)
	if j.Summary.Updated != 1 || j.Summary.Inserted != 1 || one[string](r, `select name from auth.users where email = 'u1@example.com'`) != "changed" {
		t.Errorf("the second job is %+v", j)
	}
	if j = r.imported(false, `[{"email": "a@example.com"}, nonsense`); j.Status != "failed" || j.Summary.Inserted != 1 || !strings.Contains(j.Details, "user 2") {
		t.Errorf("the third job is %+v", j)
	}
	m := r.sdk()
	sdk := &management.Job{ConnectionID: auth0.String("con_mine"), Users: []map[string]any{{"email": "sdk@example.com"}}}
	r.ok(m.Job.ImportUsers(t.Context(), sdk))
	if j = r.over(sdk.GetID()); j.Summary.Inserted != 1 {
		t.Errorf("the client's job is %+v", j)
	}
}
