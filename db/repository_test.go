package db_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/pgtest"
)

func TestRoles(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	role, err := e.Roles.Create(ctx, "acme", db.CreateRole{Name: "  editor ", Description: "edits"})
	ok(t, err)
	if !strings.HasPrefix(role.ID, "rol_") || len(role.ID) != 20 || role.TenantID != "acme" || role.Name != "editor" ||
		string(role.Metadata) != "{}" || role.CreatedAt.IsZero() || !role.CreatedAt.Equal(role.UpdatedAt) {
		t.Errorf("created %+v", role)
	}
	got, err := e.Roles.Get(ctx, "acme", role.ID)
	ok(t, err)
	if !got.CreatedAt.Equal(role.CreatedAt) || got.Name != "editor" || got.Description != "edits" {
		t.Errorf("got %+v, created %+v", got, role)
	}

	updated, err := e.Roles.Update(ctx, "acme", role.ID, db.UpdateRole{Description: db.Null[string]()})
	ok(t, err)
	if updated.Name != "editor" || updated.Description != "" || !updated.CreatedAt.Equal(role.CreatedAt) || !updated.UpdatedAt.After(role.UpdatedAt) {
		t.Errorf("updated %+v", updated)
	}
	updated, err = e.Roles.Update(ctx, "acme", role.ID, db.UpdateRole{Name: db.Set("author"), Metadata: db.Set(json.RawMessage(`{"a": 1}`))})
	ok(t, err)
	if updated.Name != "author" || string(updated.Metadata) != `{"a": 1}` {
		t.Errorf("updated %+v", updated)
	}
	updated, err = e.Roles.Update(ctx, "acme", role.ID, db.UpdateRole{Metadata: db.Null[json.RawMessage]()})
	ok(t, err)
	if string(updated.Metadata) != "{}" {
		t.Errorf("metadata %s", updated.Metadata)
	}
	ok(t, e.Roles.Delete(ctx, "acme", role.ID))
	_, err = e.Roles.Get(ctx, "acme", role.ID)
	wantError(t, err, db.ErrNotFound)
}

func TestWriteErrors(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	role := e.role(t, "editor")
	other := e.role(t, "author")
	refs := e.permissions(t, "https://api", "read")

	_, err := e.Roles.Create(ctx, "acme", db.CreateRole{Name: "editor"})
	wantConflict(t, err, "name")
	_, err = e.Roles.Create(ctx, "acme", db.CreateRole{ID: role.ID, Name: "x"})
	wantConflict(t, err, "id")
	_, err = e.Roles.Update(ctx, "acme", other.ID, db.UpdateRole{Name: db.Set("editor")})
	wantConflict(t, err, "name")
	_, err = e.Roles.Create(ctx, "acme", db.CreateRole{Name: " "})
	wantInvalid(t, err, "name")
	_, err = e.Roles.Update(ctx, "acme", role.ID, db.UpdateRole{Name: db.Null[string]()})
	wantInvalid(t, err, "name")
	_, err = e.Roles.Create(ctx, "acme", db.CreateRole{Name: "x", Metadata: json.RawMessage(`[1]`)})
	wantInvalid(t, err, "metadata")
	_, err = e.Roles.Create(ctx, "acme", db.CreateRole{Name: "x", Metadata: json.RawMessage(`{"a":`)})
	wantInvalid(t, err, "metadata")
	_, err = e.Roles.Create(ctx, "nowhere", db.CreateRole{Name: "x"})
	wantInvalid(t, err, "tenant_id")
	_, err = e.Roles.Create(ctx, "acme", db.CreateRole{Name: "x\x00"})
	wantInvalid(t, err, "")
	_, err = e.Roles.Create(ctx, "acme", db.CreateRole{Name: "x", Metadata: json.RawMessage(`{"a": "\u0000"}`)})
	wantInvalid(t, err, "")
	_, err = e.Roles.Update(ctx, "acme", "rol_none", db.UpdateRole{Name: db.Set("x")})
	wantError(t, err, db.ErrNotFound)
	wantError(t, e.Roles.Delete(ctx, "acme", "rol_none"), db.ErrNotFound)

	_, err = e.Permissions.Create(ctx, "acme", db.CreatePermission{PermissionRef: refs[0]})
	wantConflict(t, err, "permission_name")
	_, err = e.Permissions.Create(ctx, "acme", db.CreatePermission{PermissionRef: db.PermissionRef{ResourceServerIdentifier: "none", PermissionName: "x"}})
	wantInvalid(t, err, "resource_server_identifier")
	_, err = e.ResourceServers.Create(ctx, "acme", db.CreateResourceServer{Identifier: "https://api"})
	wantConflict(t, err, "identifier")
	_, err = e.ResourceServers.Create(ctx, "acme", db.CreateResourceServer{Identifier: "x", Scopes: json.RawMessage(`{}`)})
	wantInvalid(t, err, "scopes")
	_, err = e.ResourceServers.Create(ctx, "acme", db.CreateResourceServer{Identifier: "x", TokenLifetimeForWeb: -1})
	wantInvalid(t, err, "token_lifetime_for_web")
	_, err = e.Tenants.Create(ctx, db.CreateTenant{ID: "acme"})
	wantConflict(t, err, "id")
	_, err = e.Tenants.Create(ctx, db.CreateTenant{})
	wantInvalid(t, err, "id")
}

