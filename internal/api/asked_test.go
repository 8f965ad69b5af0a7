package api_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/internal/api"
)

// asker stands for the synchronous webhooks: it agrees, and notes what it was asked.
type asker struct {
	pool  *pgxpool.Pool
	after func() // what happens between the answer and the write

	mu    sync.Mutex
	asked []string
}

func (a *asker) Ask(ctx context.Context, q *db.Question) (db.Answer, error) {
	rows, err := a.pool.Query(ctx, `select hook_id from auth.hooks where tenant_id = $1 and trigger_id = $2`, q.TenantID, q.Trigger)
	if err != nil {
		return db.Answer{}, err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(ids) == 0 {
		return db.Answer{}, err
	}
	a.mu.Lock()
	a.asked = append(a.asked, q.Trigger)
	a.mu.Unlock()
	if a.after != nil {
		a.after()
	}
	return db.Answer{Asked: ids}, nil
}

// take is how often it was asked since.
func (a *asker) take() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := len(a.asked)
	a.asked = nil
	return n
}

// asking is a rig whose store asks.
func asking(t *testing.T, reg *db.Hooks) (*rig, *asker) {
	t.Helper()
	a := &asker{}
	r := newRigOn(t, reg, func(c *api.Config) {
		a.pool = c.Conn.(*pgxpool.Pool)
		store, err := db.Open(t.Context(), db.Config{DatabaseURL: a.pool.Config().ConnString(), Hooks: reg, Asker: a})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(store.Close)
		c.Store = store
	})
	r.exec(`insert into auth.hooks (tenant_id, hook_id, trigger_id, url) values
		('acme', 'c', 'pre-user-registration', 'https://example.com'), ('acme', 'u', 'pre-user-update', 'https://example.com')`)
	return r, a
}

// A user's password and its other fields are one write: webhooks are asked once, and each hook runs once.
func TestPasswordIsOneWrite(t *testing.T) {
	t.Parallel()
	reg, ran := db.NewHooks(), 0
	reg.Users.BeforeCreate("count", func(context.Context, hooks.Tx, *db.User) error { ran++; return nil })
	reg.Users.BeforeUpdate("count", func(_ context.Context, _ hooks.Tx, _ db.User, u *db.User) error {
		if ran++; *u.Name == "no" {
			return hooks.Reject("no", "No.")
		}
		return nil
	})
	r, a := asking(t, reg)
	const hash = `select md5(hash) from auth.passwords`
	for _, test := range []struct{ method, path, body string }{
		{"POST", "/users", `{"user_id": "a", "email": "a@example.com", "name": "a", "password": "correct horse"}`},
		{"PATCH", "/users/auth0%7Ca", `{"name": "b", "password": "another horse"}`},
		{"PATCH", "/users/auth0%7Ca", `{"password": "a third horse"}`},
	} {
		r.as(test.method, "/api/v2"+test.path, test.body).want(t, map[string]int{"POST": 201, "PATCH": 200}[test.method], "")
		if asked := a.take(); asked != 1 || ran != 1 {
			t.Errorf("%s %s asked %d times, and ran hooks %d times; want 1 and 1", test.method, test.body, asked, ran)
		}
		ran = 0
	}
	before := one[string](r, hash)
	r.as("PATCH", "/api/v2/users/auth0%7Ca", `{"name": "no", "password": "a fourth horse"}`).want(t, 400, "No.")
	r.equal("the password's hash", one[string](r, hash), before)
	if n := one[int](r, `select count(*) from auth.passwords`); n != 1 {
		t.Errorf("there are %d passwords", n)
	}
}

// Who loses the race for a user three times is told so.
func TestChangedMeanwhile(t *testing.T) {
	t.Parallel()
	r, a := asking(t, db.NewHooks())
	r.exec(seed)
	a.after = func() {
		r.exec(`update auth.users set nickname = coalesce(nickname, '') || 'x' where user_id = 'auth0|mine'`)
	}
	for _, body := range []string{`{"name": "b"}`, `{"name": "b", "password": "correct horse"}`} {
		r.as("PATCH", "/api/v2/users/auth0%7Cmine", body).want(t, 409, "The user was changed by others").want(t, 409, `"errorCode":"conflict"`)
		r.equal("times asked", a.take(), 3)
	}
	r.equal("names", one[int](r, `select count(*) from auth.users where name is not null`), 0)
	r.equal("passwords", one[int](r, `select count(*) from auth.passwords`), 0)
}

// A linked identity is no user: it is neither read nor changed nor deleted by its own id.
func TestLinkedIdentityIsNoUser(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(seed)
	for method, body := range map[string]string{"GET": "", "PATCH": `{"name": "x", "password": "correct horse"}`, "DELETE": ""} {
		r.as(method, "/api/v2/users/auth0%7Clinked", body).want(t, 404, "not_found")
	}
	r.equal("what is left of it", one[int](r, `select count(*) from auth.users where user_id = 'auth0|linked' and name is null`), 1)
}

