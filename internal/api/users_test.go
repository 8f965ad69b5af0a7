package api_test

import (
	"strings"
	"testing"
	"time"
)

type shownUser struct {
	UserID       string         `json:"user_id"`
	Name         string         `json:"name"`
	LoginsCount  int            `json:"logins_count"`
	LastLogin    *time.Time     `json:"last_login"`
	UserMetadata map[string]any `json:"user_metadata"`
	AppMetadata  map[string]any `json:"app_metadata"`
}

// names lists the users that a query finds.
func (r *rig) names(query string) string {
	r.t.Helper()
	var names []string
	for _, u := range into[[]shownUser](r, r.as("GET", "/api/v2/users?"+query, "").want(r.t, 200, "")) {
		names = append(names, u.Name)
	}
	return strings.Join(names, " ")
}

func TestFindUsers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(`insert into auth.users (tenant_id, user_id, email, name, blocked, created_at) values
		('acme', 'auth0|1', 'ada@example.com', 'ada', false, '2026-01-01'), ('acme', 'auth0|2', 'bob@example.com', 'bob', true, '2026-01-02T12:00:00Z'),
		('acme', 'google|3', 'cid@other.com', 'cid', false, '2026-02-01'), ('globex', 'auth0|4', 'dan@example.com', 'dan', false, '2026-01-01')`)
	r.exec(`update auth.users set connection = 'google' where user_id = 'google|3'`)
	for query, want := range map[string]string{
		"":                                   "ada bob cid",
		"sort=name:-1":                       "cid bob ada",
		`q=email:"bob@example.com"`:          "bob",
		"q=email:a*":                         "ada",
		"q=blocked:true&search_engine=v3":    "bob",
		"q=name:b*%20AND%20blocked:false":    "",
		"q=identities.connection:google":     "cid",
		"connection=google":                  "cid",
		"q=created_at:[2026-01-01%20TO%20*]": "ada bob cid",
		"q=created_at:[*%20TO%202026-01-02]": "ada bob",
		"q=created_at:[2026-01-02T12:00:00Z%20TO%202026-01-31]%20blocked:true": "bob",
		"per_page=1&page=1&sort=name:1":                                        "bob",
	} {
		if got := r.names(query); got != want {
			t.Errorf("%s found %q, want %q", query, got, want)
		}
	}
	for query, message := range map[string]string{
		"q=password:x":              `there is no field`,
		"q=tenant_id:globex":        `there is no field`,
		"sort=password:1":           `there is no field`,
		"sort=name":                 `neither`,
		"q=created_at:yesterday":    `range of times`,
		"q=created_at:[a%20TO%20b]": `range of times`,
		"q=email:%22x":              `closing quote`,
		"per_page=101":              `per_page`,
		"search_engine=v1":          `search_engine`,
		"from=x&page=1":             `without page`,
		"fields=a,,b":               `empty name`,
	} {
		r.as("GET", "/api/v2/users?"+query, "").want(t, 400, message)
	}
	if a := r.as("GET", "/api/v2/users/auth0%7C1?fields=name,email", ""); a.text != `{"email":"ada@example.com","name":"ada"}` {
		t.Errorf("the fields are %s", a.text)
	}
	if a := r.as("GET", "/api/v2/users/auth0%7C1?fields=email&include_fields=false", ""); strings.Contains(a.text, `"email"`) || !strings.Contains(a.text, `"name"`) {
		t.Errorf("without the field: %s", a.text)
	}
}

func TestPatchUser(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	u := into[shownUser](r, r.as("POST", "/api/v2/users", `{"user_id": "x", "email": "a@example.com", "name": "a", "user_metadata": {"a": 1, "b": {"c": 1}}, "app_metadata": {"a": 1}}`).want(t, 201, ""))
	if u.UserID != "auth0|x" {
		t.Errorf("the id is %s", u.UserID)
	}
	path := "/api/v2/users/" + u.UserID
	got := into[shownUser](r, r.as("PATCH", path, `{"user_metadata": {"a": null, "b": {"d": 1}}, "name": null}`).want(t, 200, ""))
	if got.Name != "" || len(got.UserMetadata) != 1 || len(got.UserMetadata["b"].(map[string]any)) != 1 || len(got.AppMetadata) != 1 {
		t.Errorf("patched %+v", got)
	}
	got = into[shownUser](r, r.as("PATCH", path, `{"user_metadata": {}, "app_metadata": null}`).want(t, 200, ""))
	if len(got.UserMetadata) != 0 || len(got.AppMetadata) != 0 {
		t.Errorf("cleared %+v", got)
	}
	r.as("PATCH", path, `{"password": "correct horse", "connection": "Username-Password-Authentication"}`).want(t, 200, "")
	if hash := one[string](r, `select hash from auth.passwords`); !strings.HasPrefix(hash, "$argon2id$") {
		t.Errorf("the password is kept as %q", hash)
	}
	r.as("PATCH", path, `{"connection": "other"}`).want(t, 400, "connection: ")
	r.as("PATCH", path, `{"email": "nonsense", "blocked": "yes", "color": 1}`).want(t, 400, "email: ").want(t, 400, "blocked: ").want(t, 400, "color: ")
	r.as("POST", "/api/v2/users", `{"email": "A@example.com"}`).want(t, 409, "email")
	r.as("POST", "/api/v2/users", `{"email": "b@example.com", "connection": "none"}`).want(t, 400, "connection: ")
	r.exec(`insert into auth.user_stats (tenant_id, user_id, login_count, last_login) values ('acme', 'auth0|x', 3, now())`)
	if got = into[shownUser](r, r.as("GET", path, "")); got.LoginsCount != 3 || got.LastLogin == nil {
		t.Errorf("the stats are %+v", got)
	}
}

func TestTickets(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(seed)
	type link struct{ Ticket string }
	got := into[link](r, r.as("POST", "/api/v2/tickets/email-verification", `{"user_id": "auth0|mine", "ttl_sec": 60}`).want(t, 201, ""))
	if !strings.HasPrefix(got.Ticket, "https://id.test/u/email-verification?tenant=acme&ticket=") {
		t.Errorf("the link is %s", got.Ticket)
	}
	_, token, _ := strings.Cut(got.Ticket, "ticket=")
	ticket, err := r.store.Tickets.Find(t.Context(), "acme", "verify_email", token)
	r.ok(err)
	r.equal("its user", ticket.UserID, "auth0|mine")
	r.as("POST", "/api/v2/tickets/password-change", `{"email": "mine@example.com", "connection_id": "con_mine"}`).want(t, 404, "not_found")
	r.exec(`update auth.users set connection = 'mine' where user_id = 'auth0|mine'`)
	r.as("POST", "/api/v2/tickets/password-change", `{"email": "mine@example.com", "connection_id": "con_mine"}`).want(t, 201, "u/reset-verify")
	r.as("POST", "/api/v2/tickets/password-change", `{"email": "mine@example.com"}`).want(t, 400, "user_id: ")
}
