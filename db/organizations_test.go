package db_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/hooks"
)

func (e *env) organization(t *testing.T, name string) db.Organization {
	t.Helper()
	o, err := e.Organizations.Create(t.Context(), "acme", db.CreateOrganization{ID: name, Name: name})
	ok(t, err)
	return o
}

func TestOrganizations(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	o, err := e.Organizations.Create(ctx, "acme", db.CreateOrganization{Name: " Big-Corp ", DisplayName: "Big Corp"})
	ok(t, err)
	if !strings.HasPrefix(o.ID, "org_") || o.Name != "big-corp" || o.DisplayName != "Big Corp" || string(o.Branding) != "{}" || string(o.Metadata) != "{}" {
		t.Errorf("created %+v", o)
	}
	u, err := e.Organizations.Update(ctx, "acme", o.ID, db.UpdateOrganization{
		Name: db.Set("BIG"), DisplayName: db.Null[string](), Branding: db.Set(json.RawMessage(`{"logo_url": "x"}`)),
	})
	ok(t, err)
	if u.Name != "big" || u.DisplayName != "" || string(u.Branding) != `{"logo_url": "x"}` || !u.CreatedAt.Equal(o.CreatedAt) {
		t.Errorf("updated %+v", u)
	}
	page, err := e.Organizations.List(ctx, "acme", db.ListOptions{Filter: []db.Filter{db.Equal("name", "big")}})
	ok(t, err)
	if len(page.Rows) != 1 {
		t.Errorf("list %+v", page)
	}
	_, err = e.Organizations.Create(ctx, "acme", db.CreateOrganization{Name: "Big"})
	wantConflict(t, err, "name")
	for name, in := range map[string]db.CreateOrganization{
		"name":     {Name: " "},
		"metadata": {Name: "x", Metadata: json.RawMessage(`[]`)},
		"branding": {Name: "x", Branding: json.RawMessage(`1`)},
	} {
		_, err = e.Organizations.Create(ctx, "acme", in)
		wantInvalid(t, err, name)
	}
	_, err = e.Organizations.Create(ctx, "acme", db.CreateOrganization{Name: "a b"})
	wantInvalid(t, err, "name")
	_, err = e.Organizations.Get(ctx, "globex", o.ID)
	wantError(t, err, db.ErrNotFound)
	wantError(t, e.Organizations.Delete(ctx, "globex", o.ID), db.ErrNotFound)
	ok(t, e.Organizations.Delete(ctx, "acme", o.ID))
}

