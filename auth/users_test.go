package auth_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/auth"
	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/hooks/hookstest"
)

// from is the context of a request by an application.
func from(t *testing.T) context.Context {
	t.Helper()
	return db.WithStamp(t.Context(), hooks.Stamp{ClientID: "shop", RequestID: "r1", IP: "10.0.0.1", UserAgent: "curl", GeoIP: &hooks.GeoIP{CountryCode: "DE"}})
}

const shop = `insert into auth.clients (tenant_id, client_id, name) values ('test', 'shop', 'The shop')`

const connections = `insert into auth.connections (tenant_id, id, name, strategy, enabled_clients)
	values ('test', 'con_2', 'mine', 'auth0', '{other,shop}'), ('test', 'con_1', 'first', 'auth0', '{shop}'), ('test', 'con_3', 'other', 'auth0', '{other}')`

func said(c *auth.Client, err error) string {
	if err != nil {
		return err.Error()
	}
	if c == nil {
		return "no client"
	}
	names := []string{c.Name}
	for _, connection := range c.Connections {
		names = append(names, connection.Name)
	}
	return strings.Join(names, ", ")
}

func request(r *auth.Request) string {
	if r == nil {
		return "no request"
	}
	return strings.Join([]string{r.ID, r.IP, r.UserAgent, r.GeoIP.CountryCode}, " ")
}

func TestPreUserRegistration(t *testing.T) {
	t.Parallel()
	reg, h := db.NewHooks(), &heard{}
	flows := auth.NewHooks(reg)
	flows.PreUserRegistration("set", func(ctx context.Context, tx hooks.Tx, ev *auth.PreUserRegistration, api auth.PreUserRegistrationAPI) error {
		h.add(ev.Tenant.ID, address(ev.User), request(&ev.Request), ev.ClientID, said(ev.Client(ctx)))
		ev.User.Blocked = true // changes nothing
		api.User.SetUserMetadata("ip", ev.Request.IP)
		api.User.SetUserMetadata("color", nil)
		_, err := tx.Exec(ctx, `insert into auth.logs (tenant_id, type) values ($1, 'seen')`, ev.Tenant.ID)
		return err
	})
	flows.PreUserRegistration("deny", func(_ context.Context, _ hooks.Tx, ev *auth.PreUserRegistration, api auth.PreUserRegistrationAPI) error {
		if ip, err := auth.Metadata[string](ev.User.UserMetadata, "ip"); err != nil || ip != ev.Request.IP {
			t.Errorf("the first hook's metadata: %q, %v", ip, err)
		}
		if strings.HasSuffix(address(ev.User), "@evil.com") {
			api.Deny("Not from there")
		}
		return nil
	})
	env := hookstest.New(t, reg)
	env.SQL(shop)
	env.SQL(connections)
	email := " Ann@X.com "
	u, err := env.Store.Users.Create(from(t), tenant, db.CreateUser{UserID: "ann", Email: &email, UserMetadata: json.RawMessage(`{"color": "blue", "size": 7}`)})
	if err != nil || u.Blocked {
		t.Fatal(err)
	}
	ip, _ := auth.Metadata[string](u.UserMetadata, "ip")
	size, _ := auth.Metadata[int](u.UserMetadata, "size")
	if ip != "10.0.0.1" || size != 7 || strings.Contains(string(u.UserMetadata), "color") || strings.Contains(string(u.AppMetadata), "ip") {
		t.Errorf("metadata %s %s", u.UserMetadata, u.AppMetadata)
	}
	h.require(t, "test ann@x.com r1 10.0.0.1 curl DE shop The shop, first, mine")

	email = "bob@evil.com"
	_, err = env.Store.Users.Create(t.Context(), tenant, db.CreateUser{UserID: "bob", Email: &email})
	requireRejected(t, err, "pre-user-registration:deny", "registration_denied", "Not from there")
	h.require(t, "test bob@evil.com      no client")
	gone := db.WithStamp(t.Context(), hooks.Stamp{ClientID: "gone"})
	if _, err = env.Store.Users.Create(gone, tenant, db.CreateUser{UserID: "cid"}); err != nil {
		t.Fatal(err)
	}
	h.require(t, "test cid     gone no client")
	var users, lines int
	if err := env.Pool().QueryRow(t.Context(), `select (select count(*) from auth.users), (select count(*) from auth.logs)`).Scan(&users, &lines); err != nil || users != 2 || lines != 2 {
		t.Errorf("%d users, %d lines, %v", users, lines, err)
	}
}

func TestPreUserRegistrationFails(t *testing.T) {
	t.Parallel()
	reg := db.NewHooks()
	flows := auth.NewHooks(reg)
	flows.PreUserRegistration("x", func(_ context.Context, _ hooks.Tx, ev *auth.PreUserRegistration, api auth.PreUserRegistrationAPI) error {
		switch ev.User.UserID {
		case "error":
			return errors.New("broken")
		case "json":
			api.User.SetUserMetadata("x", func() {})
		}
		return nil
	})
	env := hookstest.New(t, reg)
	for id, says := range map[string]string{"error": "broken", "json": `user metadata "x"`} {
		_, err := env.Store.Users.Create(t.Context(), tenant, db.CreateUser{UserID: id})
		requireFault(t, err, "pre-user-registration:x", says)
	}
}