// A host that is one tenant's takes no token of another.
func TestHostOfAnotherTenant(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(`insert into auth.tenant_hosts (tenant_id, host) values ('acme', '127.0.0.1')`)
	const roles = "/api/v2/roles"
	r.call("acme/read:roles", "GET", roles, "").want(t, 200, "")
	r.call("acme/read:roles", "GET", roles, "", "tenant-id", "acme").want(t, 200, "")
	r.call("globex/read:roles", "GET", roles, "").want(t, 403, "The token is of another tenant than the host").want(t, 403, `"errorCode":"wrong_tenant"`)
	r.call("globex/create:roles", "POST", roles, `{"name": "x"}`).want(t, 403, "wrong_tenant")
	r.call("-/read:roles", "GET", roles, "").want(t, 200, "")
	r.call("-/read:roles", "GET", roles, "", "tenant-id", "globex").want(t, 200, "") // the header names it, whatever the host
	r.equal("roles", one[int](r, `select count(*) from auth.roles`), 0)
}

// What Auth0 opens to several scopes takes any of them; and a client's secret is shown to whoever may read keys.
func TestAnyOfSeveralScopes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(seed)
	for _, scope := range []string{"read:users", "read:roles", "read:role_members"} {
		r.call("acme/"+scope, "GET", "/api/v2/users/auth0%7Cmine/roles", "").want(t, 200, "rol_mine")
		r.call("acme/"+scope, "GET", "/api/v2/roles/rol_mine/users", "").want(t, 200, "auth0|mine")
	}
	r.call("-/read:role_members", "GET", "/api/v2/roles/rol_mine/users", "", "tenant-id", "acme").want(t, 200, "")
	r.call("acme/create:role_members", "POST", "/api/v2/users/auth0%7Cmine/roles", `{"roles": ["rol_second"]}`).want(t, 204, "")
	r.call("acme/create:role_members", "DELETE", "/api/v2/users/auth0%7Cmine/roles", `{"roles": ["rol_second"]}`).want(t, 403, "the scope update:users or delete:role_members")

	made := into[struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}](r, r.as("POST", "/api/v2/clients", `{"name": "made"}`).want(t, 201, "client_secret"))
	for _, path := range []string{"/api/v2/clients", "/api/v2/clients/" + made.ID} {
		r.call("acme/read:client_keys", "GET", path, "").want(t, 200, made.Secret)
		if a := r.call("acme/read:clients", "GET", path, "").want(t, 200, made.ID); len(made.Secret) == 0 || strings.Contains(a.text, `"client_secret"`) {
			t.Errorf("without the scope for keys %s shows %s", path, a.text)
		}
	}
}

// A resource server takes the grants for it along, however many there are, and no other.
func TestResourceServerTakesGrants(t *testing.T) {
	t.Parallel()
	reg, n := db.NewHooks(), 0
	reg.ClientGrants.BeforeDelete("count", func(_ context.Context, _ hooks.Tx, g db.ClientGrant) error {
		if n++; g.ClientID == "kept" {
			return hooks.Reject("kept", "It is needed.")
		}
		return nil
	})
	r := newRigOn(t, reg)
	r.exec(seed)
	r.exec(`insert into auth.clients (tenant_id, client_id, name) select 'acme', 'c' || i, 'c' from generate_series(1, 101) i`)
	r.exec(`insert into auth.client_grants (tenant_id, client_id, audience) select 'acme', 'c' || i, 'urn:api' from generate_series(1, 101) i`)
	r.exec(`insert into auth.client_grants (tenant_id, client_id, audience) values ('acme', 'c1', 'urn:other')`)
	r.as("DELETE", "/api/v2/resource-servers/urn:api", "").want(t, 204, "")
	r.equal("hooks run", n, 102)
	r.equal("grants left", one[string](r, `select string_agg(audience, ',') from auth.client_grants`), "urn:other")

	r.exec(`insert into auth.resource_servers (tenant_id, id, identifier) values ('acme', 'api_kept', 'urn:kept')`)
	r.exec(`insert into auth.clients (tenant_id, client_id, name) values ('acme', 'kept', 'kept')`)
	r.exec(`insert into auth.client_grants (tenant_id, client_id, audience) values ('acme', 'kept', 'urn:kept')`)
	r.as("DELETE", "/api/v2/resource-servers/api_kept", "").want(t, 400, "It is needed.")
	r.equal("servers left", one[int](r, `select count(*) from auth.resource_servers`), 1)
}
