package recipes_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/examples/recipes"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/hooks/hookstest"
)

const tenant = hookstest.Tenant

// said keeps what is logged, or sent.
type said struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lines.Write(p)
}

func (s *said) require(t *testing.T, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := strings.TrimSpace(s.lines.String()); got != strings.Join(want, "\n") {
		t.Fatalf("it was said\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// logger writes lines without level and time.
func logger(to *said) *slog.Logger {
	return slog.New(slog.NewTextHandler(to, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
			return slog.Attr{}
		}
		return a
	}}))
}

// receiver keeps requests, of which it fails the first.
func receiver(t *testing.T, got *said) *httptest.Server {
	t.Helper()
	var calls atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 1 {
			http.Error(w, "not yet", http.StatusServiceUnavailable)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err == nil {
			_, err = got.Write([]byte(r.Method + " " + r.URL.EscapedPath() + " " + string(body) + "\n"))
		}
		if err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func requireRejection(t *testing.T, err error, code string) {
	t.Helper()
	var no *hooks.Rejection
	if !errors.As(err, &no) || no.Code != code {
		t.Fatalf("%v; want %s", err, code)
	}
}

func TestLogRoles(t *testing.T) {
	t.Parallel()
	reg, log := db.NewHooks(), &said{}
	recipes.LogRoles(reg, logger(log))
	env := hookstest.New(t, reg)
	must[db.Role](t)(env.Store.Roles.Create(t.Context(), tenant, db.CreateRole{ID: "rol_1", Name: "Editor"}))
	env.CatchUp()
	must[db.Role](t)(env.Store.Roles.Update(t.Context(), tenant, "rol_1", db.UpdateRole{Name: db.Set("Author")}))
	env.CatchUp()
	env.SQL(`delete from auth.roles`) // past the repositories: no before-hook
	env.CatchUp()
	log.require(t, `msg="creating role" name=Editor`, `msg="role created" name=Editor id=rol_1`, `msg="updating role" id=rol_1`,
		`msg="role updated" name=Author changed="[name updated_at]"`, `msg="role deleted" id=rol_1`)
}

func TestAuditRoles(t *testing.T) {
	t.Parallel()
	reg := db.NewHooks()
	recipes.AuditRoles(reg)
	env := hookstest.New(t, reg)
	ctx := db.WithStamp(t.Context(), hooks.Stamp{Actor: "ann"})
	must[db.Role](t)(env.Store.Roles.Create(ctx, tenant, db.CreateRole{ID: "rol_1", Name: "Editor"}))
	env.SQL(`update auth.roles set name = 'Author'`)
	env.CatchUp()
	env.Crash()
	if err := env.Store.Roles.Delete(ctx, tenant, "rol_1"); err != nil {
		t.Fatal(err)
	}
	env.CatchUp()
	var trail string
	err := env.Pool().QueryRow(ctx, `select string_agg(concat_ws(' ', description, details ->> 'name', details ->> 'origin', nullif(details ->> 'actor', '')), ', ' order by date) from auth.logs`).Scan(&trail)
	if want := "role.created Editor app ann, role.updated Author external, role.deleted Author app ann"; err != nil || trail != want {
		t.Fatalf("the trail is %q, %v; want %q", trail, err, want)
	}
}

func TestDefaultPermissions(t *testing.T) {
	t.Parallel()
	reg := db.NewHooks()
	var store atomic.Pointer[db.Store]
	recipes.DefaultPermissions(reg, store.Load)
	recipes.DefaultRole(reg, store.Load, db.PermissionRef{ResourceServerIdentifier: "https://api", PermissionName: "read:all"})
	env := hookstest.New(t, reg)
	store.Store(env.Store)
	env.SQL(`insert into auth.resource_servers (tenant_id, identifier) values ($1, 'https://api')`, tenant)
	env.CatchUp()
	role := must[db.Role](t)(env.Store.Roles.Create(t.Context(), tenant, db.CreateRole{Name: "Editor"}))
	env.CatchUp()
	env.RequireRuns("default-permissions", 1)
	env.RequireRuns("default-role", 1)
	env.RequireNoOther()
	page := must[db.Page[db.Permission]](t)(env.Store.Permissions.List(t.Context(), tenant, db.ListOptions{}))
	if len(page.Rows) != 3 {
		t.Fatalf("permissions %+v", page.Rows)
	}
	if perms := must[[]db.PermissionRef](t)(env.Store.RolePermissions.List(t.Context(), tenant, role.ID)); len(perms) != 1 || perms[0].PermissionName != "read:all" {
		t.Fatalf("the role has %+v", perms)
	}
}

func TestSyncRoles(t *testing.T) {
	t.Parallel()
	reg, got := db.NewHooks(), &said{}
	server := receiver(t, got)
	var store atomic.Pointer[db.Store]
	recipes.SyncRoles(reg, store.Load, server.Client(), func(identifier string) string { return server.URL + "/" + identifier })
	env := hookstest.New(t, reg)
	store.Store(env.Store)
	env.SQL(`insert into auth.resource_servers (tenant_id, identifier) values ($1, 'shop')`, tenant)
	env.SQL(`insert into auth.permissions (tenant_id, resource_server_identifier, permission_name) values ($1, 'shop', 'buy'), ($1, 'shop', 'sell')`, tenant)
	env.SQL(`insert into auth.roles (tenant_id, id, name) values ($1, 'rol_1', 'Shop keeper')`, tenant)
	buy, sell := db.PermissionRef{ResourceServerIdentifier: "shop", PermissionName: "buy"}, db.PermissionRef{ResourceServerIdentifier: "shop", PermissionName: "sell"}
	must[int](t)(env.Store.RolePermissions.Assign(t.Context(), tenant, "rol_1", buy, sell))
	env.AwaitRuns("sync", 1)
	env.RequireFailures("sync", 1)
	env.SQL(`delete from auth.role_permissions where permission_name = 'sell'`)
	env.AwaitRuns("sync", 2)
	env.SQL(`delete from auth.roles`)
	env.AwaitRuns("sync", 3)
	got.require(t, `PUT /shop/api/roles/Shop%20keeper {"permissions":["buy","sell"]}`, `PUT /shop/api/roles/Shop%20keeper {"permissions":["buy"]}`)
}

func TestUsers(t *testing.T) {
	t.Parallel()
	reg, log, got := db.NewHooks(), &said{}, &said{}
	server := receiver(t, got)
	recipes.EnrichUsers(reg)
	recipes.LockEmail(reg)
	recipes.CompanyMail(reg, "company.com")
	recipes.Welcome(reg, logger(log))
	recipes.NotifyDeletion(reg, server.Client(), server.URL+"/notifications")
	env := hookstest.New(t, reg)

	ctx := db.WithStamp(t.Context(), hooks.Stamp{Actor: "admin", IP: "10.0.0.1", GeoIP: &hooks.GeoIP{CountryCode: "DE"}})
	mail := "ann@company.com"
	ann := must[db.User](t)(env.Store.Users.Create(ctx, tenant, db.CreateUser{UserID: "ann", Email: &mail, UserMetadata: json.RawMessage(`{"color": "blue"}`)}))
	var metadata map[string]string
	if err := json.Unmarshal(ann.UserMetadata, &metadata); err != nil {
		t.Fatal(err)
	}
	if metadata["signup_ip"] != "10.0.0.1" || metadata["signup_country"] != "DE" || metadata["signup_date"] == "" || metadata["color"] != "blue" {
		t.Fatalf("metadata %v", metadata)
	}
	_, err := env.Store.Users.Update(ctx, tenant, "ann", db.UpdateUser{Email: db.Set("ann@elsewhere.com")})
	requireRejection(t, err, "foreign_email")
	ann = must[db.User](t)(env.Store.Users.Update(ctx, tenant, "ann", db.UpdateUser{Email: db.Set("anna@company.com"), AppMetadata: db.Set(json.RawMessage(`{"email_locked": true}`))}))
	if !bytes.Contains(ann.UserMetadata, []byte(`"last_updated_by": "admin"`)) {
		t.Fatalf("metadata %s", ann.UserMetadata)
	}
	_, err = env.Store.Users.Update(ctx, tenant, "ann", db.UpdateUser{Email: db.Set("ann@company.com")})
	requireRejection(t, err, "email_locked")
	env.CatchUp()
	env.SQL(`delete from auth.users where user_id = 'ann'`)
	env.AwaitRuns("notify-deletion", 1)
	env.RequireFailures("notify-deletion", 1)
	log.require(t, `msg="new user registered" email=ann@company.com`, `msg="signup tracked" user_id=ann origin=app`, `msg="user was deleted" user_id=ann`)
	got.require(t, `POST /notifications {"type":"user_deleted","user_id":"ann","event":3}`)
}