func TestOrganizationMembers(t *testing.T) {
	t.Parallel()
	h := &heard{}
	e := open(t, func(reg *db.Hooks) {
		reg.OrganizationMembers.BeforeCreate("h", func(_ context.Context, _ hooks.Tx, m *db.OrganizationMember) error {
			m.TenantID = "globex"
			return h.call("add " + m.UserID)
		})
		reg.OrganizationMemberRoles.BeforeCreate("h", func(_ context.Context, _ hooks.Tx, m *db.OrganizationMemberRole) error {
			return h.call("give " + m.UserID + " " + m.RoleID)
		})
	})
	ctx := t.Context()
	org := e.organization(t, "org").ID
	e.organization(t, "other")
	ann, bob := e.user(t, db.CreateUser{UserID: "ann"}).UserID, e.user(t, db.CreateUser{UserID: "bob"}).UserID
	role := e.role(t, "admin").ID
	n, err := e.OrganizationMembers.Assign(ctx, "acme", org, ann, bob, ann)
	ok(t, err)
	again, err := e.OrganizationMembers.Assign(ctx, "acme", org, ann)
	ok(t, err)
	if n != 2 || again != 0 {
		t.Errorf("added %d, then %d", n, again)
	}
	member := db.OrganizationMemberRef{OrganizationID: org, UserID: ann}
	n, err = e.OrganizationMemberRoles.Assign(ctx, "acme", member, role, role)
	ok(t, err)
	again, err = e.OrganizationMemberRoles.Assign(ctx, "acme", member, role)
	ok(t, err)
	if n != 1 || again != 0 || !slices.Equal(h.calls, []string{"add ann", "add bob", "give ann " + role}) {
		t.Errorf("gave %d, then %d; heard %q", n, again, h.calls)
	}
	users, err := e.OrganizationMembers.Users(ctx, "acme", org, db.ListOptions{Totals: true, PerPage: 1, Sort: []db.Sort{{Column: "user_id", Descending: true}}})
	ok(t, err)
	if users.Total != 2 || len(users.Rows) != 1 || users.Rows[0].UserID != bob {
		t.Errorf("members %+v", users)
	}
	orgs, err := e.OrganizationMembers.Organizations(ctx, "acme", ann, db.ListOptions{})
	ok(t, err)
	roles, err := e.OrganizationMemberRoles.Roles(ctx, "acme", member, db.ListOptions{Totals: true, Filter: []db.Filter{db.Equal("name", "admin")}})
	ok(t, err)
	if len(orgs.Rows) != 1 || orgs.Rows[0].ID != org || roles.Total != 1 || roles.Rows[0].ID != role {
		t.Errorf("organizations %+v, roles %+v", orgs, roles)
	}

	_, err = e.OrganizationMembers.Assign(ctx, "acme", org, "nobody")
	wantInvalid(t, err, "user_id")
	_, err = e.OrganizationMembers.Assign(ctx, "acme", "none", ann)
	wantError(t, err, db.ErrNotFound)
	_, err = e.OrganizationMembers.Assign(ctx, "globex", org, ann)
	wantError(t, err, db.ErrNotFound)
	_, err = e.OrganizationMemberRoles.Assign(ctx, "acme", db.OrganizationMemberRef{OrganizationID: "other", UserID: ann}, role)
	wantError(t, err, db.ErrNotFound)
	_, err = e.OrganizationMemberRoles.Assign(ctx, "acme", member, "none")
	wantInvalid(t, err, "role_id")
	h.refuse = "give bob"
	_, err = e.OrganizationMemberRoles.Assign(ctx, "acme", db.OrganizationMemberRef{OrganizationID: org, UserID: bob}, role)
	wantRejection(t, err, "h", "no")
	e.wantCount(t, 1, `auth.organization_member_roles`)

	n, err = e.OrganizationMemberRoles.Remove(ctx, "acme", member, role, "none")
	ok(t, err)
	again, err = e.OrganizationMembers.Remove(ctx, "acme", org, bob, "nobody")
	ok(t, err)
	if n != 1 || again != 1 {
		t.Errorf("took %d roles and %d members", n, again)
	}
	e.wantCount(t, 1, `auth.organization_members where tenant_id = 'acme' and user_id = 'ann'`)
}

func TestOrganizationConnections(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	ctx := t.Context()
	org := e.organization(t, "org").ID
	c, err := e.Connections.Create(ctx, "acme", db.CreateConnection{Name: "google", Strategy: "google-oauth2"})
	ok(t, err)
	ref := db.OrganizationConnectionRef{OrganizationID: org, ConnectionID: c.ID}
	made, err := e.OrganizationConnections.Create(ctx, "acme", db.CreateOrganizationConnection{OrganizationConnectionRef: ref})
	ok(t, err)
	if made.AssignMembershipOnLogin || !made.ShowAsButton || made.ConnectionID != c.ID {
		t.Errorf("created %+v", made)
	}
	made, err = e.OrganizationConnections.Update(ctx, "acme", ref, db.UpdateOrganizationConnection{AssignMembershipOnLogin: db.Set(true)})
	ok(t, err)
	if !made.AssignMembershipOnLogin || !made.ShowAsButton {
		t.Errorf("updated %+v", made)
	}
	_, err = e.OrganizationConnections.Create(ctx, "acme", db.CreateOrganizationConnection{OrganizationConnectionRef: ref})
	wantConflict(t, err, "connection_id")
	_, err = e.OrganizationConnections.Create(ctx, "acme", db.CreateOrganizationConnection{
		OrganizationConnectionRef: db.OrganizationConnectionRef{OrganizationID: org, ConnectionID: "none"},
	})
	wantInvalid(t, err, "connection_id")
	_, err = e.OrganizationConnections.Get(ctx, "globex", ref)
	wantError(t, err, db.ErrNotFound)
	page, err := e.OrganizationConnections.List(ctx, "acme", db.ListOptions{Filter: []db.Filter{db.Equal("organization_id", org)}, Totals: true})
	ok(t, err)
	if page.Total != 1 {
		t.Errorf("list %+v", page)
	}
	ok(t, e.OrganizationConnections.Delete(ctx, "acme", ref))
	wantError(t, e.OrganizationConnections.Delete(ctx, "acme", ref), db.ErrNotFound)
}
