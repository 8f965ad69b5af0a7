package api_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/auth0/go-auth0"
	"github.com/auth0/go-auth0/management"
)

const sdkScopes = "read:users+create:users+update:users+delete:users+read:roles+create:roles+update:roles+delete:roles+" +
	"read:connections+create:connections+update:connections+delete:connections+" +
	"read:resource_servers+create:resource_servers+update:resource_servers+delete:resource_servers+" +
	"read:tenant_settings+update:tenant_settings+read:signing_keys+read:stats"

// sdk is Auth0's own client, as it is, on the server.
func (r *rig) sdk() *management.Management {
	r.t.Helper()
	m, err := management.New(strings.TrimPrefix(r.server.URL, "http://"), management.WithInsecure(), management.WithStaticToken(r.token("acme/"+sdkScopes)),
		management.WithClient(r.server.Client()), management.WithNoRetries())
	r.ok(err)
	return m
}

// paged reads a list by pages of two until its end.
func paged[Row any](r *rig, read func(options ...management.RequestOption) ([]Row, bool, error)) (all []Row) {
	r.t.Helper()
	for page := 0; ; page++ {
		rows, more, err := read(management.Page(page), management.PerPage(2))
		r.ok(err)
		if all = append(all, rows...); !more {
			return all
		}
	}
}