// What comes from the log knows the request of a write of ours, and that there was none behind another's.
func TestPostUserHooks(t *testing.T) {
	t.Parallel()
	reg, h := db.NewHooks(), &heard{}
	flows := auth.NewHooks(reg)
	flows.Serve(auth.Services{Tokens: minted{}})
	flows.PostUserRegistration("x", func(ctx context.Context, _ hooks.Tx, ev *auth.PostUserRegistration, api auth.PostUserRegistrationAPI) error {
		token, err := api.Token.CreateServiceToken(ctx, auth.ServiceToken{Scope: "a"})
		h.add("registered", ev.Tenant.ID, ev.User.UserID, request(ev.Request), ev.ClientID, said(ev.Client(ctx)), ev.Event.Stamp().Origin, token)
		return err
	})
	flows.PostUserDeletion("x", func(ctx context.Context, _ hooks.Tx, ev *auth.PostUserDeletion, api auth.PostUserDeletionAPI) error {
		token, err := api.Token.CreateServiceToken(ctx, auth.ServiceToken{Scope: "b"})
		h.add("deleted", ev.Tenant.ID, ev.UserID, *ev.User.Name, request(ev.Request), ev.Event.Operation.String(), token)
		return err
	})
	env := hookstest.New(t, reg)
	env.SQL(shop)
	name := "A"
	for _, id := range []string{"ann", "eve"} {
		if _, err := env.Store.Users.Create(from(t), tenant, db.CreateUser{UserID: id, Name: &name}); err != nil {
			t.Fatal(err)
		}
	}
	env.SQL(`insert into auth.users (tenant_id, user_id, name) values ('test', 'bob', 'B')`)
	env.CatchUp()
	h.require(t, "registered test ann r1 10.0.0.1 curl DE shop The shop app test a 0s", "registered test eve r1 10.0.0.1 curl DE shop The shop app test a 0s",
		"registered test bob no request  no client external test a 0s")
	if err := env.Store.Users.Delete(from(t), tenant, "ann"); err != nil {
		t.Fatal(err)
	}
	env.SQL(`update auth.users set name = 'C'`)
	env.SQL(`delete from auth.users`)
	env.CatchUp()
	h.require(t, "deleted test ann A r1 10.0.0.1 curl DE delete test b 0s", "deleted test eve C no request delete test b 0s", "deleted test bob C no request delete test b 0s")
	env.RequireRuns("post-user-registration:x", 3)
	env.RequireRuns("post-user-deletion:x", 3)
}

// updates is what a hook may read of what was asked.
func updates(in db.UpdateUser) string {
	email, _ := in.Email.Get()
	metadata, _ := in.UserMetadata.Get()
	return strings.Join([]string{strings.Join(in.Fields(), ","), email, string(metadata)}, " ")
}

func TestPreUserUpdate(t *testing.T) {
	t.Parallel()
	reg, h := db.NewHooks(), &heard{}
	reg.Users.BeforeUpdate("earlier", func(_ context.Context, _ hooks.Tx, _ db.User, u *db.User) error {
		nick := "by a hook"
		u.Nickname = &nick
		return nil
	})
	flows := auth.NewHooks(reg)
	flows.PreUserUpdate("x", func(_ context.Context, _ hooks.Tx, ev *auth.PreUserUpdate, api auth.PreUserUpdateAPI) error {
		h.add(ev.Tenant.ID, ev.UserID, address(ev.User), ev.Request.IP, updates(ev.Updates))
		if email, asked := ev.Updates.Email.Get(); asked && email == "no@x.com" {
			api.Cancel("Not that one")
		}
		api.User.SetUserMetadata("by", "hook")
		return nil
	})
	env := hookstest.New(t, reg)
	ann(t, env)
	change := func(in db.UpdateUser) (db.User, error) { return env.Store.Users.Update(from(t), tenant, "ann", in) }

	// A field that stays as it is was asked for too; one that a hook changes wasn't.
	u, err := change(db.UpdateUser{Email: db.Set(" ANN@x.com "), Blocked: db.Set(true)})
	if err != nil || string(u.UserMetadata) != `{"by": "hook"}` || *u.Nickname != "by a hook" {
		t.Errorf("%+v, %v", u, err)
	}
	h.require(t, "test ann ann@x.com 10.0.0.1 email,blocked ann@x.com ")
	_, err = change(db.UpdateUser{Email: db.Set("no@x.com")})
	requireRejected(t, err, "pre-user-update:x", "update_cancelled", "Not that one")
	h.require(t, "test ann ann@x.com 10.0.0.1 email no@x.com ")
	if _, err = change(db.UpdateUser{Email: db.Set(" ")}); err != nil {
		t.Fatal(err)
	}
	h.require(t, "test ann ann@x.com 10.0.0.1 email  ")

	// In a transaction of the caller's, with metadata that is merged.
	err = env.Store.InTx(t.Context(), func(tx *db.Tx) error {
		u, err = tx.Users.Update(t.Context(), tenant, "ann", db.UpdateUser{UserMetadata: db.Set(json.RawMessage(`{"a":1}`)), MergeMetadata: true})
		return err
	})
	if err != nil || string(u.UserMetadata) != `{"a": 1, "by": "hook"}` {
		t.Errorf("%s, %v", u.UserMetadata, err)
	}
	h.require(t, `test ann ann  user_metadata  {"a":1}`)

	// A link is no update; nothing at all is one.
	env.SQL(`insert into auth.users (tenant_id, user_id) values ('test', 'bob')`)
	if _, err = change(db.UpdateUser{LinkedTo: db.Set("bob")}); err != nil {
		t.Fatal(err)
	}
	h.require(t)
	if _, err = change(db.UpdateUser{}); err != nil {
		t.Fatal(err)
	}
	h.require(t, "test ann ann 10.0.0.1   ")
}

