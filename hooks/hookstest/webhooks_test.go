package hookstest_test

import (
	"net/http"
	"testing"

	"github.com/latchkey-dev/latchkey/db"
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