// A row that a trigger leaves out is neither "not found" nor written.
func TestSuppressedByATrigger(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	role := e.role(t, "editor")
	e.exec(t, `create function leave_out() returns trigger language plpgsql as $$ begin return null; end $$;
		create trigger leave_out before insert or update on auth.roles for each row execute function leave_out()`)
	_, err := e.Roles.Create(t.Context(), "acme", db.CreateRole{Name: "x"})
	wantError(t, err, db.ErrSuppressed)
	_, err = e.Roles.Update(t.Context(), "acme", role.ID, db.UpdateRole{Name: db.Set("x")})
	wantError(t, err, db.ErrSuppressed)
	e.wantCount(t, 1, `auth.roles`)
}

func TestForeignTenantSeesNothing(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	role := e.role(t, "editor")
	user := e.user(t, db.CreateUser{Email: ptr("a@b.c")})
	refs := e.permissions(t, "https://api", "read")
	_, err := e.RolePermissions.Assign(ctx, "acme", role.ID, refs...)
	ok(t, err)
	ok(t, e.Users.SetPassword(ctx, "acme", user.UserID, "hash"))

	_, err = e.Roles.Get(ctx, "globex", role.ID)
	wantError(t, err, db.ErrNotFound)
	_, err = e.Roles.Update(ctx, "globex", role.ID, db.UpdateRole{Name: db.Set("x")})
	wantError(t, err, db.ErrNotFound)
	wantError(t, e.Roles.Delete(ctx, "globex", role.ID), db.ErrNotFound)
	page, err := e.Roles.List(ctx, "globex", db.ListOptions{Totals: true, Filter: []db.Filter{db.Equal("id", role.ID)}})
	ok(t, err)
	if len(page.Rows) != 0 || page.Total != 0 {
		t.Errorf("globex lists %+v", page)
	}
	_, err = e.RolePermissions.Assign(ctx, "globex", role.ID, refs...)
	wantError(t, err, db.ErrNotFound)
	permissions, err := e.RolePermissions.List(ctx, "globex", role.ID)
	ok(t, err)
	if len(permissions) != 0 {
		t.Errorf("globex lists %v", permissions)
	}
	_, err = e.UserRoles.Assign(ctx, "globex", user.UserID, role.ID)
	wantError(t, err, db.ErrNotFound)
	_, err = e.Users.Identities(ctx, "globex", user.UserID)
	wantError(t, err, db.ErrNotFound)
	_, err = e.Users.PasswordHash(ctx, "globex", user.UserID)
	wantError(t, err, db.ErrNotFound)
	wantError(t, e.Users.SetPassword(ctx, "globex", user.UserID, "x"), db.ErrNotFound)
	_, err = e.Users.RecordLogin(ctx, "globex", user.UserID, db.Login{})
	wantError(t, err, db.ErrNotFound)
	_, err = e.Users.Stats(ctx, "globex", user.UserID)
	wantError(t, err, db.ErrNotFound)
	e.wantCount(t, 1, `auth.roles where name = 'editor'`)
}

func TestTenants(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	tenant, err := e.Tenants.Create(ctx, db.CreateTenant{ID: "initech", FriendlyName: "Initech"})
	ok(t, err)
	if tenant.Language != "en" || string(tenant.Flags) != "{}" {
		t.Errorf("created %+v", tenant)
	}
	tenant, err = e.Tenants.Update(ctx, "initech", db.UpdateTenant{SupportURL: db.Set("https://help")})
	ok(t, err)
	if tenant.SupportURL != "https://help" || tenant.FriendlyName != "Initech" {
		t.Errorf("updated %+v", tenant)
	}
	page, err := e.Tenants.List(ctx, db.ListOptions{Totals: true, Filter: []db.Filter{db.Prefix("friendly_name", "ini")}})
	ok(t, err)
	if page.Total != 1 || page.Rows[0].ID != "initech" {
		t.Errorf("list %+v", page)
	}
	ok(t, e.Tenants.Delete(ctx, "initech"))
	_, err = e.Tenants.Get(ctx, "initech")
	wantError(t, err, db.ErrNotFound)
}

