package inbound_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/latchkey-dev/latchkey/db"
	"github.com/latchkey-dev/latchkey/internal/flows"
	"github.com/latchkey-dev/latchkey/internal/inbound"
	"github.com/latchkey-dev/latchkey/internal/pgtest"
	"github.com/latchkey-dev/latchkey/internal/seal"
)

// newFinder has the tenants acme, at id.acme.com, and globex, with a client of the same id in both, and one that is acme's alone.
func newFinder(t *testing.T) *inbound.Finder {
	t.Helper()
	d := pgtest.New(t)
	store, err := db.Open(t.Context(), db.Config{DatabaseURL: d.URL, Hooks: db.NewHooks()})
	ok(t, err)
	t.Cleanup(store.Close)
	keys, err := seal.Parse(seal.New())
	ok(t, err)
	_, err = d.Pool(t).Exec(t.Context(), `insert into auth.tenants (id) values ('acme'), ('globex');
		insert into auth.tenant_hosts (host, tenant_id) values ('id.acme.com', 'acme');
		insert into auth.clients (tenant_id, client_id, name, token_endpoint_auth_method) values
			('acme', 'same', 's', 'none'), ('globex', 'same', 's', 'none'), ('acme', 'app', 'a', 'client_secret_post')`)
	ok(t, err)
	return &inbound.Finder{Store: store, Keys: keys}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func request(t *testing.T, host, header string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+host+"/", nil)
	if header != "" {
		r.Header.Set("tenant-id", header)
	}
	return r
}

func TestCaller(t *testing.T) {
	t.Parallel()
	f := newFinder(t)
	for _, c := range []struct{ name, host, header, client, tenant, code string }{
		{name: "by the client's id", host: "x", client: "app", tenant: "acme"},
		{name: "an id of two tenants", host: "x", client: "same", code: "invalid_request"},
		{name: "an id of two tenants, by the header", host: "x", header: "globex", client: "same", tenant: "globex"},
		{name: "an id of two tenants, by the host", host: "id.acme.com:8080", client: "same", tenant: "acme"},
		{name: "the host's alone", host: "id.acme.com", tenant: "acme"},
		{name: "the header's alone", host: "x", header: "globex", tenant: "globex"},
		{name: "nobody's", host: "x", code: "invalid_request"},
		{name: "no such tenant", host: "x", header: "none", code: "invalid_request"},
		{name: "no such client", host: "x", client: "none", code: "invalid_client"},
		{name: "another tenant's client", host: "x", header: "globex", client: "app", code: "invalid_client"},
	} {
		caller, err := f.Caller(request(t, c.host, c.header), c.client)
		if c.code != "" {
			refused(t, c.name, err, c.code)
			continue
		}
		if err != nil || caller.Tenant.ID != c.tenant || (caller.Client != nil) != (c.client != "") {
			t.Errorf("%s: %q, %v", c.name, caller.Tenant.ID, err)
		}
	}
	ok(t, f.Store.Tenants.Delete(t.Context(), "globex"))
	caller, err := f.Caller(request(t, "x", ""), "")
	if err != nil || caller.Tenant.ID != "acme" {
		t.Errorf("the only tenant: %q, %v", caller.Tenant.ID, err)
	}
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	f := newFinder(t)
	caller, err := f.Caller(request(t, "x", ""), "app")
	ok(t, err)
	refused(t, "a client without a secret", f.Authenticate(t.Context(), caller, ""), "invalid_client")
	_, err = f.Store.ClientSecrets.Put(t.Context(), "acme", "app", f.Keys.Seal([]byte("secret"), db.ClientSecretName(caller.Client)))
	ok(t, err)
	ok(t, f.Authenticate(t.Context(), caller, "secret"))
	refused(t, "a wrong one", f.Authenticate(t.Context(), caller, "secreT"), "invalid_client")
	refused(t, "none", f.Authenticate(t.Context(), caller, ""), "invalid_client")
	refused(t, "nobody", f.Authenticate(t.Context(), flows.Caller{}, ""), "invalid_client")
	public, err := f.Caller(request(t, "id.acme.com", ""), "same")
	ok(t, err)
	ok(t, f.Authenticate(t.Context(), public, ""))
	refused(t, "a public one with a secret", f.Authenticate(t.Context(), public, "secret"), "invalid_client")
}

func refused(t *testing.T, what string, err error, code string) {
	t.Helper()
	var no *flows.Refused
	if !errors.As(err, &no) || no.Code != code {
		t.Errorf("%s: %v; want %s", what, err, code)
	}
}
