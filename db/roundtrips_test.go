package db_test

import (
	"context"
	"strings"
	"testing"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// Round trips are what a write costs; statements are prepared by the first of each kind, so the second is measured.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	touch := func(ctx context.Context, tx hooks.Tx, _ *db.Role) error {
		_, err := tx.Exec(ctx, `select 1`)
		return err
	}
	look := func(context.Context, hooks.Tx, *db.Role) error { return nil }
	for name, test := range map[string]struct {
		register func(*db.Hooks)
		write    func(context.Context, *env, db.Role) error
		sent     int
		begins   bool
	}{
		"create":                 {nil, createRole, 1, false},
		"create, a hook looks":   {func(r *db.Hooks) { r.Roles.BeforeCreate("look", look) }, createRole, 1, false},
		"create, a hook touches": {func(r *db.Hooks) { r.Roles.BeforeCreate("touch", touch) }, createRole, 2, true},
		"update":                 {nil, updateRole, 2, true},
		"update, a hook looks": {func(r *db.Hooks) {
			r.Roles.BeforeUpdate("look", func(context.Context, hooks.Tx, db.Role, *db.Role) error { return nil })
		}, updateRole, 2, true},
		"delete": {nil, deleteRole, 1, false},
		"delete, a hook looks": {func(r *db.Hooks) {
			r.Roles.BeforeDelete("look", func(context.Context, hooks.Tx, db.Role) error { return nil })
		}, deleteRole, 2, true},
		"delete, hooks of others look": {func(r *db.Hooks) {
			r.UserRoles.BeforeDelete("look", func(context.Context, hooks.Tx, db.UserRole) error { return nil })
		}, deleteRole, 3, true},
		"create in a transaction": {nil, func(ctx context.Context, e *env, r db.Role) error {
			return e.InTx(ctx, func(tx *db.Tx) error {
				return create(ctx, tx.Roles, r.Name+"'s")
			})
		}, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := open(t, test.register)
			for _, measured := range []bool{false, true} {
				role := e.role(t, map[bool]string{false: "warm", true: "measured"}[measured])
				e.wire.take()
				ok(t, test.write(t.Context(), e, role))
				sent := e.wire.take()
				if measured && (len(sent) != test.sent || strings.Contains(strings.Join(sent, "\n"), "begin") != test.begins) {
					t.Errorf("%d round trips, want %d, begins %v:\n%s", len(sent), test.sent, test.begins, strings.Join(sent, "\n"))
				}
			}
		})
	}
}

func createRole(ctx context.Context, e *env, r db.Role) error {
	return create(ctx, e.Roles, r.Name+"'s")
}

func updateRole(ctx context.Context, e *env, r db.Role) error {
	_, err := e.Roles.Update(ctx, "acme", r.ID, db.UpdateRole{Description: db.Set("x")})
	return err
}

func deleteRole(ctx context.Context, e *env, r db.Role) error {
	return e.Roles.Delete(ctx, "acme", r.ID)
}