// What a webhook adds wasn't asked for either.
func TestUpdatesWithoutTheWebhooks(t *testing.T) {
	t.Parallel()
	reg, h := db.NewHooks(), &heard{}
	auth.NewHooks(reg).PreUserUpdate("x", func(_ context.Context, _ hooks.Tx, ev *auth.PreUserUpdate, _ auth.PreUserUpdateAPI) error {
		h.add(updates(ev.Updates))
		return nil
	})
	env := hookstest.New(t, reg)
	ann(t, env)
	sink := env.Webhook("pre-user-update")
	sink.Answer(func(w http.ResponseWriter, _ hookstest.Webhook) {
		_, _ = w.Write([]byte(`{"user_metadata": {"theirs": 1}}`))
	})
	u, err := env.Store.Users.Update(t.Context(), tenant, "ann", db.UpdateUser{Name: db.Set("Ann")})
	if err != nil || string(u.UserMetadata) != `{"theirs": 1}` {
		t.Errorf("%s, %v", u.UserMetadata, err)
	}
	h.require(t, "name  ", "name  ") // the first run was in vain: the store didn't know of the webhook
}

// Tried on a write that went past the repositories, the hook is told what that changed.
func TestPreUserUpdateAudits(t *testing.T) {
	t.Parallel()
	reg := db.NewHooks()
	reg.Users.Policy(hooks.PolicyAudit)
	told := make(chan string, 8)
	auth.NewHooks(reg).PreUserUpdate("x", func(_ context.Context, _ hooks.Tx, ev *auth.PreUserUpdate, api auth.PreUserUpdateAPI) error {
		told <- updates(ev.Updates)
		api.Cancel("")
		return nil
	})
	env := hookstest.New(t, reg)
	env.SQL(`insert into auth.users (tenant_id, user_id, email) values ('test', 'bob', 'bob@x.com')`)
	env.SQL(`update auth.users set email = 'bobby@x.com', blocked = true, name = 'Bob'`)
	env.CatchUp()
	if got := <-told; got != "email,name,blocked bobby@x.com " {
		t.Errorf("it was told %q", got)
	}
	var refused int
	if err := env.Pool().QueryRow(t.Context(), `select count(*) from auth.logs where type = 'unhooked_write' and details::text like '%update_cancelled%'`).Scan(&refused); err != nil || refused != 1 {
		t.Errorf("%d lines, %v", refused, err)
	}
}

func TestPreUserDeletion(t *testing.T) {
	t.Parallel()
	reg, h := db.NewHooks(), &heard{}
	auth.NewHooks(reg).PreUserDeletion("x", func(_ context.Context, _ hooks.Tx, ev *auth.PreUserDeletion, api auth.PreUserDeletionAPI) error {
		h.add(ev.Tenant.ID, ev.UserID, ev.Request.IP)
		protected, err := auth.Metadata[bool](ev.User.AppMetadata, "protected")
		if protected {
			api.Cancel("")
		}
		return err
	}, hooks.Timeout(time.Second))
	env := hookstest.New(t, reg)
	env.SQL(`insert into auth.users (tenant_id, user_id, app_metadata) values ('test', 'ann', '{}'), ('test', 'root', '{"protected": true}')`)
	env.SQL(`insert into auth.users (tenant_id, user_id, linked_to) values ('test', 'linked', 'ann')`)
	err := env.Store.Users.Delete(from(t), tenant, "root")
	requireRejected(t, err, "pre-user-deletion:x", "deletion_cancelled", "The deletion was cancelled")
	if err := env.Store.Users.Delete(t.Context(), tenant, "ann"); err != nil {
		t.Fatal(err)
	}
	h.require(t, "test root 10.0.0.1", "test ann ", "test linked ")
	var left []string
	if err := env.Pool().QueryRow(t.Context(), `select array_agg(user_id) from auth.users`).Scan(&left); err != nil || !slices.Equal(left, []string{"root"}) {
		t.Errorf("%q, %v", left, err)
	}
}
