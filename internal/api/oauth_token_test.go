package api_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/auth0/go-auth0"
	"github.com/auth0/go-auth0/management"
)

// asked makes a client with a grant for the management API, and gives its id and secret.
func (r *rig) client(scope string) (id, secret string) {
	r.t.Helper()
	made := into[map[string]any](r, r.as("POST", "/api/v2/clients", `{"name": "machine", "grant_types": ["client_credentials"]}`).want(r.t, 201, "client_secret"))
	id, secret = made["client_id"].(string), made["client_secret"].(string)
	r.as("POST", "/api/v2/client-grants", `{"client_id": "`+id+`", "audience": "`+audience+`", "scope": ["`+strings.ReplaceAll(scope, " ", `", "`)+`"]}`).want(r.t, 201, "")
	return id, secret
}

// form asks for a token as most do.
func (r *rig) form(values url.Values, header ...string) answer {
	r.t.Helper()
	return r.call("", "POST", "/oauth/token", values.Encode(), append(header, "Content-Type", "application/x-www-form-urlencoded")...)
}

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, secret := r.client("read:roles create:roles")
	good := url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}, "audience": {audience}}
	type tokens struct {
		Token     string `json:"access_token"`
		Type      string `json:"token_type"`
		ExpiresIn int    `json:"expires_in"`
		Scope     string
	}
	got := into[tokens](r, r.form(good).want(t, 200, ""))
	r.equal("the answer", got.Type+" "+got.Scope, "Bearer read:roles create:roles")
	r.equal("its lifetime", got.ExpiresIn, 86400)
	r.call(got.Token, "POST", "/api/v2/roles", `{"name": "a"}`).want(t, 201, "")
	r.call(got.Token, "GET", "/api/v2/users", "").want(t, 403, "read:users")
	r.call(got.Token, "GET", "/api/v2/roles", "", "tenant-id", "globex").want(t, 403, "wrong_tenant")

	with := func(name, value string) url.Values {
		v := url.Values{}
		for name, values := range good {
			v[name] = values
		}
		if v.Set(name, value); value == "" {
			v.Del(name)
		}
		return v
	}
	r.equal("the scope", into[tokens](r, r.form(with("scope", "read:roles")).want(t, 200, "")).Scope, "read:roles")
	r.form(with("scope", "read:roles read:users")).want(t, 400, `"invalid_scope"`)
	r.form(with("audience", "urn:other")).want(t, 400, `"unauthorized_client"`)
	r.form(with("audience", "")).want(t, 400, `"invalid_request"`)
	r.form(with("grant_type", "password")).want(t, 400, `"unsupported_grant_type"`)
	r.form(with("grant_type", "")).want(t, 400, `"invalid_request"`)
	wrong := r.form(with("client_secret", "wrong")).want(t, 401, `"invalid_client"`)
	r.equal("what is said of a client that there isn't", r.form(with("client_id", "none")).want(t, 401, "").text, wrong.text)
	r.form(good, "tenant-id", "globex").want(t, 401, `"invalid_client"`)
	r.form(good, "tenant-id", "acme").want(t, 200, "")
	r.call("", "POST", "/oauth/token", `{"grant_type": "client_credentials", "client_id": "`+id+`", "client_secret": "`+secret+`", "audience": "`+audience+`"}`).want(t, 200, "")
	r.call("", "POST", "/oauth/token", `{"grant_type": 1}`).want(t, 400, `"invalid_request"`)
	basic, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, r.server.URL, nil)
	basic.SetBasicAuth(id, secret)
	only := url.Values{"grant_type": {"client_credentials"}, "audience": {audience}}
	r.form(only, "Authorization", basic.Header.Get("Authorization")).want(t, 200, "")
	r.form(good, "Authorization", basic.Header.Get("Authorization")).want(t, 400, `"invalid_request"`)
	basic.SetBasicAuth(id, "wrong")
	if a := r.form(only, "Authorization", basic.Header.Get("Authorization")).want(t, 401, `"invalid_client"`); a.header.Get("Www-Authenticate") == "" {
		t.Error("the answer names no way to authenticate")
	}
	if n := one[int](r, `select count(*) from auth.logs where type = 'feccft' and client_id = $1`, id); n != 5 {
		t.Errorf("%d lines tell of refusals", n)
	}

	after := into[map[string]any](r, r.as("POST", "/api/v2/clients/"+id+"/rotate-secret", "").want(t, 200, ""))
	r.form(good).want(t, 401, "")
	r.form(with("client_secret", after["client_secret"].(string))).want(t, 200, "")
	r.as("PATCH", "/api/v2/clients/"+id, `{"token_endpoint_auth_method": "none"}`).want(t, 200, "")
	r.form(with("client_secret", after["client_secret"].(string))).want(t, 401, "")
}

