package db_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

func TestRolePermissions(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	role := e.role(t, "r")
	refs := e.permissions(t, "https://api", "read", "write", "own")
	n, err := e.RolePermissions.Assign(ctx, "acme", role.ID, refs[:2]...)
	ok(t, err)
	m, err := e.RolePermissions.Assign(ctx, "acme", role.ID, refs...)
	ok(t, err)
	if n != 2 || m != 1 {
		t.Errorf("assigned %d, then %d; want 2, then 1", n, m)
	}
	n, err = e.RolePermissions.Remove(ctx, "acme", role.ID, refs[0], db.PermissionRef{PermissionName: "none"})
	ok(t, err)
	left, err := e.RolePermissions.List(ctx, "acme", role.ID)
	ok(t, err)
	if n != 1 || !slices.Equal(left, []db.PermissionRef{refs[2], refs[1]}) {
		t.Errorf("removed %d, left %v", n, left)
	}
	_, err = e.RolePermissions.Assign(ctx, "acme", "rol_none", refs[0])
	wantError(t, err, db.ErrNotFound)
	_, err = e.RolePermissions.Assign(ctx, "acme", role.ID, db.PermissionRef{ResourceServerIdentifier: "https://api", PermissionName: "none"})
	wantInvalid(t, err, "permission_name")
	n, err = e.RolePermissions.Assign(ctx, "acme", role.ID)
	ok(t, err)
	if n != 0 {
		t.Errorf("assigned %d of none", n)
	}
}

func TestRolePermissionHooksFilter(t *testing.T) {
	t.Parallel()
	without := func(name string) func(context.Context, hooks.Tx, db.RoleRef, []db.PermissionRef) ([]db.PermissionRef, error) {
		return func(ctx context.Context, tx hooks.Tx, role db.RoleRef, refs []db.PermissionRef) ([]db.PermissionRef, error) {
			if role.TenantID != "acme" || role.RoleID == "" {
				t.Errorf("role %+v", role)
			}
			if len(refs) == 1 && refs[0].PermissionName == "forbidden" {
				return nil, hooks.Reject("forbidden", "no")
			}
			_, err := tx.Exec(ctx, `insert into audit values ($1 || ' of ' || $2::int) on conflict do nothing`, name, len(refs))
			return slices.DeleteFunc(slices.Clone(refs), func(p db.PermissionRef) bool { return p.PermissionName == name }), err
		}
	}
	e := open(t, func(reg *db.Hooks) {
		reg.RolePermissions.BeforeAssign("no-write", without("write"))
		reg.RolePermissions.BeforeAssign("no-own", without("own"))
		reg.RolePermissions.BeforeRemove("no-read", without("read"))
	})
	e.exec(t, audit)
	ctx := t.Context()
	role := e.role(t, "r")
	refs := e.permissions(t, "https://api", "read", "write", "own", "forbidden")
	n, err := e.RolePermissions.Assign(ctx, "acme", role.ID, refs[:3]...)
	ok(t, err)
	e.wantCount(t, 1, `audit where what = 'write of 3'`)
	e.wantCount(t, 1, `audit where what = 'own of 2'`)
	left, err := e.RolePermissions.List(ctx, "acme", role.ID)
	ok(t, err)
	if n != 1 || !slices.Equal(left, refs[:1]) {
		t.Errorf("assigned %d, has %v; want read alone", n, left)
	}
	// All of it filtered: the hooks' own writes stay.
	n, err = e.RolePermissions.Remove(ctx, "acme", role.ID, refs[0])
	ok(t, err)
	if n != 0 {
		t.Errorf("removed %d; want none", n)
	}
	e.wantCount(t, 1, `audit where what = 'read of 1'`)
	_, err = e.RolePermissions.Assign(ctx, "acme", role.ID, refs[3])
	wantRejection(t, err, "no-write", "forbidden")
	e.wantCount(t, 1, `auth.role_permissions`)
}

func TestUserRoles(t *testing.T) {
	t.Parallel()
	h := &heard{}
	e := open(t, func(reg *db.Hooks) {
		reg.UserRoles.BeforeCreate("h", func(ctx context.Context, tx hooks.Tx, r *db.UserRole) error {
			if _, err := tx.Exec(ctx, `insert into audit values ($1)`, r.RoleID); err != nil {
				return err
			}
			at := "create " + r.RoleID
			r.RoleID = "rol_other"
			return h.call(at)
		})
		reg.UserRoles.BeforeDelete("h", func(_ context.Context, _ hooks.Tx, r db.UserRole) error { return h.call("delete " + r.RoleID) })
	})
	e.exec(t, audit)
	ctx := t.Context()
	id := e.user(t, db.CreateUser{}).UserID
	for _, role := range []string{"a", "b", "c"} {
		_, err := e.Roles.Create(ctx, "acme", db.CreateRole{ID: role, Name: role})
		ok(t, err)
	}
	n, err := e.UserRoles.Assign(ctx, "acme", id, "a", "b", "a")
	ok(t, err)
	if want := []string{"create a", "create b"}; n != 2 || !slices.Equal(h.calls, want) {
		t.Errorf("assigned %d, heard %q; want %q", n, h.calls, want)
	}
	h.calls = nil
	n, err = e.UserRoles.Assign(ctx, "acme", id, "a")
	ok(t, err)
	if n != 0 || len(h.calls) != 0 {
		t.Errorf("assigned %d again, heard %q", n, h.calls)
	}
	h.refuse = "create c"
	_, err = e.UserRoles.Assign(ctx, "acme", id, "c")
	wantRejection(t, err, "h", "no")
	e.wantCount(t, 2, `audit`)
	h.refuse = "delete b"
	_, err = e.UserRoles.Remove(ctx, "acme", id, "a", "b")
	wantRejection(t, err, "h", "no")
	e.wantCount(t, 2, `auth.user_roles`)
	h.refuse, h.calls = "", nil
	n, err = e.UserRoles.Remove(ctx, "acme", id, "a", "c", "none")
	ok(t, err)
	if want := []string{"delete a"}; n != 1 || !slices.Equal(h.calls, want) {
		t.Errorf("removed %d, heard %q; want %q", n, h.calls, want)
	}
	page, err := e.UserRoles.List(ctx, "acme", db.ListOptions{Filter: []db.Filter{db.Equal("user_id", id)}, Totals: true})
	ok(t, err)
	if page.Total != 1 || page.Rows[0].RoleID != "b" {
		t.Errorf("list %+v", page)
	}
	_, err = e.UserRoles.Assign(ctx, "acme", "auth0|none", "a")
	wantError(t, err, db.ErrNotFound)
	_, err = e.UserRoles.Remove(ctx, "acme", "auth0|none", "a")
	wantError(t, err, db.ErrNotFound)
	_, err = e.UserRoles.Assign(ctx, "acme", id, "none")
	wantInvalid(t, err, "role_id")
	if errors.Is(err, db.ErrNotFound) {
		t.Error("an unknown role passes for an unknown user")
	}
}

func TestUserRolesWithoutHooks(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	id, role := e.user(t, db.CreateUser{}).UserID, e.role(t, "r").ID
	for _, want := range []int{1, 0} {
		n, err := e.UserRoles.Assign(ctx, "acme", id, role, role)
		ok(t, err)
		if n != want {
			t.Errorf("assigned %d; want %d", n, want)
		}
	}
	for _, want := range []int{1, 0} {
		n, err := e.UserRoles.Remove(ctx, "acme", id, role)
		ok(t, err)
		if n != want {
			t.Errorf("removed %d; want %d", n, want)
		}
	}
}