func (r *rig) equal(what string, got, want any) {
	r.t.Helper()
	if got != want {
		r.t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// gone fails unless an error of the client says 404.
func (r *rig) gone(err error) {
	r.t.Helper()
	var answer management.Error
	if e, ok := err.(management.Error); ok { //nolint:errorlint // the client returns it as it is
		answer = e
	}
	if answer == nil || answer.Status() != 404 {
		r.t.Errorf("the error is %v, want 404", err)
	}
}

func TestSDKUsers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	m, ctx := r.sdk(), t.Context()
	u := &management.User{
		Connection: auth0.String("Username-Password-Authentication"), Email: auth0.String("Ada@Example.com"), Password: auth0.String("correct horse"),
		Name: auth0.String("Ada"), EmailVerified: auth0.Bool(true), UserMetadata: &map[string]any{"a": 1, "b": map[string]any{"c": 1}},
	}
	r.ok(m.User.Create(ctx, u))
	r.equal("email", u.GetEmail(), "ada@example.com")
	if hash := one[string](r, `select hash from auth.passwords where user_id = $1`, u.GetID()); !strings.HasPrefix(hash, "$argon2id$") {
		t.Errorf("the password is kept as %q", hash)
	}
	got, err := m.User.Read(ctx, u.GetID())
	r.ok(err)
	r.equal("name", got.GetName(), "Ada")
	r.equal("identity", got.Identities[0].GetProvider()+"|"+got.Identities[0].GetUserID(), u.GetID())
	r.ok(m.User.Update(ctx, u.GetID(), &management.User{Name: auth0.String("Ada L."), UserMetadata: &map[string]any{"b": 2, "a": nil}}))
	got, err = m.User.Read(ctx, u.GetID())
	r.ok(err)
	r.equal("name", got.GetName(), "Ada L.")
	r.equal("metadata", len(got.GetUserMetadata()), 1)
	r.equal("metadata", got.GetUserMetadata()["b"], 2.0)
	for _, name := range []string{"b", "c", "d"} {
		r.ok(m.User.Create(ctx, &management.User{Connection: auth0.String("Username-Password-Authentication"), Email: auth0.String(name + "@example.com"), Name: auth0.String(name)}))
	}
	all := paged(r, func(o ...management.RequestOption) ([]*management.User, bool, error) {
		l, err := m.User.List(ctx, o...)
		return l.Users, l.HasNext(), err
	})
	r.equal("the number of users", len(all), 4)
	found, err := m.User.Search(ctx, management.Query(`email:"b@example.com" AND name:b*`))
	r.ok(err)
	r.equal("those found", len(found.Users), 1)
	byEmail, err := m.User.ListByEmail(ctx, "ADA@example.com")
	r.ok(err)
	r.equal("those of the address", len(byEmail), 1)
	linked, err := m.User.Link(ctx, u.GetID(), &management.UserIdentityLink{Provider: auth0.String("auth0"), UserID: found.Users[0].ID})
	r.ok(err)
	r.equal("identities", len(linked), 2)
	r.equal("its e-mail", (*linked[1].ProfileData)["email"], "b@example.com")
	_, err = m.User.Read(ctx, found.Users[0].GetID())
	r.gone(err)
	linked, err = m.User.Unlink(ctx, u.GetID(), "auth0", strings.TrimPrefix(found.Users[0].GetID(), "auth0|"))
	r.ok(err)
	r.equal("identities", len(linked), 1)
	r.ok(m.User.Delete(ctx, u.GetID()))
	_, err = m.User.Read(ctx, u.GetID())
	r.gone(err)
}

func TestSDKRolesAndPermissions(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	m, ctx := r.sdk(), t.Context()
	server := &management.ResourceServer{
		Identifier: auth0.String("https://api.example.com/"), Name: auth0.String("API"), TokenLifetime: auth0.Int(600),
		Scopes: &[]management.ResourceServerScope{{Value: auth0.String("read:a"), Description: auth0.String("A")}, {Value: auth0.String("read:b")}, {Value: auth0.String("read:c")}},
	}
	r.ok(m.ResourceServer.Create(ctx, server))
	role := &management.Role{Name: auth0.String("admin"), Description: auth0.String("all")}
	r.ok(m.Role.Create(ctx, role))
	r.ok(m.Role.Update(ctx, role.GetID(), &management.Role{Description: auth0.String("more")}))
	got, err := m.Role.Read(ctx, role.GetID())
	r.ok(err)
	r.equal("role", got.GetName()+" "+got.GetDescription(), "admin more")
	for _, name := range []string{"b", "c"} {
		r.ok(m.Role.Create(ctx, &management.Role{Name: auth0.String(name)}))
	}
	all := paged(r, func(o ...management.RequestOption) ([]*management.Role, bool, error) {
		l, err := m.Role.List(ctx, o...)
		return l.Roles, l.HasNext(), err
	})
	r.equal("the number of roles", len(all), 3)

	var some []*management.Permission
	for _, name := range []string{"read:a", "read:b", "read:c"} {
		some = append(some, &management.Permission{Name: auth0.String(name), ResourceServerIdentifier: server.Identifier})
	}
	r.ok(m.Role.AssociatePermissions(ctx, role.GetID(), some))
	permissions := paged(r, func(o ...management.RequestOption) ([]*management.Permission, bool, error) {
		l, err := m.Role.Permissions(ctx, role.GetID(), o...)
		return l.Permissions, l.HasNext(), err
	})
	r.equal("the number of permissions", len(permissions), 3)
	r.equal("the first", permissions[0].GetName()+" "+permissions[0].GetDescription()+" "+permissions[0].GetResourceServerName(), "read:a A API")
	r.ok(m.Role.RemovePermissions(ctx, role.GetID(), some[:1]))

	user := &management.User{Connection: auth0.String("Username-Password-Authentication"), Email: auth0.String("a@example.com")}
	r.ok(m.User.Create(ctx, user))
	r.ok(m.User.AssignRoles(ctx, user.GetID(), all))
	roles := paged(r, func(o ...management.RequestOption) ([]*management.Role, bool, error) {
		l, err := m.User.Roles(ctx, user.GetID(), o...)
		return l.Roles, l.HasNext(), err
	})
	r.equal("the number of the user's roles", len(roles), 3)
	r.ok(m.User.RemoveRoles(ctx, user.GetID(), all[:1]))
	r.ok(m.Role.AssignUsers(ctx, all[0].GetID(), []*management.User{user}))
	users, err := m.Role.Users(ctx, all[0].GetID())
	r.ok(err)
	r.equal("who has the role", users.Users[0].GetID(), user.GetID())

	r.ok(m.ResourceServer.Update(ctx, server.GetIdentifier(), &management.ResourceServer{Scopes: &[]management.ResourceServerScope{{Value: auth0.String("read:b"), Description: auth0.String("B")}}}))
	read, err := m.ResourceServer.Read(ctx, server.GetID())
	r.ok(err)
	r.equal("scopes", len(read.GetScopes()), 1)
	r.equal("permissions left", one[string](r, `select string_agg(permission_name || description, ',') from auth.permissions`), "read:bB")
	servers, err := m.ResourceServer.List(ctx)
	r.ok(err)
	r.equal("the number of servers", servers.Total, 1)
	r.ok(m.ResourceServer.Delete(ctx, server.GetID()))
	_, err = m.ResourceServer.Read(ctx, server.GetID())
	r.gone(err)
	r.ok(m.Role.Delete(ctx, role.GetID()))
	_, err = m.Role.Read(ctx, role.GetID())
	r.gone(err)
}

func TestSDKConnections(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	m, ctx := r.sdk(), t.Context()
	c := &management.Connection{
		Name: auth0.String("google"), Strategy: auth0.String(management.ConnectionStrategyGoogleOAuth2), Metadata: &map[string]string{"a": "b"},
		Options: &management.ConnectionOptionsGoogleOAuth2{ClientID: auth0.String("id"), ClientSecret: auth0.String("hunter2")},
	}
	r.ok(m.Connection.Create(ctx, c))
	got, err := m.Connection.Read(ctx, c.GetID())
	r.ok(err)
	options := got.Options.(*management.ConnectionOptionsGoogleOAuth2)
	r.equal("client id", options.GetClientID(), "id")
	r.equal("client secret", options.GetClientSecret(), "")
	if text := one[string](r, `select options::text from auth.connections`); strings.Contains(text, "hunter2") {
		t.Errorf("the options have the secret: %s", text)
	}
	sealed := one[[]byte](r, `select sealed from auth.connection_secrets where name = 'client_secret'`)
	plain, err := r.keys.Open(sealed, "connection/acme/"+c.GetID()+"/client_secret")
	r.ok(err)
	r.equal("the secret", string(plain), "hunter2")
	r.ok(m.Connection.Update(ctx, c.GetID(), &management.Connection{Options: &management.ConnectionOptionsGoogleOAuth2{ClientID: auth0.String("other")}}))
	r.equal("secrets left", one[int](r, `select count(*) from auth.connection_secrets`), 1)
	for _, name := range []string{"b", "c"} {
		r.ok(m.Connection.Create(ctx, &management.Connection{Name: auth0.String(name), Strategy: auth0.String("auth0")}))
	}
	var all []string
	for from := ""; ; {
		o := []management.RequestOption{management.Take(2)}
		if from != "" {
			o = append(o, management.From(from))
		}
		l, err := m.Connection.List(ctx, o...)
		r.ok(err)
		for _, c := range l.Connections {
			all = append(all, c.GetName())
		}
		if from = l.Next; from == "" {
			break
		}
	}
	if slices.Sort(all); strings.Join(all, " ") != "b c google" {
		t.Errorf("the connections are %v", all)
	}
	byName, err := m.Connection.ReadByName(ctx, "google")
	r.ok(err)
	r.equal("found by name", byName.GetID(), c.GetID())
	r.ok(m.Connection.Delete(ctx, c.GetID()))
	_, err = m.Connection.Read(ctx, c.GetID())
	r.gone(err)
}

func TestSDKTenant(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	m, ctx := r.sdk(), t.Context()
	r.ok(m.Tenant.Update(ctx, &management.Tenant{FriendlyName: auth0.String("Acme"), EnabledLocales: &[]string{"de"}}))
	tenant, err := m.Tenant.Read(ctx)
	r.ok(err)
	r.equal("friendly name", tenant.GetFriendlyName()+" "+tenant.GetEnabledLocales()[0], "Acme de")
	keys, err := m.SigningKey.List(ctx)
	r.ok(err)
	r.equal("keys", len(keys), 2)
	active, err := m.Stat.ActiveUsers(ctx)
	r.ok(err)
	r.equal("active users", active, 0)
	days, err := m.Stat.Daily(ctx, management.Parameter("from", "20260101"), management.Parameter("to", "20260103"))
	r.ok(err)
	r.equal("days", len(days), 3)
}