func TestSDKClients(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	m, ctx := r.sdk(), t.Context()
	c := &management.Client{Name: auth0.String("app"), AppType: auth0.String("spa"), Callbacks: &[]string{"https://app.example.com/"}, ClientMetadata: &map[string]any{"a": "b"}}
	r.ok(m.Client.Create(ctx, c))
	if c.GetClientSecret() == "" {
		t.Error("the client has no secret")
	}
	r.ok(m.Client.Update(ctx, c.GetClientID(), &management.Client{Description: auth0.String("changed")}))
	got, err := m.Client.Read(ctx, c.GetClientID())
	r.ok(err)
	r.equal("client", got.GetName()+" "+got.GetDescription()+" "+got.GetCallbacks()[0], "app changed https://app.example.com/")
	r.equal("the secret, which the scope read:client_keys shows", got.GetClientSecret(), c.GetClientSecret())
	rotated, err := m.Client.RotateSecret(ctx, c.GetClientID())
	r.ok(err)
	if s := rotated.GetClientSecret(); s == "" || s == c.GetClientSecret() {
		t.Errorf("the new secret is %q", s)
	}
	for _, name := range []string{"b", "c"} {
		r.ok(m.Client.Create(ctx, &management.Client{Name: auth0.String(name)}))
	}
	all := paged(r, func(o ...management.RequestOption) ([]*management.Client, bool, error) {
		l, err := m.Client.List(ctx, o...)
		return l.Clients, l.HasNext(), err
	})
	r.equal("the number of clients", len(all), 3)

	g := &management.ClientGrant{ClientID: c.ClientID, Audience: auth0.String("urn:api"), Scope: &[]string{"a"}}
	r.ok(m.ClientGrant.Create(ctx, g))
	r.ok(m.ClientGrant.Update(ctx, g.GetID(), &management.ClientGrant{Scope: &[]string{"a", "b"}}))
	read, err := m.ClientGrant.Read(ctx, g.GetID())
	r.ok(err)
	r.equal("scopes", len(read.GetScope()), 2)
	grants, err := m.ClientGrant.List(ctx, management.Parameter("client_id", c.GetClientID()))
	r.ok(err)
	r.equal("the number of grants", grants.Total, 1)
	r.ok(m.ClientGrant.Delete(ctx, g.GetID()))
	r.ok(m.Client.Delete(ctx, c.GetClientID()))
	_, err = m.Client.Read(ctx, c.GetClientID())
	r.gone(err)
}

func TestSDKOrganizations(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	m, ctx := r.sdk(), t.Context()
	o := &management.Organization{Name: auth0.String("big"), DisplayName: auth0.String("Big"), Metadata: &map[string]string{"a": "b"}}
	r.ok(m.Organization.Create(ctx, o))
	r.ok(m.Organization.Update(ctx, o.GetID(), &management.Organization{DisplayName: auth0.String("Bigger")}))
	got, err := m.Organization.ReadByName(ctx, "big")
	r.ok(err)
	r.equal("organization", got.GetID()+got.GetDisplayName(), o.GetID()+"Bigger")
	for _, name := range []string{"b", "c"} {
		r.ok(m.Organization.Create(ctx, &management.Organization{Name: auth0.String(name)}))
	}
	all := paged(r, func(o ...management.RequestOption) ([]*management.Organization, bool, error) {
		l, err := m.Organization.List(ctx, o...)
		return l.Organizations, l.HasNext(), err
	})
	r.equal("the number of organizations", len(all), 3)
	u := &management.User{Connection: auth0.String("Username-Password-Authentication"), Email: auth0.String("a@example.com")}
	r.ok(m.User.Create(ctx, u))
	role := &management.Role{Name: auth0.String("admin")}
	r.ok(m.Role.Create(ctx, role))
	r.ok(m.Organization.AddMembers(ctx, o.GetID(), []string{u.GetID()}))
	members, err := m.Organization.Members(ctx, o.GetID())
	r.ok(err)
	r.equal("member", members.Members[0].GetEmail(), "a@example.com")
	r.ok(m.Organization.AssignMemberRoles(ctx, o.GetID(), u.GetID(), []string{role.GetID()}))
	roles, err := m.Organization.MemberRoles(ctx, o.GetID(), u.GetID())
	r.ok(err)
	r.equal("its role", roles.Roles[0].GetName(), "admin")
	theirs, err := m.User.Organizations(ctx, u.GetID())
	r.ok(err)
	r.equal("the number of its organizations", theirs.Total, 1)
	r.ok(m.Organization.DeleteMemberRoles(ctx, o.GetID(), u.GetID(), []string{role.GetID()}))
	r.ok(m.Organization.DeleteMembers(ctx, o.GetID(), []string{u.GetID()}))
	c := &management.Connection{Name: auth0.String("db"), Strategy: auth0.String("auth0")}
	r.ok(m.Connection.Create(ctx, c))
	r.ok(m.Organization.AddConnection(ctx, o.GetID(), &management.OrganizationConnection{ConnectionID: c.ID}))
	r.ok(m.Organization.UpdateConnection(ctx, o.GetID(), c.GetID(), &management.OrganizationConnection{AssignMembershipOnLogin: auth0.Bool(true)}))
	enabled, err := m.Organization.Connections(ctx, o.GetID())
	r.ok(err)
	r.equal("its connection", enabled.OrganizationConnections[0].GetConnection().GetName(), "db")
	r.ok(m.Organization.DeleteConnection(ctx, o.GetID(), c.GetID()))
	r.ok(m.Organization.Delete(ctx, o.GetID()))
	_, err = m.Organization.Read(ctx, o.GetID())
	r.gone(err)
}

// Auth0's client gets its token here by itself.
func TestSDKClientCredentials(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, secret := r.client("create:roles")
	m, err := management.New(strings.TrimPrefix(r.server.URL, "http://"), management.WithInsecure(), management.WithClientCredentialsAndAudience(t.Context(), id, secret, audience))
	r.ok(err)
	r.ok(m.Role.Create(t.Context(), &management.Role{Name: auth0.String("a")}))
}
