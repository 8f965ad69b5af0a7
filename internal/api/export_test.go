package api_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/auth0/go-auth0"
	"github.com/auth0/go-auth0/management"
)

// exported asks for an export and waits for its file.
func (r *rig) exported(body string) answer {
	r.t.Helper()
	j := r.over(into[shownJob](r, r.as("POST", "/api/v2/jobs/users-exports", body).want(r.t, 200, "pending")).ID)
	r.equal("the status", j.Status, "completed")
	r.equal("the location", j.Location, "/api/v2/jobs/"+j.ID+"/file")
	return r.as("GET", j.Location, "").want(r.t, 200, "")
}

func TestExport(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(`delete from auth.jobs`)
	r.exec(`insert into auth.connections (tenant_id, id, name, strategy) values ('acme', 'con_mine', 'mine', 'auth0'), ('acme', 'con_none', 'none', 'auth0')`)
	r.exec(`insert into auth.users (tenant_id, user_id, email, name, connection, user_metadata)
		select 'acme', 'auth0|' || lpad(n::text, 3, '0'), n || '@example.com', 'a "b", c', 'mine', '{"color": {"red": 1}}' from generate_series(1, 250) n`)
	r.exec(`insert into auth.users (tenant_id, user_id, email, linked_to) values ('acme', 'auth0|linked', 'linked@example.com', 'auth0|001')`)
	r.exec(`insert into auth.users (tenant_id, user_id, email) values ('acme', 'auth0|other', 'other@example.com'), ('globex', 'auth0|theirs', 'theirs@example.com')`)
	r.exec(`insert into auth.passwords (tenant_id, user_id, hash) values ('acme', 'auth0|001', '$argon2id$hunter2')`)

	pending := into[shownJob](r, r.as("POST", "/api/v2/jobs/users-exports", `{"format": "json"}`).want(t, 200, "pending"))
	r.as("GET", "/api/v2/jobs/"+pending.ID+"/file", "").want(t, 409, "The job is pending")
	// an export that was cut off in its third page
	r.exec(`update auth.jobs set status = 'processing', claims = 1, processed = 200, leased_until = now() - interval '1 second'`)
	r.exec(`insert into auth.job_chunks (tenant_id, job_id, number, data) select 'acme', $1, n, 'stale' from generate_series(0, 5) n`, pending.ID)
	r.working()
	r.over(pending.ID)
	all := r.as("GET", "/api/v2/jobs/"+pending.ID+"/file", "").want(t, 200, "")
	r.equal("the type", all.header.Get("Content-Type"), "application/x-ndjson")
	seen := map[string]bool{}
	for _, line := range strings.Split(all.text, "\n") {
		var u shownUser
		r.ok(json.Unmarshal([]byte(line), &u))
		seen[u.UserID] = true
	}
	if len(seen) != 251 || strings.Count(all.text, "\n") != 250 || seen["auth0|linked"] || !seen["auth0|other"] || strings.Contains(all.text, "hunter2") {
		t.Errorf("%d users in %d lines", len(seen), strings.Count(all.text, "\n")+1)
	}

	table := r.exported(`{"connection_id": "con_mine", "format": "csv", "limit": 200, "fields": [{"name": "name"}, {"name": "user_metadata.color", "export_as": "color"},
		{"name": "identities[0].user_id"}, {"name": "blocked"}, {"name": "username"}]}`)
	r.equal("the type", table.header.Get("Content-Type"), "text/csv")
	records, err := csv.NewReader(strings.NewReader(table.text)).ReadAll()
	r.ok(err)
	r.equal("the number of records", len(records), 201)
	r.equal("the titles", fmt.Sprint(records[0]), "[name color identities[0].user_id blocked username]")
	r.equal("the last", fmt.Sprintf("%q", records[200]), `["a \"b\", c" "{\"red\":1}" "200" "false" ""]`)
	r.equal("two fields", r.exported(`{"limit": 1, "fields": [{"name": "email"}, {"name": "user_metadata.color.red", "export_as": "red"}]}`).text, `{"email":"1@example.com","red":1}`)
	r.equal("nobody", r.exported(`{"connection_id": "con_none"}`).text, "")
	if usual := r.exported(`{"connection_id": "con_none", "format": "csv"}`).text; !strings.HasPrefix(usual, "user_id,email,") || !strings.HasSuffix(usual, ",connection") {
		t.Errorf("the usual fields are %s", usual)
	}

	r.as("POST", "/api/v2/jobs/users-exports", `{"fields": [{"name": "password"}]}`).want(t, 400, "fields[0].name: a user has no password")
	r.as("POST", "/api/v2/jobs/users-exports", `{"format": "xml"}`).want(t, 400, "format: ")
	r.as("POST", "/api/v2/jobs/users-exports", `{"limit": 0}`).want(t, 400, "limit: ")
	r.exec(`insert into auth.jobs (tenant_id, id, type, status) values ('acme', 'job_in', 'users_import', 'completed')`)
	r.as("GET", "/api/v2/jobs/job_in/file", "").want(t, 404, "no file")

	m, ctx := r.sdk(), t.Context()
	sdk := &management.Job{ConnectionID: auth0.String("con_mine"), Format: auth0.String("csv"), Limit: auth0.Int(5), Fields: []map[string]any{{"name": "email", "export_as": "mail"}}}
	r.ok(m.Job.ExportUsers(ctx, sdk))
	r.over(sdk.GetID())
	done, err := m.Job.Read(ctx, sdk.GetID())
	r.ok(err)
	r.equal("its format", done.GetFormat(), "csv")
	r.equal("its file", strings.Join(strings.Fields(r.as("GET", done.GetLocation(), "").text), " "), "mail 1@example.com 2@example.com 3@example.com 4@example.com 5@example.com")
}
