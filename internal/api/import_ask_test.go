package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// listens is an Asker without a network, which agrees to all but those whom refuse names.
type listens struct {
	rig    *rig
	refuse string
	meddle func() // before it answers

	mu    sync.Mutex
	asked []string // trigger and address
}

func (l *listens) Ask(ctx context.Context, q *db.Question) (db.Answer, error) {
	rows, err := l.rig.pool.Query(ctx, `select hook_id from auth.hooks where tenant_id = $1 and trigger_id = $2 and enabled`, q.TenantID, q.Trigger)
	if err != nil {
		return db.Answer{}, err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(ids) == 0 {
		return db.Answer{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = append(l.asked, q.Trigger+" "+*q.User.Email)
	if *q.User.Email == l.refuse {
		return db.Answer{}, &hooks.Rejection{Hook: ids[0], Code: "webhook_refused", Reason: "Not that one."}
	}
	if l.meddle != nil {
		l.meddle()
	}
	return db.Answer{Asked: ids}, nil
}

// take is what was asked since, in the order of the alphabet: several are asked at once.
func (l *listens) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	asked := l.asked
	l.asked = nil
	slices.Sort(asked)
	return asked
}

func newImportAsking(t *testing.T) (*rig, *listens) {
	t.Helper()
	l := &listens{}
	r := newRigAsking(t, nil, l)
	l.rig = r
	r.exec(seed)
	r.exec(`delete from auth.jobs`)
	r.working()
	return r, l
}

func (r *rig) mustAsk(trigger string) {
	r.t.Helper()
	r.exec(`insert into auth.hooks (tenant_id, hook_id, trigger_id, url) values ('acme', $1, $1, 'https://example.com')`, trigger)
}

// Who is there is asked about as an update, who isn't as a creation, each once, and what was agreed to is written.
func TestImportAsks(t *testing.T) {
	t.Parallel()
	r, l := newImportAsking(t)
	r.imported(false, `[{"email": "old@example.com", "name": "old", "user_metadata": {"kept": 1}}, {"email": "no@example.com"}]`)
	if asked := l.take(); len(asked) != 0 {
		t.Errorf("asked %q, and there is no webhook", asked)
	}
	r.mustAsk("pre-user-update")
	file := `{"email": " Old@Example.com", "name": "new", "user_metadata": {"color": "red"}}` + "\n" + `{"email": "no@example.com", "name": "new"}` + "\n" + `{"email": "fresh@example.com"}`
	l.refuse = "no@example.com"
	j := r.imported(true, file)
	if j.Status != "completed" || j.Summary.Updated != 1 || j.Summary.Failed != 1 || j.Summary.Inserted != 1 || j.Summary.Total != 3 {
		t.Errorf("the job is %+v", j)
	}
	if asked := l.take(); !slices.Equal(asked, []string{"pre-user-update no@example.com", "pre-user-update old@example.com"}) {
		t.Errorf("asked %q", asked)
	}
	const old = `select name || ' ' || user_metadata::text from auth.users where email = 'old@example.com'`
	if got := one[string](r, old); got != `new {"kept": 1, "color": "red"}` {
		t.Errorf("it is %s", got)
	}
	r.as("GET", "/api/v2/jobs/"+j.ID+"/errors", "").want(t, 200, `"line":2`).want(t, 200, `"webhook_refused"`)

	r.mustAsk("pre-user-registration")
	l.refuse = ""
	var lines strings.Builder
	for i := range 130 {
		fmt.Fprintf(&lines, `{"email": "u%03d@example.com"}`+"\n", i)
	}
	j = r.imported(true, lines.String()+`{"email": "u007@example.com", "name": "again"}`+"\nnonsense\n"+`{"email": "old@example.com", "name": "last"}`)
	if j.Status != "completed" || j.Summary.Inserted != 130 || j.Summary.Updated != 2 || j.Summary.Failed != 1 {
		t.Errorf("the job is %+v", j)
	}
	asked := l.take()
	if len(asked) != 132 || asked[131] != "pre-user-update u007@example.com" || len(slices.Compact(asked)) != 132 {
		t.Errorf("asked %d times: %q", len(asked), asked)
	}
	if got := one[string](r, `select name from auth.users where email = 'u007@example.com'`); got != "again" {
		t.Errorf("the line that came twice left %s", got)
	}
}

// A user who is changed between the question and the write is asked about again.
func TestImportChangedBetween(t *testing.T) {
	t.Parallel()
	r, l := newImportAsking(t)
	r.imported(false, `[{"email": "ann@example.com", "name": "old"}]`)
	r.mustAsk("pre-user-update")
	times, most := 0, 2
	l.meddle = func() {
		if times++; times <= most {
			r.exec(`update auth.users set nickname = coalesce(nickname, '') || 'x' where email = 'ann@example.com'`)
		}
	}
	j := r.imported(true, `[{"email": "ann@example.com", "name": "new"}]`)
	if asked := l.take(); j.Summary.Updated != 1 || len(asked) != 3 {
		t.Errorf("asked %q, and the job is %+v", asked, j)
	}
	times, most = 0, 3
	j = r.imported(true, `[{"email": "ann@example.com", "name": "newer"}, {"email": "bob@example.com"}]`)
	if asked := l.take(); j.Status != "completed" || j.Summary.Failed != 1 || j.Summary.Inserted != 1 || len(asked) != 3 {
		t.Errorf("asked %q, and the job is %+v", asked, j)
	}
	if got := one[string](r, `select name || nickname from auth.users where email = 'ann@example.com'`); got != "newxxxxx" {
		t.Errorf("the user is %s", got)
	}
}

// A job that ends its workers is given up, and says where.
func TestJobGivenUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(seed)
	r.exec(`delete from auth.jobs`)
	row, err := r.store.Jobs.Create(t.Context(), "acme", db.CreateJob{Type: db.UsersExport, Options: json.RawMessage(`{"export": {"format": "json"}}`)})
	r.ok(err)
	r.exec(`update auth.jobs set status = 'processing', claims = 7, fruitless = 5, reached = 200, leased_until = now()`)
	r.working()
	j := r.over(row.ID)
	if j.Status != "failed" || !strings.Contains(j.Details, "begun 5 times") || !strings.Contains(j.Details, "first 200 users") {
		t.Errorf("the job is %+v", j)
	}
}
