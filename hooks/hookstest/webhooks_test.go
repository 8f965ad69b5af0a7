package hookstest_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
	"github.com/latchkey-dev/latchkey/hooks/hookstest"
)

// A webhook fires for what anyone commits, once, in order for an entity, and again with the same id where it failed.
func TestWebhook(t *testing.T) {
	t.Parallel()
	env := hookstest.New(t, db.NewHooks())
	all, roles := env.Webhook("*"), env.Webhook("role.created")
	failed := false
	roles.Answer(func(w http.ResponseWriter, _ hookstest.Webhook) {
		if !failed {
			failed = true
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	env.SQL(`insert into auth.roles (tenant_id, id, name) values ($1, 'r', 'editor')`, hookstest.Tenant)
	if _, err := env.Store.Roles.Update(t.Context(), hookstest.Tenant, "r", db.UpdateRole{Description: db.Set("d")}); err != nil {
		t.Fatal(err)
	}
	env.CatchUp()
	env.RequireWebhook(all, "role.created", "role.updated")
	if got := roles.Await(2); got[0].ID != got[1].ID || got[0].TenantID != hookstest.Tenant {
		t.Errorf("two attempts have the ids %s and %s", got[0].ID, got[1].ID)
	}
	env.RequireWebhook(roles, "role.created")
}

// A synchronous webhook is asked before the write, and what it refuses isn't written.
func TestSyncWebhook(t *testing.T) {
	t.Parallel()
	env := hookstest.New(t, db.NewHooks())
	asked, told := env.Webhook("pre-user-registration"), env.Webhook("post-user-registration")
	asked.Answer(func(w http.ResponseWriter, got hookstest.Webhook) {
		w.Header().Set("Content-Type", "application/json")
		answer := `{"allowed": true, "user_metadata": {"plan": "free"}}`
		if strings.Contains(string(got.Body), "competitor.com") {
			answer = `{"allowed": false, "reason": "not from there"}`
		}
		_, _ = w.Write([]byte(answer))
	})
	create := func(email string) (db.User, error) {
		return env.Store.Users.Create(t.Context(), hookstest.Tenant, db.CreateUser{Email: &email})
	}
	var no *hooks.Rejection
	if _, err := create("a@competitor.com"); !errors.As(err, &no) || no.Reason != "not from there" {
		t.Fatalf("a refused registration: %v", err)
	}
	u, err := create("a@example.com")
	if err != nil || string(u.UserMetadata) != `{"plan": "free"}` {
		t.Fatalf("%s, %v", u.UserMetadata, err)
	}
	env.CatchUp()
	env.RequireWebhook(asked, "pre-user-registration", "pre-user-registration")
	env.RequireWebhook(told, "post-user-registration")
}
