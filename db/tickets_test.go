package db_test

import (
	"testing"
	"time"

	"github.com/latchkey-dev/latchkey/db"
)

func TestTickets(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	e.users(t, "ann", "bob")
	issue := func(in db.CreateTicket) (db.Ticket, string) {
		t.Helper()
		ticket, token, err := e.Tickets.Create(ctx, "acme", in)
		ok(t, err)
		return ticket, token
	}
	ticket, token := issue(db.CreateTicket{Type: db.VerifyEmail, UserID: "ann", Email: ptr("ann@example.com"), ResultURL: "https://app"})
	if len(token) != 43 || ticket.ExpiresAt.Sub(ticket.CreatedAt) != 5*24*time.Hour || ticket.ResultURL != "https://app" || string(ticket.Options) != "{}" {
		t.Errorf("made %+v, %q", ticket, token)
	}
	e.wantCount(t, 0, `auth.tickets k where strpos(k::text, $1) > 0 or strpos(k::text, encode($1::bytea, 'hex')) > 0`, token)
	_, second := issue(db.CreateTicket{Type: db.VerifyEmail, UserID: "ann"})
	_, password := issue(db.CreateTicket{Type: db.ChangePassword, UserID: "ann"})
	_, bobs := issue(db.CreateTicket{Type: db.VerifyEmail, UserID: "bob"})
	found, err := e.Tickets.Find(ctx, "acme", db.VerifyEmail, token)
	ok(t, err)
	if found.ID != ticket.ID {
		t.Errorf("found %+v", found)
	}
	for _, wrong := range [][3]string{{"globex", db.VerifyEmail, token}, {"acme", db.ChangePassword, token}, {"acme", db.VerifyEmail, token + "x"}} {
		_, err = e.Tickets.Use(ctx, wrong[0], wrong[1], wrong[2])
		wantError(t, err, db.ErrNotFound)
	}
	used, err := e.Tickets.Use(ctx, "acme", db.VerifyEmail, token)
	ok(t, err)
	if used.UserID != "ann" || *used.Email != "ann@example.com" || used.UsedAt == nil {
		t.Errorf("used %+v", used)
	}
	for _, gone := range []string{token, second} { // once, and the others with it
		_, err = e.Tickets.Use(ctx, "acme", db.VerifyEmail, gone)
		wantError(t, err, db.ErrNotFound)
		_, err = e.Tickets.Find(ctx, "acme", db.VerifyEmail, gone)
		wantError(t, err, db.ErrNotFound)
	}
	_, err = e.Tickets.Use(ctx, "acme", db.VerifyEmail, bobs)
	ok(t, err)
	e.exec(t, `update auth.tickets set expires_at = now() where type = 'change_password'`)
	_, err = e.Tickets.Use(ctx, "acme", db.ChangePassword, password)
	wantError(t, err, db.ErrNotFound)
	_, _, err = e.Tickets.Create(ctx, "acme", db.CreateTicket{Type: db.VerifyEmail, UserID: "none"})
	wantError(t, err, db.ErrNotFound)
	_, _, err = e.Tickets.Create(ctx, "acme", db.CreateTicket{Type: "dance", UserID: "ann"})
	wantInvalid(t, err, "type")
	_, _, err = e.Tickets.Create(ctx, "acme", db.CreateTicket{Type: db.VerifyEmail, UserID: "ann", TTL: -1})
	wantInvalid(t, err, "ttl_sec")
}

func TestTenantHosts(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	for _, host := range []string{"Login.Acme.com:443", "login.acme.com.", "acme.example.com"} {
		_, err := e.TenantHosts.Put(ctx, "acme", host)
		ok(t, err)
	}
	hosts, err := e.TenantHosts.List(ctx, "acme")
	ok(t, err)
	if len(hosts) != 2 || hosts[1].Host != "login.acme.com" {
		t.Errorf("hosts %+v", hosts)
	}
	id, err := e.TenantOf(ctx, "LOGIN.acme.com:8080")
	ok(t, err)
	if id != "acme" {
		t.Errorf("it is %s's", id)
	}
	_, err = e.TenantHosts.Put(ctx, "globex", "login.acme.com")
	wantConflict(t, err, "host")
	_, err = e.TenantHosts.Put(ctx, "none", "x.com")
	wantInvalid(t, err, "tenant_id")
	_, err = e.TenantHosts.Put(ctx, "acme", " ")
	wantInvalid(t, err, "host")
	wantError(t, e.TenantHosts.Delete(ctx, "globex", "login.acme.com"), db.ErrNotFound)
	ok(t, e.TenantHosts.Delete(ctx, "acme", "Login.acme.com"))
	_, err = e.TenantOf(ctx, "login.acme.com")
	wantError(t, err, db.ErrNotFound)
}

func TestTenantSettings(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	tenant, err := e.Tenants.Create(ctx, db.CreateTenant{ID: "initech", Language: "de"})
	ok(t, err)
	if tenant.SessionLifetime != 168 || tenant.IdleSessionLifetime != 72 || len(tenant.EnabledLocales) != 1 || tenant.EnabledLocales[0] != "de" ||
		string(tenant.SessionCookie) != "{}" || tenant.AllowedLogoutURLs == nil {
		t.Errorf("created %+v", tenant)
	}
	tenant, err = e.Tenants.Update(ctx, "initech", db.UpdateTenant{
		SessionLifetime: db.Set(0.5), AllowedLogoutURLs: db.Set([]string{"https://x"}), DefaultDirectory: db.Set("db"), EnabledLocales: db.Set([]string{"de", "en"}),
	})
	ok(t, err)
	if tenant.SessionLifetime != 0.5 || len(tenant.AllowedLogoutURLs) != 1 || tenant.DefaultDirectory != "db" || len(tenant.EnabledLocales) != 2 {
		t.Errorf("updated %+v", tenant)
	}
	_, err = e.Tenants.Update(ctx, "initech", db.UpdateTenant{IdleSessionLifetime: db.Set(-1.0)})
	wantInvalid(t, err, "idle_session_lifetime")
}
