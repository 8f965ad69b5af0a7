package db_test

import (
	"context"
	"slices"
	"testing"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

// users makes them in the order of their ids.
func (e *env) users(t *testing.T, ids ...string) {
	t.Helper()
	for _, id := range ids {
		e.user(t, db.CreateUser{UserID: id, Email: ptr(id + "@example.com")})
	}
}

func wantUsers(t *testing.T, users []db.User, want ...string) {
	t.Helper()
	var got []string
	for _, u := range users {
		got = append(got, u.UserID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("users %q; want %q", got, want)
	}
}

func TestLink(t *testing.T) {
	t.Parallel()
	e, a := asking(t, func(reg *db.Hooks) {
		reg.Users.BeforeUpdate("never", func(context.Context, hooks.Tx, db.User, *db.User) error { return hooks.Reject("no", "no") })
	})
	ctx := t.Context()
	e.users(t, "a", "b", "c", "d")
	e.syncHook(t, "u", onUpdate)
	users, err := e.Users.Link(ctx, "acme", "b", "c")
	ok(t, err)
	wantUsers(t, users, "b", "c")
	users, err = e.Users.Link(ctx, "acme", "b", "c") // is as it was
	ok(t, err)
	wantUsers(t, users, "b", "c")
	users, err = e.Users.Link(ctx, "acme", "a", "b") // and what is b's
	ok(t, err)
	wantUsers(t, users, "a", "b", "c")
	e.wantCount(t, 2, `auth.users where linked_to = 'a'`)
	wantAsked(t, a, 0)

	_, err = e.Users.Link(ctx, "acme", "a", "a")
	wantInvalid(t, err, "linked_to")
	_, err = e.Users.Link(ctx, "acme", "b", "d") // b is a's
	wantInvalid(t, err, "linked_to")
	_, err = e.Users.Link(ctx, "acme", "d", "c") // so is c
	wantInvalid(t, err, "linked_to")
	for _, pair := range [][3]string{{"acme", "a", "none"}, {"acme", "none", "a"}, {"globex", "a", "d"}} {
		_, err = e.Users.Link(ctx, pair[0], pair[1], pair[2])
		wantError(t, err, db.ErrNotFound)
	}

	users, err = e.Users.Unlink(ctx, "acme", "a", "c")
	ok(t, err)
	wantUsers(t, users, "a", "b")
	for _, pair := range [][3]string{{"acme", "a", "c"}, {"acme", "d", "b"}, {"globex", "a", "b"}} {
		_, err = e.Users.Unlink(ctx, pair[0], pair[1], pair[2])
		wantError(t, err, db.ErrNotFound)
	}
	e.wantCount(t, 1, `auth.users where linked_to is not null`)
}

// Two links at once can't make a chain, nor lock each other up.
func TestLinkTogether(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	e.users(t, "a", "b")
	errs := make(chan error, 2)
	for _, pair := range [][2]string{{"a", "b"}, {"b", "a"}} {
		go func() {
			_, err := e.Users.Link(t.Context(), "acme", pair[0], pair[1])
			errs <- err
		}()
	}
	first, second := <-errs, <-errs
	if (first == nil) == (second == nil) {
		t.Errorf("%v, %v; want one to be refused", first, second)
	}
	e.wantCount(t, 1, `auth.users where linked_to is not null`)
}

func TestByEmail(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	e.users(t, "a", "b")
	e.user(t, db.CreateUser{UserID: "c", Email: ptr("A@example.com"), Connection: "google"})
	users, err := e.Users.ByEmail(t.Context(), "acme", " A@Example.com")
	ok(t, err)
	wantUsers(t, users, "a", "c")
	users, err = e.Users.ByEmail(t.Context(), "globex", "a@example.com")
	ok(t, err)
	wantUsers(t, users)
}

func TestUserPermissions(t *testing.T) {
	t.Parallel()
	h := &heard{}
	e := open(t, func(reg *db.Hooks) {
		reg.UserPermissions.BeforeCreate("h", func(_ context.Context, _ hooks.Tx, p *db.UserPermission) error {
			return h.call("give " + p.PermissionName)
		})
		reg.UserPermissions.BeforeDelete("h", func(_ context.Context, _ hooks.Tx, p db.UserPermission) error {
			return h.call("take " + p.PermissionName)
		})
	})
	ctx := t.Context()
	e.users(t, "ann", "bob")
	refs := e.permissions(t, "https://api", "own", "read", "write")
	n, err := e.UserPermissions.Assign(ctx, "acme", "ann", refs[0], refs[1], refs[0])
	ok(t, err)
	again, err := e.UserPermissions.Assign(ctx, "acme", "ann", refs[0])
	ok(t, err)
	if n != 2 || again != 0 || !slices.Equal(h.calls, []string{"give own", "give read"}) {
		t.Errorf("gave %d, then %d; heard %q", n, again, h.calls)
	}
	_, err = e.UserPermissions.Assign(ctx, "acme", "none", refs[0])
	wantError(t, err, db.ErrNotFound)
	_, err = e.UserPermissions.Assign(ctx, "acme", "ann", db.PermissionRef{ResourceServerIdentifier: "https://api", PermissionName: "none"})
	wantInvalid(t, err, "permission_name")
	h.refuse = "give write"
	_, err = e.UserPermissions.Assign(ctx, "acme", "bob", refs...)
	wantRejection(t, err, "h", "no")

	role, other := e.role(t, "reader").ID, e.role(t, "writer").ID
	_, err = e.RolePermissions.Assign(ctx, "acme", role, refs[1])
	ok(t, err)
	_, err = e.RolePermissions.Assign(ctx, "acme", other, refs[1:]...)
	ok(t, err)
	_, err = e.UserRoles.Assign(ctx, "acme", "ann", role, other)
	ok(t, err)
	page, err := e.UserPermissions.Effective(ctx, "acme", "ann", db.ListOptions{Totals: true})
	ok(t, err)
	if page.Total != 3 || len(page.Rows) != 3 {
		t.Fatalf("effective %+v", page)
	}
	own, read, write := page.Rows[0], page.Rows[1], page.Rows[2]
	if !own.Direct || len(own.RoleIDs) != 0 || !read.Direct || len(read.RoleIDs) != 2 || write.Direct || !slices.Equal(write.RoleIDs, []string{other}) ||
		write.PermissionRef != refs[2] {
		t.Errorf("effective %+v", page.Rows)
	}
	page, err = e.UserPermissions.Effective(ctx, "globex", "ann", db.ListOptions{})
	ok(t, err)
	if len(page.Rows) != 0 {
		t.Errorf("globex sees %+v", page.Rows)
	}
	h.calls = nil
	n, err = e.UserPermissions.Remove(ctx, "acme", "ann", refs[0], refs[2])
	ok(t, err)
	if n != 1 || !slices.Equal(h.calls, []string{"take own"}) {
		t.Errorf("took %d, heard %q", n, h.calls)
	}
}

func TestListsAcross(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	e.users(t, "a", "b", "c")
	role := e.role(t, "reader").ID
	refs := e.permissions(t, "https://api", "own", "read", "write")
	_, err := e.RolePermissions.Assign(ctx, "acme", role, refs[1:]...)
	ok(t, err)
	for _, id := range []string{"a", "c"} {
		_, err := e.UserRoles.Assign(ctx, "acme", id, role)
		ok(t, err)
	}
	users, err := e.UserRoles.Users(ctx, "acme", role, db.ListOptions{Totals: true, Filter: []db.Filter{db.Prefix("email", "c")}})
	ok(t, err)
	wantUsers(t, users.Rows, "c")
	users, err = e.UserRoles.Users(ctx, "acme", role, db.ListOptions{Totals: true, PerPage: 1, Page: 1})
	ok(t, err)
	wantUsers(t, users.Rows, "c")
	if users.Total != 2 {
		t.Errorf("total %d", users.Total)
	}
	users, err = e.UserRoles.Users(ctx, "globex", role, db.ListOptions{})
	ok(t, err)
	wantUsers(t, users.Rows)
	roles, err := e.UserRoles.Roles(ctx, "acme", "a", db.ListOptions{Totals: true})
	ok(t, err)
	permissions, err := e.RolePermissions.Permissions(ctx, "acme", role, db.ListOptions{Totals: true, Filter: []db.Filter{db.Equal("permission_name", "read")}})
	ok(t, err)
	if roles.Total != 1 || roles.Rows[0].ID != role || permissions.Total != 1 || permissions.Rows[0].PermissionName != "read" {
		t.Errorf("roles %+v, permissions %+v", roles, permissions)
	}
}