func TestConnectionsAndResourceServers(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	c, err := e.Connections.Create(ctx, "acme", db.CreateConnection{Name: "google", Strategy: "google-oauth2"})
	ok(t, err)
	if !strings.HasPrefix(c.ID, "con_") || !c.ShowAsButton || c.Realms == nil {
		t.Errorf("created %+v", c)
	}
	hidden, err := e.Connections.Create(ctx, "acme", db.CreateConnection{Name: "x", Strategy: "auth0", ShowAsButton: db.Set(false)})
	ok(t, err)
	if hidden.ShowAsButton {
		t.Error("the button shows")
	}
	_, err = e.Connections.Create(ctx, "acme", db.CreateConnection{Name: "google", Strategy: "x"})
	wantConflict(t, err, "name")
	c, err = e.Connections.Update(ctx, "acme", c.ID, db.UpdateConnection{EnabledClients: db.Set([]string{"a", "b"})})
	ok(t, err)
	if len(c.EnabledClients) != 2 || !c.ShowAsButton {
		t.Errorf("updated %+v", c)
	}
	c, err = e.Connections.Update(ctx, "acme", c.ID, db.UpdateConnection{EnabledClients: db.Null[[]string]()})
	ok(t, err)
	if len(c.EnabledClients) != 0 {
		t.Errorf("updated %+v", c)
	}
	ok(t, e.Connections.Delete(ctx, "acme", c.ID))

	s, err := e.ResourceServers.Create(ctx, "acme", db.CreateResourceServer{Identifier: "https://api", Scopes: json.RawMessage(`[{"value":"read"}]`)})
	ok(t, err)
	if !strings.HasPrefix(s.ID, "api_") || s.SigningAlg != "RS256" || s.TokenLifetime != 86400 || s.TokenLifetimeForWeb != 7200 || s.TokenDialect != "access_token" {
		t.Errorf("created %+v", s)
	}
	s, err = e.ResourceServers.Update(ctx, "acme", s.ID, db.UpdateResourceServer{Name: db.Set("API"), Scopes: db.Null[json.RawMessage]()})
	ok(t, err)
	if s.Name != "API" || string(s.Scopes) != "[]" || s.Identifier != "https://api" {
		t.Errorf("updated %+v", s)
	}
	ref := db.PermissionRef{ResourceServerIdentifier: "https://api", PermissionName: "read"}
	_, err = e.Permissions.Create(ctx, "acme", db.CreatePermission{PermissionRef: ref})
	ok(t, err)
	p, err := e.Permissions.Update(ctx, "acme", ref, db.UpdatePermission{Description: db.Set("reads")})
	ok(t, err)
	if p.Description != "reads" || p.PermissionName != "read" {
		t.Errorf("updated %+v", p)
	}
	ok(t, e.ResourceServers.Delete(ctx, "acme", s.ID))
	_, err = e.Permissions.Get(ctx, "acme", ref)
	wantError(t, err, db.ErrNotFound)
}

func TestJournals(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	ev, err := e.AuthEvents.Create(ctx, "acme", db.CreateAuthEvent{Type: "login", UserID: ptr("auth0|1"), Sealed: []byte{0, 255}})
	ok(t, err)
	got, err := e.AuthEvents.Get(ctx, "acme", ev.ID)
	ok(t, err)
	if !strings.HasPrefix(got.ID, "aev_") || string(got.Sealed) != "\x00\xff" || string(got.Details) != "{}" {
		t.Errorf("got %+v", got)
	}
	_, err = e.AuthEvents.Create(ctx, "acme", db.CreateAuthEvent{})
	wantInvalid(t, err, "type")
	for range 3 {
		_, err := e.Logs.Create(ctx, "acme", db.CreateLog{Type: "s", IP: ptr("::1")})
		ok(t, err)
	}
	logs, err := e.Logs.List(ctx, "acme", db.ListOptions{Totals: true})
	ok(t, err)
	if logs.Total != 3 || !strings.HasPrefix(logs.Rows[0].LogID, "log_") || logs.Rows[0].Date.Before(logs.Rows[2].Date) {
		t.Errorf("list %+v", logs)
	}
	_, err = e.Logs.Get(ctx, "acme", logs.Rows[0].LogID)
	ok(t, err)
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	empty := pgtest.NewEmpty(t)
	reg := db.NewHooks()
	reg.Roles.BeforeCreate("", nil)
	reg.Users.AfterCreate("x", nil)
	for says, cfg := range map[string]db.Config{
		"DatabaseURL is empty":    {},
		"simple protocol":         {DatabaseURL: simple(t, e.url)},
		"run `latchkey migrate`":  {DatabaseURL: empty.URL},
		"before insert hook \"\"": {DatabaseURL: e.url, Hooks: reg},
		"after insert hook \"x\"": {DatabaseURL: e.url, Hooks: reg},
	} {
		if _, err := db.Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: doesn't say %s", err, says)
		}
	}
}

func simple(t *testing.T, at string) string {
	t.Helper()
	u, err := url.Parse(at)
	ok(t, err)
	q := u.Query()
	q.Set("default_query_exec_mode", "simple_protocol")
	u.RawQuery = q.Encode()
	return u.String()
}

func TestOptionalJSON(t *testing.T) {
	t.Parallel()
	var in db.UpdateUser
	ok(t, json.Unmarshal([]byte(`{"email": null, "name": "Ann", "blocked": true}`), &in))
	if v, has := in.Name.Get(); !has || v != "Ann" {
		t.Error("name")
	}
	if _, has := in.Email.Get(); has || !in.Email.Present() {
		t.Error("email")
	}
	if in.Nickname.Present() {
		t.Error("nickname")
	}
	if err := json.Unmarshal([]byte(`{"blocked": 7}`), &in); err == nil {
		t.Error("no error")
	}
}
